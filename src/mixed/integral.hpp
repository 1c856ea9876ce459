#pragma once

#include <rapport/mixed/design.hpp>

#include "likelihood.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// A point in the parameters of a generalized model, or the gradient there.
struct ModelPoint {
  Eigen::VectorXd fixed;  ///< β
  std::vector<Eigen::MatrixXd>
      factor;              ///< Λ of each random term; of a gradient the lower triangle counts
  Eigen::VectorXd family;  ///< ψ
};

/// What the modes say about one random term.
struct TermModes {
  Eigen::MatrixXd modes;       ///< m × q, Λû
  Eigen::MatrixXd covariance;  ///< mq × q, ΛH⁻¹Λ' of each level
};

/// −log of the likelihood with the random effects integrated out, and its exact gradient. Keeps the
/// modes it found as the start of the next search.
class Integral {
 public:
  virtual ~Integral() = default;
  /// NaN where the likelihood is not finite; `gradient` may be null.
  virtual double evaluate(const ModelPoint& at, ModelPoint* gradient) = 0;
  /// At the point of the last evaluation, terms in the design's order.
  [[nodiscard]] virtual std::vector<TermModes> modes() const = 0;
  /// n, in the design's order, given the modes.
  [[nodiscard]] virtual Eigen::VectorXd linear_predictor() const = 0;
  /// Rows in the order of evaluation: position k holds the design's row order()[k].
  [[nodiscard]] virtual const std::vector<Index>& order() const = 0;
};

/// The design with rows put in the order of the finest grouping factor, so that a level's rows are
/// consecutive.
struct SortedDesign {
  explicit SortedDesign(const Design& design, const Eigen::MatrixXd& fixed);

  std::vector<Index> order;   ///< the design's row at each position
  std::vector<Index> starts;  ///< first position of each level of the finest factor, and n
  Eigen::MatrixXd fixed;
  Eigen::VectorXd offset;
  std::vector<bool> inner;         ///< does the term's factor equal the finest?
  std::vector<RandomTerm> random;  ///< columns and groups in the new order
  [[nodiscard]] Index n() const { return fixed.rows(); }
  [[nodiscard]] Index n_blocks() const { return static_cast<Index>(starts.size()) - 1; }
};

/// One scalar random effect by adaptive Gauss–Hermite quadrature; one point is Laplace's
/// approximation.
std::unique_ptr<Integral> make_scalar_integral(const SortedDesign& design,
                                               std::unique_ptr<Likelihood> likelihood,
                                               Index points);

/// Any random effects, nested or crossed, or none, by Laplace's approximation.
std::unique_ptr<Integral> make_laplace_integral(const SortedDesign& design,
                                                std::unique_ptr<Likelihood> likelihood);

}  // namespace rapport::detail
