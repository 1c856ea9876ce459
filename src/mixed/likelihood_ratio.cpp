#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/inference.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace rapport {
namespace {

bool same_term(const RandomEffects& a, const RandomEffects& b) {
  return a.factor == b.factor && a.terms == b.terms;
}

std::vector<const RandomEffects*> terms_without_match(const MixedFit& fit, const MixedFit& other) {
  std::vector<const RandomEffects*> result;
  for (const RandomEffects& term : fit.random)
    if (std::none_of(other.random.begin(), other.random.end(),
                     [&](const RandomEffects& o) { return same_term(term, o); }))
      result.push_back(&term);
  return result;
}

/// q where `larger` has one effect more than `smaller` in one term, which keeps q.
std::optional<double> effects_beside_the_lost(const MixedFit& larger, const MixedFit& smaller) {
  if (larger.fixed.terms != smaller.fixed.terms) return std::nullopt;
  const std::vector<const RandomEffects*> gained = terms_without_match(larger, smaller);
  const std::vector<const RandomEffects*> lost = terms_without_match(smaller, larger);
  if (gained.size() != 1 || lost.size() > 1) return std::nullopt;
  const std::vector<std::string>& all = gained.front()->terms;
  if (lost.empty()) return all.size() == 1 ? std::optional<double>(0) : std::nullopt;
  const std::vector<std::string>& kept = lost.front()->terms;
  const bool contained = std::all_of(kept.begin(), kept.end(), [&](const std::string& term) {
    return std::find(all.begin(), all.end(), term) != all.end();
  });
  if (lost.front()->factor != gained.front()->factor || !contained || kept.size() + 1 != all.size())
    return std::nullopt;
  return static_cast<double>(kept.size());
}

/// χ² on 0 df is 0.
double upper_tail(double statistic, double df) {
  return df > 0 ? chi_squared_upper_tail(statistic, df) : (statistic > 0 ? 0.0 : 1.0);
}

}  // namespace

LikelihoodRatioTest likelihood_ratio_test(const MixedFit& a, const MixedFit& b) {
  if (a.data.observations != b.data.observations)
    throw InvalidArgument("likelihood_ratio_test: `a` has " + std::to_string(a.data.observations) +
                          " observations but `b` has " + std::to_string(b.data.observations) +
                          "; both must be fitted to the same rows");
  if (a.criterion.method != b.criterion.method)
    throw InvalidArgument(
        "likelihood_ratio_test: `a` and `b` are fitted by different criteria; fit both by ML, or "
        "both by REML");
  if (a.criterion.method == Criterion::reml && a.fixed.terms != b.fixed.terms)
    throw InvalidArgument(
        "likelihood_ratio_test: `a` and `b` are REML fits with different fixed effects, whose "
        "likelihoods do not compare; fit both by ML");
  const bool a_is_larger = a.criterion.parameters >= b.criterion.parameters;
  const MixedFit& larger = a_is_larger ? a : b;
  const MixedFit& smaller = a_is_larger ? b : a;
  LikelihoodRatioTest test;
  test.statistic = std::max(0.0, smaller.criterion.value - larger.criterion.value);
  test.df = static_cast<double>(larger.criterion.parameters - smaller.criterion.parameters);
  test.p_value = upper_tail(test.statistic, test.df);
  test.p_value_boundary = missing;
  if (const std::optional<double> q = effects_beside_the_lost(larger, smaller))
    test.p_value_boundary =
        0.5 * upper_tail(test.statistic, *q) + 0.5 * upper_tail(test.statistic, *q + 1);
  return test;
}

}  // namespace rapport
