#pragma once

#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/correlate/weighted_tau.hpp>
#include <rapport/math/multiple_testing.hpp>

#include "command.hpp"
#include <initializer_list>

/// `rapport correlate`: its options, as typed and as the library takes them.
namespace rapport::program::correlate {

enum class Method {
  pearson,
  spearman,
  kendall,
  kendall_a,
  kendall_c,
  gamma,
  somers_d,
  weighted_tau,
  xi,
  hoeffding,
  bergsma_dassios,
  blomqvist,
  percentage_bend,
  winsorized,
  cramer,
  polychoric,
  polyserial,
  rank_biserial
};

/// The options as they were typed.
struct Arguments {
  std::string method;
  std::string columns;
  std::string x;
  std::string y;
  std::string partial;
  std::string remove_from;
  std::string adjust = "none";
  std::string exact = "auto";
  std::string alternative = "two-sided";
  std::string by;
  std::string repeated;
  std::string cluster;
  std::string missing = "pairwise";
  std::string weights;
  std::string ci = "bonett-wright";
  std::string rank = "both";
  std::string combine = "add";
  std::string estimator = "ml";
  Index bootstrap = 0;
  Index permutations = 100'000;
  double r = rapport::missing;
  double n = rapport::missing;
  bool continuity = false;
  bool paired = false;
};

/// The options as the library takes them.
struct Settings {
  Method method;
  Alternative alternative;
  ExactOptions exact;
  SpearmanInterval spearman_interval;
  WeightedTauOptions weighted_tau;
  LatentEstimator estimator;
  Adjustment adjustment;
  std::optional<RemoveFrom> remove_from;
  bool listwise;
  bool continuity;
  bool paired;
  double level;

  [[nodiscard]] CorrelationOptions plain() const {
    return {.alternative = alternative, .confidence_level = level};
  }
};

[[nodiscard]] bool is_one_of(Method method, std::initializer_list<Method> list);

/// Throws UsageError for options that do not go together.
void check_combinations(const Arguments& arguments, Method method, const CLI::App& command);

[[nodiscard]] Settings settings_of(const Arguments& arguments, const CommonOptions& common);

void add_options(CLI::App& command, Arguments& arguments);

}  // namespace rapport::program::correlate
