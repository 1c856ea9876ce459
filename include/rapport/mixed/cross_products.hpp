#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/random.hpp>
#include <rapport/mixed/covariance.hpp>

#include <cstdint>
#include <memory>
#include <vector>

/// The likelihood's view of the data. With V = I + Σ Z Ψ Z' (one sum a grouping level), W = [X y]
/// and M columns of W, everything that a Gaussian mixed model needs is log|V| and the Gram matrix
/// W'V⁻¹W, with their derivatives in the covariances ψ (CovarianceStructure). docs/derivations.md
/// has the formulas.
namespace rapport {

/// What CrossProducts::value() worked out at a point, for derivatives() there.
struct Factorization {
  Factorization() = default;
  Factorization(const Factorization&) = delete;
  Factorization& operator=(const Factorization&) = delete;
  virtual ~Factorization() = default;
};

/// log|V| and W'V⁻¹W.
struct WeightedGram {
  double log_determinant = 0;
  Eigen::MatrixXd gram;                                     ///< M × M
  std::shared_ptr<const Factorization> factorization = {};  ///< of the object that gave it
};

/// First derivatives of WeightedGram, and its second ones contracted with FF' for the trace factor
/// F (M × r, r ≤ M) and with vv' for the data vector v (M).
struct GramDerivatives {
  Eigen::VectorXd log_determinant;    ///< K
  std::vector<Eigen::MatrixXd> gram;  ///< K of M × M
  Eigen::MatrixXd trace_part;         ///< K × K: ∂²log|V| + ⟨FF', ∂²gram⟩
  Eigen::MatrixXd data_part;          ///< K × K: v' ∂²gram v
};

/// First and second derivatives in full.
struct GramJet {
  Eigen::VectorXd log_determinant;           ///< K
  std::vector<Eigen::MatrixXd> gram;         ///< K of M × M
  Eigen::MatrixXd second_log_determinant;    ///< K × K
  std::vector<Eigen::MatrixXd> second_gram;  ///< K² of M × M; (k, l) at kK + l
};

/// Random effects of one level given fixed effects and covariances, both on the internal scale.
struct LevelEffects {
  Eigen::MatrixXd mean;        ///< groups × q
  Eigen::MatrixXd covariance;  ///< (groups · q) × q: blocks of Cov(b | y) / σ²
};

/// log|V| and W'V⁻¹W as functions of the covariances. Λ are given one a level, in the order of the
/// levels.
class GramFunction {
 public:
  GramFunction() = default;
  GramFunction& operator=(const GramFunction&) = delete;
  virtual ~GramFunction() = default;

  /// M.
  [[nodiscard]] virtual Index fixed_columns() const = 0;
  [[nodiscard]] virtual WeightedGram value(const std::vector<Eigen::MatrixXd>& factors) const = 0;
  /// `at` is value(factors).
  [[nodiscard]] virtual GramDerivatives derivatives(const std::vector<Eigen::MatrixXd>& factors,
                                                    const WeightedGram& at,
                                                    const Eigen::MatrixXd& trace_factor,
                                                    const Eigen::VectorXd& data_vector) const = 0;
  /// derivatives() for a step that later ones correct: traces may be estimated.
  [[nodiscard]] virtual GramDerivatives rough_derivatives(
      const std::vector<Eigen::MatrixXd>& factors, const WeightedGram& at,
      const Eigen::MatrixXd& trace_factor, const Eigen::VectorXd& data_vector) const {
    return derivatives(factors, at, trace_factor, data_vector);
  }

 protected:
  GramFunction(const GramFunction&) = default;
};

/// Compressed data of one design.
class CrossProducts : public GramFunction {
 public:
  CrossProducts() = default;

  /// True if derivatives() at Λ = 0 costs little and does not need value() there: a search starts
  /// from the moments that they give.
  [[nodiscard]] virtual bool has_moments() const { return false; }
  [[nodiscard]] virtual GramJet jet(const std::vector<Eigen::MatrixXd>& factors) const = 0;
  /// `combination` (M) is (−β, 1): W · combination is the residual of the fixed part.
  [[nodiscard]] virtual std::vector<LevelEffects> effects(
      const std::vector<Eigen::MatrixXd>& factors, const Eigen::VectorXd& combination) const = 0;
  /// The same data with a response drawn from the model: random effects with covariance σ²ΛΛ',
  /// residuals with variance σ², fixed effects `coefficients` (M − 1). What is drawn are the
  /// cross-products themselves, which have the distribution of those of a drawn response.
  [[nodiscard]] virtual std::unique_ptr<CrossProducts> simulate(
      const std::vector<Eigen::MatrixXd>& factors, const Eigen::VectorXd& coefficients,
      double sigma, RandomStream& stream) const = 0;
  /// Replaces each level's Z by Z · transform (q × q, upper triangular, invertible).
  virtual void transform_effects(const std::vector<Eigen::MatrixXd>& transforms) = 0;
  /// Mean over a level's groups of Z'Z.
  [[nodiscard]] virtual std::vector<Eigen::MatrixXd> mean_effect_grams() const = 0;

 protected:
  CrossProducts(const CrossProducts&) = default;
};

/// A column of the model as it stands in memory, and the affine map to its internal scale: (value −
/// shift) · scale.
struct ModelColumn {
  const double* values;
  double shift = 0;
  double scale = 1;
  bool constant = false;  ///< the same number in every row
};

/// One grouping level: the columns of Z and the group of each row.
struct GroupingLevel {
  std::vector<ModelColumn> columns;
  std::vector<std::int32_t> group;  ///< n, from 0
  Index n_groups;
};

/// What is compressed: n rows of [Z W], each times `root_weight`.
struct ModelColumns {
  Index rows;
  std::vector<GroupingLevel> levels;  ///< innermost first
  std::vector<ModelColumn> fixed;     ///< W = [X y]
  Eigen::VectorXd root_weight;        ///< n, or empty for 1
};

}  // namespace rapport
