#include <rapport/base/missing.hpp>
#include <rapport/report/score.hpp>

#include "commands.hpp"
#include "scale_arguments.hpp"
#include <cmath>

namespace rapport::program {
namespace {

struct ChangeCommand {
  ScaleArguments scale;
  std::string pre;
  std::string post;
  std::string person;
  std::string occasion;
  std::string score;
  std::string occasions;
  std::string method = "jt";
  std::string cutoff;
  std::string higher_is;
  double reliability = std::numeric_limits<double>::quiet_NaN();
  bool expected = false;
  ChangeOptions options;
};

struct Pairs {
  std::vector<std::string> persons;
  Eigen::VectorXd pre;
  Eigen::VectorXd post;
};

Pairs wide_pairs(const ChangeCommand& command, const Table& table) {
  if (command.pre.empty() || command.post.empty())
    throw UsageError("change: --pre and --post go together");
  if (!command.score.empty() || !command.occasion.empty())
    throw UsageError("change: give --pre and --post, or --person, --occasion and --score");
  Pairs pairs{
      .persons = {}, .pre = table.numbers(command.pre), .post = table.numbers(command.post)};
  for (Index i = 0; i < table.rows(); ++i)
    pairs.persons.push_back(command.person.empty() ? std::to_string(i + 1)
                                                   : cell_text(table.column(command.person), i));
  return pairs;
}

Pairs long_pairs(const ChangeCommand& command, const Table& table) {
  if (command.person.empty() || command.occasion.empty() || command.score.empty())
    throw UsageError("change: give --pre and --post, or --person, --occasion and --score");
  std::vector<std::string> ends{"", ""};
  if (!command.occasions.empty()) ends = split_list(command.occasions, "--occasions");
  if (ends.size() != 2)
    throw UsageError("--occasions: \"" + command.occasions + "\" must be PRE,POST");
  try {
    const ScorePairs found =
        pair_scores(table.factor(command.person), table.factor(command.occasion),
                    table.numbers(command.score), ends[0], ends[1]);
    return {.persons = found.persons, .pre = found.pre, .post = found.post};
  } catch (const DataError& error) {
    throw DataError(error.what(), table.origin().file);
  }
}

void set_cutoff(const ChangeCommand& command, const std::optional<Instrument>& instrument,
                ChangeOptions& options) {
  if (command.cutoff.empty()) {
    if (instrument && !is_missing(instrument->reliable_change.cutoff) &&
        is_missing(options.normal_mean)) {
      options.cutoff = CutoffKind::value;
      options.cutoff_value = instrument->reliable_change.cutoff;
    }
    return;
  }
  if (command.cutoff == "a" || command.cutoff == "b" || command.cutoff == "c") {
    options.cutoff = command.cutoff == "a"   ? CutoffKind::a
                     : command.cutoff == "b" ? CutoffKind::b
                                             : CutoffKind::c;
  } else {
    options.cutoff = CutoffKind::value;
    options.cutoff_value = split_numbers(command.cutoff, "--cutoff").at(0);
  }
  if (options.cutoff == CutoffKind::b && is_missing(options.normal_mean))
    throw UsageError("--cutoff b needs --normal-mean and --normal-sd");
}

ChangeOptions options_of(const ChangeCommand& command,
                         const std::optional<Instrument>& instrument) {
  ChangeOptions options = command.options;
  options.method = choose("--method", command.method, parse_change_method,
                          {"jt", "gln", "hll", "en", "nk", "ha"});
  if (options.method == ChangeMethod::nunnally_kotsch && is_missing(options.reliability_post))
    throw UsageError("--method nk needs --reliability-post");
  if (is_missing(options.normal_mean) != is_missing(options.normal_sd))
    throw UsageError("--normal-mean and --normal-sd go together");
  set_cutoff(command, instrument, options);
  return options;
}

double reliability_of(const ChangeCommand& command, const std::optional<Instrument>& instrument) {
  const double value = is_missing(command.reliability) && instrument
                           ? instrument->reliable_change.reliability
                           : command.reliability;
  if (is_missing(value))
    throw UsageError("change: give --reliability (the reliability of the score)");
  if (!(value > 0 && value < 1))
    throw UsageError("--reliability: " + shortest_decimal(value) +
                     " must lie strictly between 0 and 1");
  return value;
}

Direction direction_of(const std::string& text, const std::optional<Instrument>& instrument) {
  if (!text.empty()) return choose("--higher-is", text, parse_direction, {"better", "worse"});
  if (!instrument)
    throw UsageError("change: give --higher-is better|worse, or an --instrument that knows");
  return instrument->higher_is;
}

Outcome run_change(const ChangeCommand& command, const CommonOptions& common) {
  const std::optional<Instrument> instrument = named_instrument(command.scale);
  const Direction higher_is = direction_of(command.higher_is, instrument);
  const double reliability = reliability_of(command, instrument);
  const ChangeOptions options = options_of(command, instrument);
  const Table table = load_table(common);
  const bool wide = !command.pre.empty() || !command.post.empty();
  const Pairs pairs = wide ? wide_pairs(command, table) : long_pairs(command, table);
  const ChangeResult result =
      reliable_change(pairs.pre, pairs.post, reliability, higher_is, options);
  Outcome outcome{.result = report::to_json(result, pairs.persons),
                  .main_table = "persons",
                  .text = {},
                  .warnings = {},
                  .rows = table.rows(),
                  .used = result.n_used};
  if (command.expected)
    outcome.result.set(
        "expected",
        report::to_json(expected_change(pairs.pre, pairs.post, common.level), pairs.persons));
  if (result.n_omitted > 0)
    outcome.warnings.push_back(std::to_string(result.n_omitted) +
                               " persons lack one of the two scores and were left out");
  if (is_missing(result.standard_error_difference))
    outcome.warnings.push_back(
        "the differences carry no reliable part at these reliabilities; the index is undefined");
  return outcome;
}

struct SuddenGainsCommand {
  std::string id;
  std::string sessions;
  std::string occasion;
  std::string score;
  double cutoff = std::numeric_limits<double>::quiet_NaN();
  std::string criterion3 = "adjusted";
  std::string higher_is = "worse";
  bool losses = false;
  SuddenGainOptions options;
};

/// Persons × sessions, with their names.
struct SessionScores {
  Eigen::MatrixXd scores;
  std::vector<std::string> persons;
  std::vector<std::string> sessions;
};

SessionScores wide_sessions(const SuddenGainsCommand& command, const Table& table) {
  SessionScores out;
  out.sessions = split_names(command.sessions, "--sessions");
  out.scores = table.matrix(out.sessions);
  out.persons = joined_ids(table, {command.id});
  return out;
}

SessionScores long_sessions(const SuddenGainsCommand& command, const Table& table) {
  if (command.occasion.empty() || command.score.empty())
    throw UsageError("sudden-gains: give --sessions s1,s2,…, or --occasion and --score");
  const Factor person = table.factor(command.id);
  const Factor occasion = table.factor(command.occasion);
  const Eigen::VectorXd& score = table.numbers(command.score);
  SessionScores out{
      .scores = Eigen::MatrixXd::Constant(person.level_count(), occasion.level_count(), missing),
      .persons = person.levels,
      .sessions = occasion.levels};
  for (Index i = 0; i < table.rows(); ++i) {
    const auto p = person.codes[static_cast<std::size_t>(i)];
    const auto t = occasion.codes[static_cast<std::size_t>(i)];
    if (p < 0 || t < 0 || is_missing(score[i])) continue;
    if (!is_missing(out.scores(p, t)))
      throw DataError("\"" + person.levels[static_cast<std::size_t>(p)] +
                          "\" has a second score in session \"" +
                          occasion.levels[static_cast<std::size_t>(t)] +
                          "\"; each session takes one",
                      table.origin().file, table.line(i));
    out.scores(p, t) = score[i];
  }
  return out;
}

Outcome run_sudden_gains(const SuddenGainsCommand& command, const CommonOptions& common) {
  SuddenGainOptions options = command.options;
  options.stability = choose("--criterion3", command.criterion3, parse_stability_criterion,
                             {"adjusted", "fixed", "none"});
  options.higher_is =
      choose("--higher-is", command.higher_is, parse_direction, {"better", "worse"});
  if (!(command.cutoff > 0))
    throw UsageError("--cutoff: " + shortest_decimal(command.cutoff) + " must be above 0");
  if (!(options.alpha > 0 && options.alpha < 1))
    throw UsageError("--alpha: " + shortest_decimal(options.alpha) +
                     " must lie strictly between 0 and 1");
  const Table table = load_table(common);
  const SessionScores data =
      command.sessions.empty() ? long_sessions(command, table) : wide_sessions(command, table);
  const SuddenGainResult result = sudden_gains(data.scores, command.cutoff, options);
  Outcome outcome{.result = report::to_json(result, data.persons, data.sessions),
                  .main_table = "events",
                  .text = {},
                  .warnings = {},
                  .rows = table.rows(),
                  .used = table.rows()};
  if (command.losses)
    outcome.result.set(
        "losses", report::to_json(sudden_losses(data.scores, command.cutoff, options), data.persons,
                                  data.sessions));
  return outcome;
}

}  // namespace

void add_change(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<ChangeCommand>();
  CLI::App* command =
      add_command(program, chosen, "change",
                  "Reliable and clinically significant change of each person (csv: the persons)",
                  common, [own, common] { return run_change(*own, *common); });
  add_instrument_options(*command, own->scale);
  command->add_option("--pre", own->pre, "Column of the scores before");
  command->add_option("--post", own->post, "Column of the scores after");
  command->add_option("--person", own->person, "Column of persons (long data)");
  command->add_option("--occasion", own->occasion, "Column of occasions");
  command->add_option("--score", own->score, "Column of scores");
  command->add_option("--occasions", own->occasions,
                      "PRE,POST (default: each person's first and last)");
  command->add_option("--reliability", own->reliability, "Reliability of the score");
  command->add_option("--reliability-post", own->options.reliability_post,
                      "Reliability after (methods nk and ha)");
  command->add_option("--sd", own->options.sd, "SD in place of that of the scores before");
  command->add_option("--normal-mean", own->options.normal_mean, "Mean of a normal population");
  command->add_option("--normal-sd", own->options.normal_sd, "Its SD");
  command->add_option("--cutoff", own->cutoff, "a, b, c (default) or a value");
  command->add_option("--higher-is", own->higher_is, "better or worse");
  command->add_flag("--expected", own->expected,
                    "Band of the score after that the score before lets expect");
  command->add_option("--method", own->method, "jt (default), gln, hll, en, nk or ha");
  add_data(*command, *common);
}

void add_sudden_gains(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto own = std::make_shared<SuddenGainsCommand>();
  CLI::App* command =
      add_command(program, chosen, "sudden-gains",
                  "Sudden gains between sessions, and their reversals (csv: the events)", common,
                  [own, common] { return run_sudden_gains(*own, *common); });
  command->add_option("--id", own->id, "Column of persons")->required();
  command->add_option("--sessions", own->sessions,
                      "Columns of the sessions in order: s1,s2,… (wide data)");
  command->add_option("--occasion", own->occasion, "Column of sessions (long data)");
  command->add_option("--score", own->score, "Column of scores (long data)");
  command->add_option("--cutoff", own->cutoff, "Least change from one session to the next")
      ->required();
  command->add_option("--proportion", own->options.proportion,
                      "Least share of the score before (default 0.25)");
  command->add_option("--criterion3", own->criterion3, "adjusted (default), fixed (2.776) or none");
  command->add_option("--alpha", own->options.alpha, "Of the critical value (default 0.05)");
  command->add_option("--higher-is", own->higher_is, "worse (default) or better");
  command->add_flag("--losses", own->losses, "Sudden losses besides");
  add_data(*command, *common);
}

}  // namespace rapport::program
