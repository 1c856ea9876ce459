#include <rapport/base/error.hpp>
#include <rapport/version.hpp>

#include "commands.hpp"
#include <iostream>

namespace rapport::program {
namespace {

constexpr int done = 0;
constexpr int data_at_fault = 1;
constexpr int usage_at_fault = 2;

void add_commands(CLI::App& program, Chosen& chosen) {
  add_agree(program, chosen);
  add_alliance(program, chosen);
  add_change(program, chosen);
  add_compare(program, chosen);
  add_congruence(program, chosen);
  add_correlate(program, chosen);
  add_dropout(program, chosen);
  add_dyad(program, chosen);
  add_fit(program, chosen);
  add_impute(program, chosen);
  add_instruments(program, chosen);
  add_lagged(program, chosen);
  add_meta(program, chosen);
  add_plan(program, chosen);
  add_predict(program, chosen);
  add_reliability(program, chosen);
  add_score(program, chosen);
  add_screen(program, chosen);
  add_sudden_gains(program, chosen);
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

int fail(const std::string& message, int status) {
  std::cerr << "rapport: error: " << one_line(message) << '\n';
  return status;
}

/// CLI11 says only that the word was not expected; a person wants to know which command was meant.
void require_known_command(const CLI::App& program, int argc, char** argv) {
  if (argc < 2) throw UsageError("no command given; `rapport --help` lists them");
  const std::string word = argv[1];
  if (word.empty() || word[0] == '-') return;
  std::vector<std::string> names;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string near = nearest_name(word, names);
  throw UsageError("there is no command \"" + word + "\"; " +
                   (near.empty() ? "" : "did you mean " + near + "? ") +
                   "`rapport --help` lists them");
}

void validate(const CommonOptions& common) {
  if (!(common.level > 0 && common.level < 1))
    throw UsageError("--level: " + shortest_decimal(common.level) +
                     " must lie strictly between 0 and 1, such as 0.95");
  if (common.threads < 0) throw UsageError("--threads: must be 0 (every core) or more");
  if (common.format != "text" && common.format != "json" && common.format != "csv")
    throw UsageError("--format: \"" + common.format + "\" must be text, json or csv");
}

int run(int argc, char** argv) {
  CLI::App program(
      "rapport: scale scoring, agreement, correlation and mixed models for alliance-outcome "
      "research",
      "rapport");
  program.set_version_flag("--version", std::string("rapport ") + version);
  program.require_subcommand(1);
  Chosen chosen;
  add_commands(program, chosen);
  try {
    require_known_command(program, argc, argv);
    program.parse(argc, argv);
    validate(*chosen.common);
    write_outcome(chosen, chosen.run());
    return done;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    return fail(error.what(), usage_at_fault);
  } catch (const UsageError& error) {
    return fail(error.what(), usage_at_fault);
  } catch (const FormulaError& error) {
    fail(error.what(), data_at_fault);
    std::cerr << error.caret() << '\n';
    return data_at_fault;
  } catch (const Interrupted& error) {
    return fail(error.what(), 130);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory for these data", data_at_fault);
  } catch (const std::exception& error) {
    return fail(error.what(), data_at_fault);
  }
}

}  // namespace
}  // namespace rapport::program

int main(int argc, char** argv) { return rapport::program::run(argc, argv); }
