#pragma once

#include <rapport/mixed/inference.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapport {

/// Where an estimate stands: columns with the level or the number that they have there.
using Place = std::vector<std::pair<std::string, std::string>>;

struct [[nodiscard]] MarginalMean {
  Place levels;
  ContrastEstimate mean;
};

/// The difference of two marginal means.
struct [[nodiscard]] MeanDifference {
  std::string contrast;         ///< "A - B"
  Place at;                     ///< the level of the `by` factor; empty without one
  ContrastEstimate difference;  ///< its p-value is unadjusted
  double p_tukey;  ///< by the studentized range over the means compared with one another
};

struct [[nodiscard]] MarginalMeans {
  std::vector<MarginalMean> means;          ///< `by` slowest, levels in their order
  std::vector<MeanDifference> differences;  ///< all pairs within each level of `by`
};

/// Estimated marginal means of a categorical column (Searle, Speed & Milliken 1980): the model's
/// prediction averaged equally over the levels of the other categorical columns, with covariates at
/// their means over the rows used. `by` (a categorical column, or a covariate, which stays at its
/// mean) separates the means. NaN where a dropped column leaves a mean without an estimate. Throws
/// InvalidArgument if a column is not among the fixed effects or `factor` is a covariate.
[[nodiscard]] MarginalMeans marginal_means(const Design& design, const FixedEffects& fixed,
                                           const FixedInference& inference, std::string_view factor,
                                           std::string_view by = {});

struct [[nodiscard]] SimpleSlope {
  Place at;
  ContrastEstimate slope;
};

/// The values of the moderator at which the slope is significant (Johnson & Neyman 1936; Bauer &
/// Curran 2005).
struct [[nodiscard]] JohnsonNeyman {
  enum class Region { inside, outside, above, below, everywhere, nowhere };
  double lower;  ///< NaN if there is no such bound
  double upper;
  Region significant;  ///< between the bounds, beyond them, above `lower`, below `upper`, …
  double minimum;      ///< of the moderator in the data
  double maximum;
};

struct [[nodiscard]] SimpleSlopes {
  std::vector<SimpleSlope> slopes;
  std::optional<JohnsonNeyman>
      region;  ///< where the moderator is numeric and the slope linear in it
};

/// The slope of a covariate at values of a moderator (Aiken & West 1991): the derivative of the
/// model's prediction, averaged equally over the levels of the categorical columns, with the other
/// covariates at their means. `values` are numbers, or levels of a categorical moderator; empty:
/// its levels, or its mean and one SD to each side. Without a moderator, one slope. `level` is that
/// of the region. Throws InvalidArgument for a column that is not among the fixed effects, a level
/// that does not occur, or a value that is no number.
[[nodiscard]] SimpleSlopes simple_slopes(const Design& design, const FixedEffects& fixed,
                                         const FixedInference& inference,
                                         std::string_view covariate,
                                         std::string_view moderator = {},
                                         const std::vector<std::string>& values = {},
                                         double level = 0.95);

/// "inside", "outside", "above", "below", "everywhere", "nowhere".
[[nodiscard]] std::string_view to_string(JohnsonNeyman::Region region);

}  // namespace rapport
