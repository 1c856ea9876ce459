#pragma once

#include <rapport/base/eigen.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rapport {

/// How the levels of a factor become columns.
enum class Contrast {
  treatment,  ///< each level against the first
  sum,        ///< each level but the last against the mean of all
  helmert,    ///< each level against the mean of those before it
  polynomial  ///< orthonormal polynomials of the levels' positions
};

/// "treatment", "sum", "helmert", "poly".
[[nodiscard]] std::optional<Contrast> parse_contrast(std::string_view text);

/// levels × (levels − 1); with a constant column it spans all functions of the levels. `levels`
/// ≥ 2.
[[nodiscard]] Eigen::MatrixXd contrast_matrix(Contrast contrast, Index levels);

/// What R appends to the factor's name for each column: the level's name (treatment), "1", "2", …
/// or ".L", ".Q", ".C", "^4", ….
[[nodiscard]] std::vector<std::string> contrast_names(Contrast contrast,
                                                      const std::vector<std::string>& levels);

/// Polynomials orthonormal over the values they were made from, by the three-term recurrence
/// (Forsythe 1957), or powers.
struct PolynomialBasis {
  Eigen::VectorXd centres;  ///< α₁ … α_degree; its size is the degree
  Eigen::VectorXd norms;    ///< Σ P_k², k = 0 … degree
  bool raw = false;         ///< x, x², … in place of orthogonal polynomials
};

/// Natural cubic spline: cubic between knots, linear beyond the boundary (Hastie 1992). Its columns
/// are B-splines with the first left out, projected on those without curvature at the boundary.
struct SplineBasis {
  Eigen::VectorXd knots;       ///< with each boundary knot four times
  Eigen::MatrixXd projection;  ///< from B-splines (first left out) to columns
};

/// (x − mean) / sd.
struct Standardization {
  double mean = 0;
  double sd = 1;
};

/// What turns one variable into columns, with the constants that the data of the fit gave it.
using Basis = std::variant<PolynomialBasis, SplineBasis, Standardization>;

/// Made from the values that are not missing. Throws InvalidArgument unless there are more distinct
/// values than `degree`.
[[nodiscard]] PolynomialBasis polynomial_basis(const VectorView& x, Index degree, bool raw = false);
/// `df` columns, with df − 1 inner knots at quantiles and boundary knots at the range.
[[nodiscard]] SplineBasis spline_basis(const VectorView& x, Index df);
[[nodiscard]] Standardization standardization(const VectorView& x);

/// x.size() × the number of columns; a missing value gives a row of missing values.
[[nodiscard]] Eigen::MatrixXd basis_columns(const Basis& basis, const VectorView& x);

}  // namespace rapport
