#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  rapport::RandomStream stream(rapport::Seed{1}, 0);
  std::printf("rapport %s: %.3f\n", rapport::version, stream.uniform());
}
