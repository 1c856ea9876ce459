#pragma once

#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/means.hpp>

#include <string>
#include <string_view>
#include <vector>

/// Generalized models on the scale of the response. Family::cumulative has the probability of every
/// category; then, in means, the mean category (positions from 1). Standard errors are by the delta
/// method from the covariance of all parameters.
namespace rapport {

/// Whose response it is.
enum class Averaging {
  none,    ///< of a group whose random effects are 0
  groups,  ///< of the population: the random effects integrated out by quadrature
};

struct ResponseOptions {
  Averaging averaging = Averaging::none;
  double confidence_level = 0.95;
};

/// Means or probabilities of one place, with symmetric intervals on the scale of the link (of
/// categories: the logit), the last one of a mean category plain.
struct [[nodiscard]] ResponseValue {
  std::string name;  ///< "mean"; the category; "mean category"
  double estimate;
  double standard_error;
  ConfidenceInterval ci;
};

struct [[nodiscard]] ResponseMean {
  Place levels;
  std::vector<ResponseValue> values;
};

/// A difference, or a derivative, of what ResponseMean holds, tested by the normal.
struct [[nodiscard]] ResponseContrast {
  std::string contrast;  ///< "A - B"; empty for a slope
  Place at;
  std::vector<std::string> names;
  std::vector<ContrastEstimate> estimates;
  std::vector<double> p_tukey;  ///< of differences
};

struct [[nodiscard]] ResponseMeans {
  std::vector<ResponseMean> means;
  std::vector<ResponseContrast> differences;
};

/// Estimated marginal means as marginal_means() makes them, but of responses: the mean over the
/// grid of the responses at its places. NaN where a dropped column enters.
[[nodiscard]] ResponseMeans response_means(const Design& design, const GeneralizedFit& fit,
                                           std::string_view factor, std::string_view by = {},
                                           const ResponseOptions& options = {});

/// Slopes as simple_slopes() makes them, of responses: how the mean response changes with a
/// covariate.
[[nodiscard]] std::vector<ResponseContrast> response_slopes(
    const Design& design, const GeneralizedFit& fit, std::string_view covariate,
    std::string_view moderator = {}, const std::vector<std::string>& values = {},
    const ResponseOptions& options = {});

/// Responses of the rows of a table: rows × 1, or × categories. NaN where a variable is missing.
struct [[nodiscard]] ResponsePredictions {
  std::vector<std::string> names;
  Eigen::MatrixXd estimate;
  Eigen::MatrixXd standard_error;
  Eigen::MatrixXd ci_lower;
  Eigen::MatrixXd ci_upper;
  double level;
};

/// For groups whose random effects are 0, or averaged over them.
[[nodiscard]] ResponsePredictions predict_response(const Design& design, const GeneralizedFit& fit,
                                                   const Table& rows,
                                                   const ResponseOptions& options = {});
/// With the modes of the rows' own groups, as predict() adds them; the errors of the modes are
/// taken as independent of those of thresholds.
[[nodiscard]] ResponsePredictions predict_conditional_response(const Design& design,
                                                               const GeneralizedFit& fit,
                                                               const Table& rows,
                                                               double confidence_level = 0.95);

}  // namespace rapport
