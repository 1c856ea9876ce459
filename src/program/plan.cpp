#include <rapport/agree/planning.hpp>
#include <rapport/base/missing.hpp>

#include "commands.hpp"

namespace rapport::program {
namespace {

struct PlanOptions {
  std::string coefficient;
  std::string rates;
  double kappa = missing;
  double icc = missing;
  double raters = 2;
  double null = missing;
  double alpha = 0.05;
  double power = missing;
  double width = missing;
  Index subjects = 0;
  bool one_sided = false;
};

void require(bool holds, const std::string& option, const std::string& what) {
  if (!holds) throw UsageError(option + ": " + what);
}

void require_probability(double value, const std::string& option) {
  require(value > 0 && value < 1, option, "must lie strictly between 0 and 1");
}

/// What is planned: by a test (its power given the subjects, or the subjects it needs), or by the
/// width of an interval. The coefficient says how each is computed.
struct Planner {
  std::function<double(Index subjects)> power;
  std::function<Index(double power)> subjects_for_power;
  std::function<Index(double width)> subjects_for_width;
};

Outcome planned(Json result, const PlanOptions& o, const CommonOptions& common,
                const Planner& planner) {
  Outcome out;
  Index subjects = o.subjects;
  if (!is_missing(o.width)) {
    subjects = planner.subjects_for_width(o.width);
    result.set("width", o.width);
    result.set("level", common.level);
  } else {
    const double wanted = is_missing(o.power) ? 0.80 : o.power;
    if (subjects == 0) subjects = planner.subjects_for_power(wanted);
    result.set("null", o.null);
    result.set("alpha", o.alpha);
    if (o.subjects == 0) result.set("power_wanted", wanted);
    result.set("power", subjects > 0 ? planner.power(subjects) : missing);
  }
  if (subjects < 0) out.warnings.emplace_back("no number of subjects up to a million is enough");
  result.set("subjects", subjects < 0 ? Json() : Json(static_cast<std::int64_t>(subjects)));
  out.result = std::move(result);
  return out;
}

Outcome plan_kappa(const CommonOptions& common, const PlanOptions& o) {
  require(!is_missing(o.kappa), "--kappa", "must be given: the coefficient expected");
  const std::vector<double> rates =
      o.rates.empty() ? std::vector<double>{} : split_numbers(o.rates, "--rates");
  require(rates.size() == 2, "--rates",
          "must be the two raters' probabilities of the category, such as 0.4,0.45");
  const bool two_sided = !o.one_sided;
  const Planner planner{.power =
                            [&](Index n) {
                              return kappa_test_power(rates[0], rates[1], o.kappa, o.null,
                                                      static_cast<double>(n), o.alpha, two_sided);
                            },
                        .subjects_for_power =
                            [&](double power) {
                              return subjects_for_kappa_test(
                                  rates[0], rates[1], o.kappa, o.null,
                                  {.alpha = o.alpha, .power = power, .two_sided = two_sided});
                            },
                        .subjects_for_width =
                            [&](double width) {
                              return subjects_for_kappa_width(rates[0], rates[1], o.kappa, width,
                                                              common.level);
                            }};
  Json result = Json::object({{"coefficient", "kappa"}, {"kappa", o.kappa}, {"raters", 2}});
  result.set("rates", Json(Eigen::VectorXd(Eigen::Vector2d(rates[0], rates[1]))));
  if (is_missing(o.width)) result.set("sides", two_sided ? 2 : 1);
  return planned(std::move(result), o, common, planner);
}

Outcome plan_icc(const CommonOptions& common, const PlanOptions& o) {
  require(!is_missing(o.icc), "--icc", "must be given: the coefficient expected");
  const Planner planner{.power =
                            [&](Index n) {
                              return icc_test_power(o.icc, o.null, static_cast<double>(n), o.raters,
                                                    o.alpha);
                            },
                        .subjects_for_power =
                            [&](double power) {
                              return subjects_for_icc_test(o.icc, o.null, o.raters, power, o.alpha);
                            },
                        .subjects_for_width =
                            [&](double width) {
                              return subjects_for_icc_width(o.icc, o.raters, width, common.level);
                            }};
  Json result = Json::object({{"coefficient", "icc"}, {"icc", o.icc}, {"raters", o.raters}});
  if (is_missing(o.width)) result.set("sides", 1);  // the F test
  return planned(std::move(result), o, common, planner);
}

Outcome run_plan(const CommonOptions& common, PlanOptions o) {
  const int goals = static_cast<int>(!is_missing(o.power)) +
                    static_cast<int>(!is_missing(o.width)) + static_cast<int>(o.subjects != 0);
  if (goals > 1) throw UsageError("--power, --width and --subjects exclude each other");
  require(o.subjects >= 0, "--subjects", "must be positive");
  require_probability(o.alpha, "--alpha");
  if (!is_missing(o.power)) require_probability(o.power, "--power");
  if (!is_missing(o.width)) require(o.width > 0, "--width", "must be positive");
  if (is_missing(o.null)) o.null = 0;
  using Plan = Outcome (*)(const CommonOptions&, const PlanOptions&);
  return choose<Plan>("COEFFICIENT", o.coefficient, {{"kappa", plan_kappa}, {"icc", plan_icc}})(
      common, o);
}

}  // namespace

void add_plan(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto options = std::make_shared<PlanOptions>();
  CLI::App* command =
      add_command(program, chosen, "plan", "How many subjects does a study of agreement need?",
                  common, [common, options] { return run_plan(*common, *options); });
  PlanOptions& o = *options;
  command->add_option("COEFFICIENT", o.coefficient, "kappa (two raters, two categories) or icc")
      ->required();
  command->add_option("--kappa", o.kappa, "kappa: the coefficient expected");
  command->add_option("--rates", o.rates,
                      "kappa: P1,P2, how often each rater chooses the category, in (0, 1)");
  command->add_option("--icc", o.icc, "icc: the coefficient expected, one rating's");
  command->add_option("--raters", o.raters, "icc: ratings a subject (default 2)");
  command->add_option("--null", o.null, "The coefficient to reject (default 0)");
  command->add_option("--alpha", o.alpha, "Level of the test (default 0.05)");
  command->add_flag("--one-sided", o.one_sided, "kappa: a one-sided test (icc's always is)");
  const std::string goal = "One of";
  command->add_option("--power", o.power, "Subjects for this power (default 0.8)")->group(goal);
  command->add_option("--width", o.width, "Subjects for an interval (--level) no wider than this")
      ->group(goal);
  command->add_option("--subjects", o.subjects, "Power of the test with so many subjects")
      ->group(goal);
}

}  // namespace rapport::program
