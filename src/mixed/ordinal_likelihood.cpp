#include "ordinal_likelihood.hpp"

#include "ordinal_distributions.hpp"
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport::detail {
namespace {

/// P(y ≤ j) = F((θ_j − η) τ) with the row's own thresholds θ and precision τ = exp(−s'ζ).
template <class Distribution>
class OrdinalLikelihood final : public Likelihood {
 public:
  OrdinalLikelihood(OrdinalShape shape, const Eigen::VectorXd& response, Eigen::VectorXd weights,
                    Eigen::MatrixXd nominal, Eigen::MatrixXd scale)
      : shape_(std::move(shape)),
        weights_(std::move(weights)),
        nominal_(std::move(nominal)),
        scale_(std::move(scale)) {
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(shape_.n_thresholds() + 1);
    for (Index i = 0; i < response.size(); ++i) {
      category_.push_back(static_cast<Index>(response[i]));
      counts[category_.back()] += weights_[i];
    }
    Eigen::VectorXd thresholds(shape_.n_thresholds());
    double below = 0;
    for (Index j = 0; j < thresholds.size(); ++j) {
      below += counts[j];
      thresholds[j] = Distribution::quantile(below / counts.sum());
    }
    start_ = shape_.start(thresholds);
  }

  [[nodiscard]] Index n_parameters() const override { return shape_.n_parameters(); }
  [[nodiscard]] Eigen::VectorXd start() const override { return start_; }

  bool set_parameters(const Eigen::VectorXd& parameters) override {
    if (!parameters.allFinite()) return false;
    thresholds_ = shape_.thresholds(parameters, nominal_);
    for (Index j = 1; j < thresholds_.cols(); ++j)
      if (!(thresholds_.col(j).array() > thresholds_.col(j - 1).array()).all()) return false;
    precision_ = Eigen::VectorXd::Ones(static_cast<Index>(category_.size()));
    if (shape_.n_scale() > 0)
      precision_ = (-(scale_ * parameters.tail(shape_.n_scale()))).array().exp();
    return precision_.allFinite() && precision_.minCoeff() > 0;
  }

  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const Cuts c = cuts(first + i, eta[i]);
      const double w = weights_[first + i];
      const double tau = precision_[first + i];
      const double s1 = c.upper[0] + c.lower[0];
      const double s2 = c.upper[1] + c.lower[1];
      sum += w * std::log(c.probability);
      out.first[i] = -w * tau * s1;
      if (out.second != nullptr) out.second[i] = w * tau * tau * (s2 - s1 * s1);
      if (out.third != nullptr)
        out.third[i] =
            -w * tau * tau * tau * (c.upper[2] + c.lower[2] - 3 * s1 * s2 + 2 * s1 * s1 * s1);
    }
    return sum;
  }

  void add_parameter_gradient(Index first, Index n, const double* eta, const RowWeights& weights,
                              Eigen::VectorXd& gradient) const override {
    for (Index i = 0; i < n; ++i) {
      const Index row = first + i;
      const Cuts c = cuts(row, eta[i]);
      const Slopes s = slopes(c, precision_[row], weights, i);
      const double w = weights_[row];
      const Index category = category_[static_cast<std::size_t>(row)];
      const double tau = precision_[row];
      if (category < shape_.n_thresholds())
        add_threshold(row, category, w * tau * s.upper, gradient);
      if (category > 0) add_threshold(row, category - 1, w * tau * s.lower, gradient);
      // ζ moves both cuts and τ by −s of themselves.
      const double by_log_scale = -w * (s.upper * c.a + s.lower * c.b + s.precision * tau);
      for (Index k = 0; k < shape_.n_scale(); ++k)
        gradient[shape_.scale_start() + k] += by_log_scale * scale_(row, k);
    }
  }

  [[nodiscard]] double fitted(Index row, double eta) const override {
    return cuts(row, eta).probability;
  }
  [[nodiscard]] double first_guess(Index /*row*/) const override { return 0; }

 private:
  /// P = F(a) − F(b), and f, f', f'' at a and (negative) at b over P; 0 for cuts at infinity.
  struct Cuts {
    double a = 0;
    double b = 0;
    double probability = 0;
    std::array<double, 3> upper{};
    std::array<double, 3> lower{};
  };
  [[nodiscard]] Cuts cuts(Index row, double eta) const {
    const Index category = category_[static_cast<std::size_t>(row)];
    const Index at = thresholds_.rows() == 1 ? 0 : row;
    const bool has_upper = category < shape_.n_thresholds();
    const bool has_lower = category > 0;
    Cuts c;
    if (has_upper) {
      c.a = (thresholds_(at, category) - eta) * precision_[row];
      c.upper = Distribution::density(c.a);
    }
    if (has_lower) {
      c.b = (thresholds_(at, category - 1) - eta) * precision_[row];
      c.lower = Distribution::density(c.b);
    }
    c.probability = !has_upper   ? Distribution::upper_tail(c.b)
                    : !has_lower ? Distribution::cdf(c.a)
                                 : Distribution::between(c.a, c.b);
    const double inverse = 1 / c.probability;
    for (std::size_t k = 0; k < 3; ++k) {
      c.upper[k] *= inverse;
      c.lower[k] *= -inverse;
    }
    return c;
  }

  /// The weighted derivatives of ℓ, ℓ' = −τ Dg and ℓ'' = τ² D²g in a, b and τ, where g = log P and
  /// D = ∂/∂a + ∂/∂b.
  struct Slopes {
    double upper;
    double lower;
    double precision;
  };
  static Slopes slopes(const Cuts& c, double tau, const RowWeights& weights, Index i) {
    const double value = weights.value[i];
    const double first = -tau * weights.first[i];
    const double second = tau * tau * weights.second[i];
    const double s1 = c.upper[0] + c.lower[0];
    const double s2 = c.upper[1] + c.lower[1];
    return {one_cut(c.upper, c.lower, value, first, second),
            one_cut(c.lower, c.upper, value, first, second),
            (first * s1 + 2 * second * (s2 - s1 * s1)) / tau};
  }
  /// value ∂g + first ∂Dg + second ∂D²g in the cut whose ratios are `x`, the other's being `z`.
  static double one_cut(const std::array<double, 3>& x, const std::array<double, 3>& z,
                        double value, double first, double second) {
    const double xx = x[1] - x[0] * x[0];
    const double xz = -x[0] * z[0];
    const double xxx = x[2] - 3 * x[0] * x[1] + 2 * x[0] * x[0] * x[0];
    const double xxz = -x[1] * z[0] + 2 * x[0] * x[0] * z[0];
    const double xzz = -x[0] * z[1] + 2 * x[0] * z[0] * z[0];
    return value * x[0] + first * (xx + xz) + second * (xxx + 2 * xxz + xzz);
  }

  void add_threshold(Index row, Index threshold, double slope, Eigen::VectorXd& gradient) const {
    const Index t = shape_.n_threshold_parameters();
    for (Index j = 0; j < t; ++j) {
      const double by_parameter = slope * shape_.map()(threshold, j);
      gradient[j] += by_parameter;
      for (Index k = 0; k < shape_.n_nominal(); ++k)
        gradient[t * (1 + k) + j] += by_parameter * nominal_(row, k);
    }
  }

  OrdinalShape shape_;
  std::vector<Index> category_;
  Eigen::VectorXd weights_;
  Eigen::MatrixXd nominal_;
  Eigen::MatrixXd scale_;
  Eigen::VectorXd start_;
  Eigen::MatrixXd thresholds_;  ///< a row each, or one for all
  Eigen::VectorXd precision_;
};

}  // namespace

std::unique_ptr<Likelihood> make_ordinal_likelihood(const OrdinalShape& shape, Link link,
                                                    const Eigen::VectorXd& response,
                                                    const Eigen::VectorXd& weights,
                                                    const Eigen::MatrixXd& nominal,
                                                    const Eigen::MatrixXd& scale) {
  const Eigen::VectorXd w =
      weights.size() == 0 ? Eigen::VectorXd::Ones(response.size()).eval() : weights;
  switch (link) {
    case Link::logit:
      return std::make_unique<OrdinalLikelihood<Logistic>>(shape, response, w, nominal, scale);
    case Link::probit:
      return std::make_unique<OrdinalLikelihood<Normal>>(shape, response, w, nominal, scale);
    case Link::cloglog:
      return std::make_unique<OrdinalLikelihood<GumbelMinimum>>(shape, response, w, nominal, scale);
    case Link::loglog:
      return std::make_unique<OrdinalLikelihood<GumbelMaximum>>(shape, response, w, nominal, scale);
    case Link::cauchit:
      return std::make_unique<OrdinalLikelihood<Cauchy>>(shape, response, w, nominal, scale);
    case Link::log:
    case Link::identity:
    case Link::inverse:
      break;
  }
  return nullptr;
}

}  // namespace rapport::detail
