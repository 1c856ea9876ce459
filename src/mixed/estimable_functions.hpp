#pragma once

#include <rapport/mixed/fit.hpp>

#include <optional>
#include <vector>

/// Not installed: hypotheses about designs in which not everything can be estimated.
namespace rapport::detail {

/// The type III hypothesis of each term of the frame over the columns kept (rows × p), for a design
/// with dropped columns: the estimable functions without coefficients on terms that do not contain
/// the term, orthogonal to those on the terms that contain it alone (Goodnight 1980). Nothing if
/// the model is too large for the algebra.
[[nodiscard]] std::optional<std::vector<Eigen::MatrixXd>> estimable_hypotheses(
    const Design& design, const FixedEffects& fixed);

/// True if `higher` has all variables of `term`, and besides them factors only.
[[nodiscard]] bool contains_term(const ModelFrame& frame, const FormulaTerm& higher,
                                 const FormulaTerm& term);

}  // namespace rapport::detail
