#pragma once

#include <rapport/mixed/fit.hpp>

#include "search.hpp"
#include <string>
#include <vector>

namespace rapport::detail {

/// What generalized models and residual structures say in the same way of a search.

/// The columns of X that do not depend on those before them, by name. Throws DataError for
/// too few rows or a constant response.
FixedEffects estimable_fixed_effects(const Design& design, const std::string& function);

/// A term with covariance ΛΛ', without effects of its levels.
RandomEffects describe_term(const RandomTerm& term, const Eigen::MatrixXd& factor);

/// Is a diagonal entry of Λ, per root mean square of its column, below 1e-4 of `scale`?
bool is_singular(const RandomTerm& term, const Eigen::MatrixXd& factor, double scale);

/// The criterion with its information criteria; BIC by `observations`.
CriterionValue describe_criterion(double value, Criterion method, Index parameters,
                                  Index observations);

/// What to say of columns of X that were left out.
std::string describe_dropped(const std::vector<std::string>& names);

OptimizerReport describe_search(const Minimum& minimum, bool singular);

}  // namespace rapport::detail
