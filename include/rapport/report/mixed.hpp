#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/means.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/summary.hpp>

#include <string>

/// Mixed models as JSON and as text.
namespace rapport::report {

/// The estimate object: estimate, standard_error, statistic, df, p_value, ci_lower, ci_upper; `df`
/// is left out where it is infinite.
[[nodiscard]] Json to_json(const ContrastEstimate& estimate);

/// The result of `rapport fit`: estimates, covariances, tests, intervals, R², ICCs and how the
/// search went.
[[nodiscard]] Json to_json(const MixedSummary& summary);

/// `means` and `mean_differences`, `slopes` and `johnson_neyman`, `predictions`, `influence`,
/// `likelihood_ratio`: members to be set in a fit's result.
[[nodiscard]] Json means_json(const MarginalMeans& means);
[[nodiscard]] Json mean_differences_json(const MarginalMeans& means);
[[nodiscard]] Json slopes_json(const SimpleSlopes& slopes);
[[nodiscard]] Json to_json(const JohnsonNeyman& region);
[[nodiscard]] Json to_json(const Predictions& predictions);
/// `fit` is the one of all rows.
[[nodiscard]] Json to_json(const std::vector<LevelInfluence>& influence, const MixedFit& fit);
[[nodiscard]] Json to_json(const LikelihoodRatioTest& test);

/// A row for every block and level: BLUPs and their conditional standard errors.
[[nodiscard]] Json blups_json(const MixedFit& fit);

/// Fixed effects, tests of terms with several coefficients, random effects and fit statistics as an
/// APA paper prints them.
[[nodiscard]] std::string mixed_text(const MixedSummary& summary);

/// The same style for what else a fit was asked for.
[[nodiscard]] std::string means_text(const MarginalMeans& means);
[[nodiscard]] std::string slopes_text(const SimpleSlopes& slopes, const std::string& covariate,
                                      const std::string& moderator, double level);
[[nodiscard]] std::string likelihood_ratio_text(const LikelihoodRatioTest& test,
                                                const std::string& against);

}  // namespace rapport::report
