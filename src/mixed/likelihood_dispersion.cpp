#include <rapport/math/distributions.hpp>

#include "likelihood_rows.hpp"
#include <utility>

// Families with a dispersion.

namespace rapport::detail {
namespace {

/// Negative binomial with log link, variance μ + μ² / k; ψ = log k. In the form that stays exact as
/// k → ∞, ℓ = Σ_{j<y} log(1 + j/k) − log y! + yη − (y + k) log(1 + μ/k).
class NegativeBinomial2 final : public Likelihood {
 public:
  NegativeBinomial2(Eigen::VectorXd y, Eigen::VectorXd w) : y_(std::move(y)), w_(std::move(w)) {
    for (Index i = 0; i < y_.size(); ++i) log_factorials_ += w_[i] * log_gamma(y_[i] + 1);
    largest_ = static_cast<Index>(y_.maxCoeff());
  }
  [[nodiscard]] Index n_parameters() const override { return 1; }
  [[nodiscard]] Eigen::VectorXd start() const override { return Eigen::VectorXd::Constant(1, 1); }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    if (!(std::abs(parameters[0]) < 30)) return false;
    k_ = std::exp(parameters[0]);
    // Both sums by count, each from the one before it.
    constant_ = -log_factorials_;
    log_sum_.setZero(largest_ + 1);
    slope_sum_.setZero(largest_ + 1);
    for (Index count = 1; count <= largest_; ++count) {
      const auto j = static_cast<double>(count - 1);
      log_sum_[count] = log_sum_[count - 1] + std::log1p(j / k_);
      slope_sum_[count] = slope_sum_[count - 1] + k_ / (k_ + j);
    }
    for (Index i = 0; i < y_.size(); ++i) constant_ += w_[i] * log_sum_[static_cast<Index>(y_[i])];
    return true;
  }
  [[nodiscard]] double constant() const override { return constant_; }
  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const double y = y_[first + i];
      const double w = w_[first + i];
      const double mu = std::exp(eta[i]);
      const double inverse = 1 / (mu + k_);
      const double curvature = w * (y + k_) * inverse * (k_ * inverse) * mu;
      sum += w * (y * eta[i] - (y + k_) * std::log1p(mu / k_));
      out.first[i] = w * (y - mu) * (k_ * inverse);
      if (out.second != nullptr) out.second[i] = -curvature;
      if (out.third != nullptr) out.third[i] = -curvature * (k_ - mu) * inverse;
    }
    return sum;
  }
  void add_parameter_gradient(Index first, Index n, const double* eta, const RowWeights& weights,
                              Eigen::VectorXd& gradient) const override {
    for (Index i = 0; i < n; ++i) {
      const double y = y_[first + i];
      const double mu = std::exp(eta[i]);
      const double inverse = 1 / (mu + k_);
      const double share = k_ * inverse;
      // k ∂/∂k of Σ log(1 + j/k) is Σ k/(k + j) − y.
      const double value = slope_sum_[static_cast<Index>(y)] - y - k_ * std::log1p(mu / k_) +
                           (y + k_) * mu * inverse;
      const double slope = (y - mu) * mu * inverse * share;
      const double curvature = -mu * (y * mu + 2 * k_ * mu - y * k_) * inverse * inverse * share;
      gradient[0] += w_[first + i] * (weights.value[i] * value + weights.first[i] * slope +
                                      weights.second[i] * curvature);
    }
  }
  [[nodiscard]] double fitted(Index /*row*/, double eta) const override { return std::exp(eta); }
  [[nodiscard]] double first_guess(Index row) const override { return std::log(y_[row] + 0.1); }

 private:
  Eigen::VectorXd y_;
  Eigen::VectorXd w_;
  double log_factorials_ = 0;
  double constant_ = 0;
  Index largest_ = 0;
  Eigen::VectorXd log_sum_;    ///< Σ_{j<count} log(1 + j/k)
  Eigen::VectorXd slope_sum_;  ///< Σ_{j<count} k / (k + j)
  double k_ = 0;
};

/// Families with one parameter ψ = log θ whose rows are given by a kernel: value and three
/// derivatives in η, and the derivatives of value, first and second in log θ.
template <class Kernel>
class WithDispersion final : public Likelihood {
 public:
  WithDispersion(Eigen::VectorXd y, Eigen::VectorXd w) : y_(std::move(y)), w_(std::move(w)) {}
  [[nodiscard]] Index n_parameters() const override { return 1; }
  [[nodiscard]] Eigen::VectorXd start() const override {
    return Eigen::VectorXd::Constant(1, Kernel::start);
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    theta_ = std::exp(parameters[0]);
    return std::abs(parameters[0]) < 30;
  }
  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const Row row = Kernel::row(y_[first + i], theta_, eta[i]);
      const double w = w_[first + i];
      sum += w * row.value;
      out.first[i] = w * row.first;
      if (out.second != nullptr) out.second[i] = w * row.second;
      if (out.third != nullptr) out.third[i] = w * row.third;
    }
    return sum;
  }
  void add_parameter_gradient(Index first, Index n, const double* eta, const RowWeights& weights,
                              Eigen::VectorXd& gradient) const override {
    for (Index i = 0; i < n; ++i) {
      const Row slope = Kernel::in_log_theta(y_[first + i], theta_, eta[i]);
      gradient[0] +=
          w_[first + i] * (weights.value[i] * slope.value + weights.first[i] * slope.first +
                           weights.second[i] * slope.second);
    }
  }
  [[nodiscard]] double fitted(Index /*row*/, double eta) const override {
    return Kernel::mean(eta);
  }
  [[nodiscard]] double first_guess(Index row) const override {
    return Kernel::first_guess(y_[row]);
  }

 private:
  Eigen::VectorXd y_;
  Eigen::VectorXd w_;
  double theta_ = 1;
};

/// Gamma with log link; θ is the shape, the inverse of the dispersion.
struct GammaKernel {
  static constexpr double start = 0;
  static Row row(double y, double a, double eta) {
    const double ratio = y * std::exp(-eta);
    return {-log_gamma(a) + a * (std::log(a) - eta - ratio) + (a - 1) * std::log(y),
            a * (ratio - 1), -a * ratio, a * ratio};
  }
  static Row in_log_theta(double y, double a, double eta) {
    const double ratio = y * std::exp(-eta);
    return {a * (std::log(a) + 1 - digamma(a) - eta + std::log(y) - ratio), a * (ratio - 1),
            -a * ratio, 0};
  }
  static double mean(double eta) { return std::exp(eta); }
  static double first_guess(double y) { return std::log(y); }
};

/// Counts with variance μ(1 + δ), log link; θ = δ. With r = μ/δ, ℓ = log Γ(y + r) − log Γ(r) − r
/// log(1 + δ) + y log(δ/(1 + δ)) − log y! and dr/dη = r = −dr/d log δ. Differences of polygamma
/// functions at whole numbers are finite sums.
struct NegativeBinomial1Kernel {
  static constexpr double start = 0;
  struct Slopes {
    double log_ratio;             ///< log Γ(y + r) − log Γ(r)
    double first, second, third;  ///< of ℓ in r
  };
  static Slopes slopes(double y, double r, double delta) {
    LogProduct product;
    Slopes s{0, -std::log1p(delta), 0, 0};
    for (double j = 0; j < y; ++j) {
      const double inverse = 1 / (r + j);
      product.multiply(r + j);
      s.first += inverse;
      s.second -= inverse * inverse;
      s.third += 2 * inverse * inverse * inverse;
    }
    s.log_ratio = product.log();
    return s;
  }
  static Row row(double y, double delta, double eta) {
    const double r = std::exp(eta) / delta;
    const Slopes s = slopes(y, r, delta);
    const double value = s.log_ratio - log_gamma(y + 1) - r * std::log1p(delta) +
                         y * (std::log(delta) - std::log1p(delta));
    const double rr = r * r * s.second;
    return {value, r * s.first, r * s.first + rr, r * s.first + 3 * rr + r * r * r * s.third};
  }
  static Row in_log_theta(double y, double delta, double eta) {
    const double r = std::exp(eta) / delta;
    const Slopes s = slopes(y, r, delta);
    const double share = delta / (1 + delta);
    const double rr = r * r * s.second;
    return {-r * s.first - r * share + y / (1 + delta), -r * s.first - rr - r * share,
            -r * s.first - 3 * rr - r * r * r * s.third - r * share, 0};
  }
  static double mean(double eta) { return std::exp(eta); }
  static double first_guess(double y) { return std::log(y + 0.1); }
};

/// Proportions strictly between 0 and 1, logit link; θ = φ, the precision (Ferrari & Cribari-Neto
/// 2004).
struct BetaKernel {
  static constexpr double start = 1;
  struct Parts {
    double mu, m, a, b, c, a_phi, b_phi;
  };
  static Parts parts(double y, double phi, double eta) {
    Parts p{};
    p.mu = 1 / (1 + std::exp(-eta));
    const double nu = 1 / (1 + std::exp(eta));
    p.m = p.mu * nu;
    const double s = p.mu * phi;
    const double t = nu * phi;
    p.a = digamma(t) - digamma(s) + std::log(y) - std::log1p(-y);
    p.b = trigamma(s) + trigamma(t);
    p.c = tetragamma(s) - tetragamma(t);
    p.a_phi = nu * trigamma(t) - p.mu * trigamma(s);
    p.b_phi = p.mu * tetragamma(s) + nu * tetragamma(t);
    return p;
  }
  static Row row(double y, double phi, double eta) {
    const Parts p = parts(y, phi, eta);
    const double s = p.mu * phi;
    const double t = phi - s;
    const double odd = p.m * (1 - 2 * p.mu);
    const double value = log_gamma(phi) - log_gamma(s) - log_gamma(t) + (s - 1) * std::log(y) +
                         (t - 1) * std::log1p(-y);
    return {value, phi * p.a * p.m, phi * (p.a * odd - phi * p.b * p.m * p.m),
            phi * (p.a * p.m * (1 - 6 * p.m) - 3 * phi * p.b * p.m * odd -
                   phi * phi * p.c * p.m * p.m * p.m)};
  }
  static Row in_log_theta(double y, double phi, double eta) {
    const Parts p = parts(y, phi, eta);
    const double nu = 1 - p.mu;
    const double odd = p.m * (1 - 2 * p.mu);
    const double slope = p.a + phi * p.a_phi;
    return {phi * (digamma(phi) - p.mu * digamma(p.mu * phi) - nu * digamma(nu * phi) +
                   p.mu * std::log(y) + nu * std::log1p(-y)),
            phi * slope * p.m,
            phi * (slope * odd - (2 * phi * p.b + phi * phi * p.b_phi) * p.m * p.m), 0};
  }
  static double mean(double eta) { return 1 / (1 + std::exp(-eta)); }
  static double first_guess(double y) { return std::log(y / (1 - y)); }
};

}  // namespace

std::unique_ptr<Likelihood> make_with_dispersion(Family family, Link link, const Eigen::VectorXd& y,
                                                 const Eigen::VectorXd& w) {
  if (link != (family == Family::beta ? Link::logit : Link::log)) return nullptr;
  if (family == Family::nbinom2) return std::make_unique<NegativeBinomial2>(y, w);
  if (family == Family::nbinom1)
    return std::make_unique<WithDispersion<NegativeBinomial1Kernel>>(y, w);
  if (family == Family::gamma) return std::make_unique<WithDispersion<GammaKernel>>(y, w);
  if (family == Family::beta) return std::make_unique<WithDispersion<BetaKernel>>(y, w);
  return nullptr;
}

}  // namespace rapport::detail
