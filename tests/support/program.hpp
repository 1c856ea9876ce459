#pragma once

#include <rapport/data/json.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

/// Runs the program as a person would. RAPPORT_PROGRAM is its path.
namespace rapport::testing_support {

struct ProgramRun {
  int status = -1;
  std::string out;
  std::string err;

  /// `result` of the JSON on standard output.
  [[nodiscard]] Json result() const { return parse_json(out).at("result"); }
};

inline std::string quoted_for_shell(const std::string& argument) {
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

inline ProgramRun run_program(const std::vector<std::string>& arguments) {
  const std::string errors = (std::filesystem::temp_directory_path() /
                              ("rapport_test_" + std::to_string(getpid()) + ".err"))
                                 .string();
  std::string command = quoted_for_shell(RAPPORT_PROGRAM);
  for (const std::string& argument : arguments) command += " " + quoted_for_shell(argument);
  command += " 2> " + quoted_for_shell(errors);
  ProgramRun run;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    run.out.append(buffer.data(), n);
  const int status = pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream in(errors);
  std::stringstream text;
  text << in.rdbuf();
  run.err = text.str();
  std::filesystem::remove(errors);
  return run;
}

}  // namespace rapport::testing_support
