#pragma once

#include <rapport/mixed/design.hpp>
#include <rapport/mixed/generalized.hpp>

#include "likelihood.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

class OrdinalShape;

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
  /// Of quadrature along each effect.
  [[nodiscard]] virtual Index points() const { return 1; }
  /// Has it an exact Hessian?
  [[nodiscard]] virtual bool has_hessian() const { return false; }
  /// With the Hessian in (β, the lower triangle of every Λ by columns, ψ).
  virtual double evaluate(const ModelPoint& at, ModelPoint& gradient,
                          Eigen::MatrixXd& /*hessian*/) {
    return evaluate(at, &gradient);
  }
  /// At the point of the last evaluation, terms in the design's order.
  [[nodiscard]] virtual std::vector<TermModes> modes() const = 0;
  /// n, in the design's order, given the modes.
  [[nodiscard]] virtual Eigen::VectorXd linear_predictor() const = 0;
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

/// The responses in the order of a SortedDesign.
struct SortedResponse {
  Family family;
  Link link;
  Eigen::VectorXd response;
  Eigen::VectorXd weights;  ///< empty: all 1
  /// Of Family::cumulative, and its nominal columns.
  std::shared_ptr<const OrdinalShape> shape = nullptr;
  Eigen::MatrixXd nominal = {};
  Eigen::MatrixXd zeros = {};     ///< predictors of extra zeros, if any
  bool needs_likelihood = false;  ///< is there more to it than the kernels of groups know?
};

/// Can make_group_integral() take the random effects: one grouping factor, at most three of them?
bool is_grouped(const SortedDesign& design);

/// The random effects of one grouping factor by Laplace's approximation (one point) or adaptive
/// Gauss–Hermite quadrature with `points` along every effect. Families with kernels of their own
/// have exact Hessians of Laplace's approximation.
std::unique_ptr<Integral> make_group_integral(const SortedDesign& design,
                                              std::unique_ptr<Likelihood> likelihood,
                                              const SortedResponse& response, Index points);

/// Any random effects, nested or crossed, or none, by Laplace's approximation. Families with
/// kernels of their own have exact Hessians.
std::unique_ptr<Integral> make_laplace_integral(const SortedDesign& design,
                                                std::unique_ptr<Likelihood> likelihood,
                                                const SortedResponse& response);

}  // namespace rapport::detail
