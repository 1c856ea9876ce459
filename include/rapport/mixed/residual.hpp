#pragma once

#include <rapport/mixed/design.hpp>
#include <rapport/mixed/fit.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapport {

/// How residuals of one group correlate.
enum class ResidualCorrelation {
  independent,
  ar1,                ///< ρ^|t − s|, t whole numbers, gaps count; −1 < ρ < 1
  car1,               ///< ρ^|t − s|, t any times; 0 < ρ < 1
  car1_nugget,        ///< (1 − ν) ρ^|t − s| for t ≠ s: CAR(1) with measurement error
  arma11,             ///< ARMA(1, 1) by whole numbers t
  toeplitz,           ///< a correlation for every distance of whole numbers t
  compound_symmetry,  ///< ρ between any two
  unstructured        ///< a correlation for every pair of times, and an SD for every time
};

/// How the residual SD varies.
enum class VarianceFunction {
  by_level,       ///< one for each level of a factor
  power,          ///< σ |x|^δ
  exponential,    ///< σ exp(δ x)
  constant_power  ///< σ (c + |x|^δ), c > 0
};

/// "independent", "ar1", "car1", "car1-nugget", "arma", "toeplitz", "cs", "unstructured".
[[nodiscard]] std::optional<ResidualCorrelation> parse_residual_correlation(std::string_view text);
[[nodiscard]] std::string_view to_string(ResidualCorrelation correlation);
/// "ident", "power", "exp", "const-power".
[[nodiscard]] std::optional<VarianceFunction> parse_variance_function(std::string_view text);
[[nodiscard]] std::string_view to_string(VarianceFunction function);

/// One factor of the residual SD; every vector has a value for each row of the design.
struct VarianceTerm {
  VarianceFunction function;
  std::vector<std::int32_t> stratum = {};  ///< by_level: from 0, each occurs
  std::vector<std::string> strata = {};    ///< and their names
  Eigen::VectorXd covariate = {};          ///< of the other functions
  std::string name = {};                   ///< of an exponential term's parameter; empty: "exp"
};

/// The residuals of a model; every vector has a value for each row of the design, or is empty.
struct ResidualStructure {
  ResidualCorrelation correlation = ResidualCorrelation::independent;
  Eigen::VectorXd time = {};                ///< empty for compound symmetry
  std::vector<std::int32_t> group = {};     ///< from 0; rows of different groups are independent
  std::vector<std::string> groups = {};     ///< their names, for messages; may be empty
  std::vector<VarianceTerm> variance = {};  ///< the SD is σ times the product of the terms
};

/// A fitted Gaussian model with correlated or heteroscedastic residuals.
struct [[nodiscard]] ResidualFit {
  MixedFit fit;  ///< residual.sd: of the first level or time, or where the variance function is 1
  ResidualCorrelation correlation;
  std::vector<std::pair<std::string, double>>
      correlation_parameters;          ///< "rho"; "rho", "nugget"; "phi", "theta"
  std::vector<double> times;           ///< of correlation_matrix, ascending
  Eigen::MatrixXd correlation_matrix;  ///< unstructured and Toeplitz; else empty
  /// by_level: SD of each further level over that of the first; unstructured: of each further time;
  /// "power", "exp"; "const", "power".
  std::vector<std::pair<std::string, double>> variance_parameters;
  Eigen::VectorXd fitted;      ///< offset + Xβ + Zb̂; empty, like `normalized`, without the BLUPs
  Eigen::VectorXd normalized;  ///< L⁻¹(y − fitted), LL' the covariance of the residuals: white if
                               ///< the model holds (Pinheiro & Bates 2000, section 5.3)
};

/// Fits by ML or REML with any random terms, or none (then generalized least squares). The
/// likelihood needs rows only through Gram matrices of each group, which are sums of a few fixed
/// ones where times and variances repeat (AR(1): by gap), so that its cost does not grow with the
/// number of rows; its gradient is exact, and the fit carries what Satterthwaite's degrees of
/// freedom need. Throws DataError, saying which group, where the data cannot carry the
/// structure: times that repeat within a group or are not whole numbers, no group with two rows,
/// more times than groups for an unstructured covariance, a power of 0; InvalidArgument for
/// combinations that cannot be told apart.
ResidualFit fit_residual_model(const Design& design, const ResidualStructure& structure,
                               const FitOptions& options = {});

}  // namespace rapport
