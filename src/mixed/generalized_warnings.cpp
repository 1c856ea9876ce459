#include "generalized_warnings.hpp"

#include "describe.hpp"
#include <algorithm>
#include <cmath>
#include <string>

namespace rapport::detail {
namespace {

using Eigen::VectorXd;

VectorXd trials_of(const Design& design) {
  return design.weights.size() > 0 ? design.weights : VectorXd::Ones(design.response.size());
}

bool is_count(Family family) {
  return family == Family::poisson || family == Family::nbinom1 || family == Family::nbinom2;
}

void warn_of_rare_outcome(const Design& design, GeneralizedFit& fit) {
  const bool counts = is_count(fit.family);
  const VectorXd trials = trials_of(design);
  const double successes = counts ? static_cast<double>((design.response.array() > 0).count())
                                  : design.response.dot(trials);
  const double rarer =
      counts ? successes : std::round(std::min(successes, trials.sum() - successes));
  const std::size_t effects = fit.fixed.terms.size();
  if (rarer > static_cast<double>(effects)) return;
  const std::string number = std::to_string(static_cast<Index>(rarer));
  fit.warnings.push_back(
      (counts ? "only " + number + (rarer == 1 ? " count is" : " counts are") + " above 0"
              : "the rarer outcome occurs only " + number + (rarer == 1 ? " time" : " times")) +
      ", too few for " + std::to_string(effects) + " fixed effects");
}

/// Fitted probabilities of categories are those of the category seen.
void warn_of_separation(GeneralizedFit& fit) {
  constexpr double certain = 1e-7;
  const bool categories = fit.family == Family::cumulative;
  const bool counts = is_count(fit.family);
  const auto count = std::count_if(fit.fitted.begin(), fit.fitted.end(), [&](double p) {
    return (!counts && p > 1 - certain) || (!categories && p < certain);
  });
  if (count == 0) return;
  fit.warnings.push_back(
      "separation: " + std::to_string(count) +
      (counts ? " fitted means are 0" : " fitted probabilities are 0 or 1") +
      " to seven digits; some coefficients have no finite estimate, and theirs and their standard "
      "errors mean nothing");
}

/// Pearson's statistic given the random effects, over its degrees of freedom.
void warn_of_overdispersion(const Design& design, GeneralizedFit& fit) {
  const bool binomial = fit.family == Family::binomial;
  const VectorXd trials = trials_of(design);
  // A single trial has no variance to exceed.
  if (binomial && trials.mean() < 2) return;
  double chi = 0;
  for (Index i = 0; i < fit.fitted.size(); ++i) {
    const double mean = fit.fitted[i];
    const double variance = binomial ? mean * (1 - mean) : mean;
    const double difference = design.response[i] - mean;
    if (variance > 0) chi += trials[i] * difference * difference / variance;
  }
  const double ratio = chi / fit.data.residual_df;
  if (!(ratio > 1.5)) return;
  fit.warnings.push_back(
      "overdispersion: the Pearson statistic is " + std::to_string(ratio).substr(0, 4) +
      " times its degrees of freedom; consider " +
      (binomial ? "a random effect with a level for every row" : "family nbinom2"));
}

void warn_of_infinite_parameters(GeneralizedFit& fit) {
  if (fit.zero_inflation.size() == 1 && fit.zero_inflation.front().term == "(Intercept)" &&
      fit.zero_inflation.front().estimate < -12) {
    fit.warnings.push_back(
        "zero inflation has no finite estimate: the counts have no more zeros than their own "
        "distribution gives them; leave it out");
  }
  if (fit.family == Family::nbinom2 && fit.dispersion > poisson_limit) {
    fit.warnings.push_back(
        "the dispersion parameter has no finite estimate: the counts vary no more than Poisson's; "
        "use family poisson");
  }
}

void warn_of_undetermined_effects(GeneralizedFit& fit) {
  if (!fit.fixed.dropped.empty()) fit.warnings.push_back(describe_dropped(fit.fixed.dropped));
  std::string flat;
  for (Index k = 0; k < fit.fixed.standard_error.size(); ++k) {
    if (std::isnan(fit.fixed.standard_error[k]))
      flat += (flat.empty() ? "" : ", ") + fit.fixed.terms[static_cast<std::size_t>(k)];
  }
  if (flat.empty()) return;
  fit.warnings.push_back("the data do not determine " + flat +
                         ": the likelihood stays the same as it moves, and it has no standard "
                         "error");
}

}  // namespace

void add_warnings(const Design& design, GeneralizedFit& fit) {
  const bool counts = is_count(fit.family);
  if (fit.family == Family::binomial || counts) warn_of_rare_outcome(design, fit);
  if (fit.family == Family::binomial || fit.family == Family::cumulative || counts)
    warn_of_separation(fit);
  if (fit.family == Family::binomial ||
      (fit.family == Family::poisson && fit.zero_inflation.empty()))
    warn_of_overdispersion(design, fit);
  warn_of_infinite_parameters(fit);
  warn_of_undetermined_effects(fit);
}

}  // namespace rapport::detail
