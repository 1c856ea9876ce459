#include "command.hpp"
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <unistd.h>

namespace rapport::program {
namespace {

std::atomic<bool> interrupted = false;

void note_interrupt(int) { interrupted = true; }

}  // namespace

Progress progress_bar(const CommonOptions& common, const std::string& what) {
  std::signal(SIGINT, note_interrupt);
  const bool shown = !common.quiet && isatty(STDERR_FILENO) != 0;
  const auto start = std::chrono::steady_clock::now();
  auto last = std::make_shared<std::chrono::steady_clock::time_point>(start);
  return [=](Index done, Index total) {
    const auto now = std::chrono::steady_clock::now();
    const bool finished = done >= total;
    const bool due = now - *last > std::chrono::milliseconds(100) || finished;
    if (shown && due && now - start > std::chrono::seconds(1)) {
      constexpr Index width = 30;
      const Index filled = total > 0 ? width * done / total : width;
      std::string bar(static_cast<std::size_t>(filled), '#');
      bar.append(static_cast<std::size_t>(width - filled), '.');
      std::fprintf(stderr, "\r%s [%s] %3ld %%", what.c_str(), bar.c_str(),
                   static_cast<long>(total > 0 ? 100 * done / total : 100));
      if (finished) std::fprintf(stderr, "\n");
      *last = now;
    }
    return !interrupted.load();
  };
}

}  // namespace rapport::program
