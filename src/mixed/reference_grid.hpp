#pragma once

#include <rapport/mixed/means.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace rapport::detail {

/// The model's prediction over all combinations of levels, covariates at their means unless a place
/// says otherwise.
class ReferenceGrid {
 public:
  explicit ReferenceGrid(const Design& design) : design_(design) {}

  /// The column of that name, or that stands within factor(). Throws InvalidArgument.
  [[nodiscard]] const ModelInput& input(std::string_view name) const;
  /// The categorical column of that name. Throws InvalidArgument for a covariate.
  [[nodiscard]] const ModelInput& factor(std::string_view name) const;
  /// The rows of the grid at `place`.
  [[nodiscard]] Table table(const Place& place) const;
  /// The mean of the rows of X over the grid at `place`: weights of the fixed effects.
  [[nodiscard]] Eigen::VectorXd weights(const Place& place) const;

 private:
  const Design& design_;
};

/// Where means of a factor are separated by another column; one empty place without one.
[[nodiscard]] std::vector<Place> separating_places(const ReferenceGrid& grid,
                                                   const ModelInput& compared, std::string_view by);

/// The places of a moderator: the values asked for, its levels, or its mean and one SD to each
/// side. Throws InvalidArgument for a level that does not occur, or a value that is no number.
[[nodiscard]] std::vector<Place> moderator_places(const ModelInput& moderator,
                                                  const std::vector<std::string>& values);

/// The place with a number for one more column.
[[nodiscard]] Place with(Place place, const std::string& name, double value);

/// P of the studentized range for the difference of two among `count` means.
[[nodiscard]] double tukey_p_value(const ContrastEstimate& difference, std::size_t count);

}  // namespace rapport::detail
