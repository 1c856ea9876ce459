#include <rapport/math/quadrature.hpp>

#include "integral.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace rapport::detail {

SortedDesign::SortedDesign(const Design& design, const Eigen::MatrixXd& columns) {
  const Index n = design.response.size();
  const RandomTerm* finest = nullptr;
  for (const RandomTerm& term : design.random) {
    if (finest == nullptr || term.levels.size() > finest->levels.size()) finest = &term;
  }
  order.resize(static_cast<std::size_t>(n));
  if (finest == nullptr) {
    std::iota(order.begin(), order.end(), Index{0});
    starts = {0};
  } else {
    starts.assign(finest->levels.size() + 1, 0);
    for (const std::int32_t g : finest->group) ++starts[static_cast<std::size_t>(g) + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<Index> next(starts.begin(), starts.end() - 1);
    for (Index i = 0; i < n; ++i) {
      const auto g = static_cast<std::size_t>(finest->group[static_cast<std::size_t>(i)]);
      order[static_cast<std::size_t>(next[g]++)] = i;
    }
  }
  fixed = columns(order, Eigen::all);
  offset = design.offset.size() == 0 ? Eigen::VectorXd::Zero(n).eval()
                                     : Eigen::VectorXd(design.offset(order));
  random = design.random;
  for (std::size_t t = 0; t < random.size(); ++t) {
    inner.push_back(random[t].factor == finest->factor);
    random[t].columns = Eigen::MatrixXd(design.random[t].columns(order, Eigen::all));
    for (std::size_t k = 0; k < order.size(); ++k) {
      random[t].group[k] = design.random[t].group[static_cast<std::size_t>(order[k])];
    }
  }
}

namespace {

/// Adaptive quadrature around the mode û of f(u) = −Σℓ + u²/2 with the scale s = f''(û)^{−1/2} (Liu
/// & Pierce 1994; Pinheiro & Bates 1995): −log ∫ = −log s − log Σ w_k exp(z_k²/2 − f(û + s z_k)).
/// The gradient follows the nodes as they move with the parameters.
class ScalarIntegral final : public Integral {
 public:
  ScalarIntegral(const SortedDesign& design, std::unique_ptr<Likelihood> likelihood, Index points)
      : design_(design),
        likelihood_(std::move(likelihood)),
        rule_(gauss_hermite(points)),
        z_(design.random.front().columns.col(0)),
        modes_(Eigen::VectorXd::Zero(design.n_blocks())),
        curvature_(Eigen::VectorXd::Ones(design.n_blocks())) {
    const Index n = design.n();
    base_.resize(n);
    scaled_.resize(n);
    row_gradient_.resize(n);
    Index longest = 0;
    for (Index b = 0; b < design.n_blocks(); ++b) longest = std::max(longest, size_of(b));
    for (Eigen::VectorXd* buffer :
         {&eta_, &first_, &second_, &third_, &weight_value_, &weight_first_, &weight_second_,
          &node_eta_, &expected_first_, &zero_}) {
      *buffer = Eigen::VectorXd::Zero(longest);
    }
    nodes_first_.resize(longest, points);
  }

  double evaluate(const ModelPoint& at, ModelPoint* gradient) override {
    if (!likelihood_->set_parameters(at.family)) return std::numeric_limits<double>::quiet_NaN();
    factor_ = at.factor.front()(0, 0);
    base_.noalias() = design_.fixed * at.fixed;
    base_ += design_.offset;
    scaled_ = factor_ * z_;
    if (gradient != nullptr) {
      gradient->factor.assign(1, Eigen::MatrixXd::Zero(1, 1));
      gradient->family = Eigen::VectorXd::Zero(likelihood_->n_parameters());
    }
    double total = 0;
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      total += block(b, gradient);
      if (!std::isfinite(total)) {
        modes_.setZero();
        return std::numeric_limits<double>::quiet_NaN();
      }
    }
    if (gradient != nullptr) gradient->fixed = design_.fixed.transpose() * row_gradient_;
    return total - likelihood_->constant();
  }

  [[nodiscard]] std::vector<TermModes> modes() const override {
    TermModes term;
    term.modes = factor_ * modes_;
    term.covariance = (factor_ * factor_ / curvature_.array()).matrix();
    return {term};
  }

  [[nodiscard]] Eigen::VectorXd linear_predictor() const override {
    Eigen::VectorXd eta(design_.n());
    for (Index b = 0; b < design_.n_blocks(); ++b) {
      for (Index k = start_of(b); k < start_of(b) + size_of(b); ++k) {
        eta[design_.order[static_cast<std::size_t>(k)]] = base_[k] + scaled_[k] * modes_[b];
      }
    }
    return eta;
  }

  [[nodiscard]] const std::vector<Index>& order() const override { return design_.order; }

 private:
  [[nodiscard]] Index start_of(Index b) const {
    return design_.starts[static_cast<std::size_t>(b)];
  }
  [[nodiscard]] Index size_of(Index b) const {
    return design_.starts[static_cast<std::size_t>(b) + 1] - start_of(b);
  }

  /// f and its first three derivatives at u; the rows' derivatives stay in the buffers.
  struct Inner {
    double value;
    double first;
    double second;
    double third;
  };
  Inner inner(Index start, Index n, double u) {
    const double* z = scaled_.data() + start;
    const double* base = base_.data() + start;
    for (Index i = 0; i < n; ++i) eta_[i] = base[i] + z[i] * u;
    const double value = likelihood_->evaluate(
        start, n, eta_.data(),
        {.first = first_.data(), .second = second_.data(), .third = third_.data()});
    Inner f{0.5 * u * u - value, u, 1, 0};
    for (Index i = 0; i < n; ++i) {
      const double zz = z[i] * z[i];
      f.first -= z[i] * first_[i];
      f.second -= zz * second_[i];
      f.third -= zz * z[i] * third_[i];
    }
    return f;
  }

  /// The mode by Chebyshev's third-order iteration with halving; leaves the buffers at the mode.
  Inner find_mode(Index start, Index n, double& u) {
    Inner f = inner(start, n, u);
    if (!std::isfinite(f.value)) {
      u = 0;
      f = inner(start, n, u);
    }
    for (int iteration = 0; iteration < 100; ++iteration) {
      // Without log-concavity the curvature may be negative far from the mode; the step still
      // descends.
      const double newton = -f.first / std::max(f.second, 0.1);
      const double correction = 1 - 0.5 * newton * f.third / f.second;
      double step = correction > 0.5 && correction < 2 ? newton * correction : newton;
      if (std::abs(newton) < 1e-14 * (1 + std::abs(u))) break;
      const double before = f.value;
      const bool last = std::abs(newton) < 1e-4;  // the step's error is of third order
      f = inner(start, n, u + step);
      while (!(f.value <= before + 1e-12 * std::abs(before) + 1e-14) && std::abs(step) > 1e-13) {
        step *= 0.5;
        f = inner(start, n, u + step);
      }
      u += step;
      if (last) break;
    }
    return f;
  }

  double block(Index b, ModelPoint* gradient) {
    const Index start = start_of(b);
    const Index n = size_of(b);
    double& u = modes_[b];
    const Inner f = find_mode(start, n, u);
    curvature_[b] = f.second;
    const double s = 1 / std::sqrt(f.second);
    if (rule_.nodes.size() == 1) {
      if (gradient != nullptr) {
        expected_first_.head(n) = first_.head(n);
        add_gradient(start, n, u, f, 0, 0.5 / f.second, *gradient, -1);
      }
      return f.value - std::log(s);
    }
    return quadrature(start, n, u, f, s, gradient);
  }

  double quadrature(Index start, Index n, double u, const Inner& f, double s,
                    ModelPoint* gradient) {
    const Index points = rule_.nodes.size();
    const double* z = scaled_.data() + start;
    Eigen::VectorXd& share = node_share_;
    share.resize(points);
    Eigen::VectorXd& slope = node_slope_;
    slope.resize(points);
    for (Index k = 0; k < points; ++k) {
      const double at = u + s * rule_.nodes[k];
      for (Index i = 0; i < n; ++i) node_eta_[i] = base_[start + i] + z[i] * at;
      double* node_first = nodes_first_.col(k).data();
      const double value =
          0.5 * at * at -
          likelihood_->evaluate(start, n, node_eta_.data(),
                                {.first = node_first, .second = nullptr, .third = nullptr});
      slope[k] = at;
      for (Index i = 0; i < n; ++i) slope[k] -= z[i] * node_first[i];
      share[k] = 0.5 * rule_.nodes[k] * rule_.nodes[k] - value + std::log(rule_.weights[k]);
    }
    const double largest = share.maxCoeff();
    share = (share.array() - largest).exp();
    const double sum = share.sum();
    if (gradient != nullptr) {
      share /= sum;
      expected_first_.head(n).noalias() = nodes_first_.topRows(n) * share;
      const double shift = share.dot(slope);
      const double spread = share.cwiseProduct(slope).dot(rule_.nodes);
      add_node_moments(start, n, u, s, share, *gradient);
      add_gradient(start, n, u, f, shift, 0.5 * (1 - s * spread) / f.second, *gradient, 0);
    }
    return -std::log(s) - largest - std::log(sum);
  }

  /// The parts of the gradient in Λ and ψ that are averages over nodes at fixed nodes, less what
  /// add_gradient puts there with the mode's u.
  void add_node_moments(Index start, Index n, double u, double s, const Eigen::VectorXd& share,
                        ModelPoint& gradient) {
    double sum = 0;
    for (Index k = 0; k < share.size(); ++k) {
      const double displacement = s * rule_.nodes[k];
      double inner_product = 0;
      for (Index i = 0; i < n; ++i) inner_product += nodes_first_(i, k) * z_[start + i];
      sum -= share[k] * displacement * inner_product;
      if (likelihood_->n_parameters() == 0) continue;
      for (Index i = 0; i < n; ++i)
        node_eta_[i] = base_[start + i] + scaled_[start + i] * (u + displacement);
      weight_value_.head(n).setConstant(-share[k]);
      likelihood_->add_parameter_gradient(
          start, n, node_eta_.data(),
          {.value = weight_value_.data(), .first = zero_.data(), .second = zero_.data()},
          gradient.family);
    }
    gradient.factor.front()(0, 0) += sum;
  }

  /// dL = −E ℓ_φ + g H_φ + (shift + g H_u) dû with dû = −f_uφ / H: `expected_first_` holds E ℓ'
  /// over the nodes and the other buffers the rows at the mode.
  void add_gradient(Index start, Index n, double u, const Inner& f, double shift, double g,
                    ModelPoint& gradient, double value_weight) {
    const double lambda = (shift + g * f.third) / f.second;
    const double* z = scaled_.data() + start;
    double factor = 0;
    for (Index i = 0; i < n; ++i) {
      const double r =
          -expected_first_[i] - g * z[i] * z[i] * third_[i] + second_[i] * z[i] * lambda;
      row_gradient_[start + i] = r;
      factor += z_[start + i] * (r * u - 2 * g * second_[i] * z[i] + first_[i] * lambda);
    }
    gradient.factor.front()(0, 0) += factor;
    if (likelihood_->n_parameters() == 0) return;
    for (Index i = 0; i < n; ++i) {
      weight_value_[i] = value_weight;
      weight_first_[i] = lambda * z[i];
      weight_second_[i] = -g * z[i] * z[i];
      eta_[i] = base_[start + i] + z[i] * u;
    }
    likelihood_->add_parameter_gradient(start, n, eta_.data(),
                                        {.value = weight_value_.data(),
                                         .first = weight_first_.data(),
                                         .second = weight_second_.data()},
                                        gradient.family);
  }

  const SortedDesign& design_;
  std::unique_ptr<Likelihood> likelihood_;
  QuadratureRule rule_;
  Eigen::VectorXd z_;
  Eigen::VectorXd modes_;
  Eigen::VectorXd curvature_;
  double factor_ = 0;
  Eigen::VectorXd base_;
  Eigen::VectorXd scaled_;
  Eigen::VectorXd row_gradient_;
  // One block's rows.
  Eigen::VectorXd eta_, first_, second_, third_;
  Eigen::VectorXd weight_value_, weight_first_, weight_second_, zero_;
  Eigen::VectorXd node_eta_, node_first_, expected_first_, node_share_, node_slope_;
  Eigen::MatrixXd nodes_first_;
};

}  // namespace

std::unique_ptr<Integral> make_scalar_integral(const SortedDesign& design,
                                               std::unique_ptr<Likelihood> likelihood,
                                               Index points) {
  return std::make_unique<ScalarIntegral>(design, std::move(likelihood), points);
}

}  // namespace rapport::detail
