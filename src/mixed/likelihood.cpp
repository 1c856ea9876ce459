#include "likelihood.hpp"

#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include "group_kernels.hpp"
#include "ordinal_distributions.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

namespace rapport::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A product whose logarithm is wanted: one logarithm for many factors.
class LogProduct {
 public:
  void multiply(double factor) {
    product_ *= factor;
    if (product_ > 1e200 || product_ < 1e-200) {
      sum_ += std::log(product_);
      product_ = 1;
    }
  }
  [[nodiscard]] double log() const { return sum_ + std::log(product_); }

 private:
  double product_ = 1;
  double sum_ = 0;
};

/// Value and three derivatives of one row.
struct Row {
  double value;
  double first;
  double second;
  double third;
};

/// Mills' ratio inverted, φ(x) / Φ(x).
double inverse_mills(double x) {
  if (x > -20) return normal_density(x) / normal_cdf(x);
  return std::exp(-0.5 * x * x - 0.91893853320467274178 - normal_log_cdf(x));
}

/// log Φ(x) and its derivatives: m = φ/Φ, m' = −m(x + m).
Row log_normal_cdf(double x) {
  const double m = inverse_mills(x);
  const double sum = x + m;
  const double value = x > -20 ? std::log(normal_cdf(x)) : normal_log_cdf(x);
  return {value, m, -m * sum, m * (sum * (sum + m) - 1)};
}

// Each kernel is the log-likelihood of one row as a function of η; y and w are the response and the
// weight.

// A kernel with `has_odds` leaves −w log(1 + odds) out of its value.

struct BinomialLogit {
  static constexpr bool has_odds = true;
  static double odds(double eta) { return std::exp(-std::abs(eta)); }
  Row operator()(double y, double w, double eta, double odds) const {
    const double share = 1 / (1 + odds);
    const double p = eta >= 0 ? share : odds * share;
    const double v = w * odds * share * share;
    return {w * (y * eta - std::max(eta, 0.0)), w * (y - p), -v, -v * (1 - 2 * p)};
  }
  static double mean(double eta) { return 1 / (1 + std::exp(-eta)); }
  static double link(double mu) { return std::log(mu / (1 - mu)); }
};

struct BinomialProbit {
  static constexpr bool has_odds = false;
  static double odds(double /*eta*/) { return 0; }
  Row operator()(double y, double w, double eta, double /*odds*/) const {
    Row row{0, 0, 0, 0};
    if (y > 0) {
      const Row s = log_normal_cdf(eta);
      const double n = w * y;
      row = {n * s.value, n * s.first, n * s.second, n * s.third};
    }
    if (y < 1) {
      const Row f = log_normal_cdf(-eta);
      const double n = w * (1 - y);
      row = {row.value + n * f.value, row.first - n * f.first, row.second + n * f.second,
             row.third - n * f.third};
    }
    return row;
  }
  static double mean(double eta) { return normal_cdf(eta); }
  static double link(double mu) { return normal_quantile(mu); }
};

struct BinomialCloglog {
  static constexpr bool has_odds = false;
  static double odds(double /*eta*/) { return 0; }
  Row operator()(double y, double w, double eta, double /*odds*/) const {
    const double t = std::exp(eta);
    // h = log(1 − e^{−t}); r = h' = t / (e^t − 1), r' = r q with q = 1 − t − r.
    Row row{0, 0, 0, 0};
    if (y > 0) {
      const double n = w * y;
      const double r = t > 1e-8 ? t / std::expm1(t) : 1 - 0.5 * t;
      const double q = t > 1e-4 ? 1 - t - r : -0.5 * t - t * t / 12;
      const double h = t > 0.5 ? std::log1p(-std::exp(-t)) : std::log(-std::expm1(-t));
      row = {n * h, n * r, n * r * q, n * r * (q * q - t - r * q)};
    }
    const double f = w * (1 - y) * t;
    return {row.value - f, row.first - f, row.second - f, row.third - f};
  }
  static double mean(double eta) { return -std::expm1(-std::exp(eta)); }
  static double link(double mu) { return std::log(-std::log1p(-mu)); }
};

struct PoissonLog {
  static constexpr bool has_odds = false;
  static double odds(double /*eta*/) { return 0; }
  Row operator()(double y, double w, double eta, double /*odds*/) const {
    const double mu = w * std::exp(eta);
    return {w * y * eta - mu, w * y - mu, -mu, -mu};
  }
  static double mean(double eta) { return std::exp(eta); }
  static double link(double mu) { return std::log(mu); }
};

/// Families whose log-likelihood is Kernel(y, w, η) plus a constant.
template <class Kernel>
class Plain final : public Likelihood {
 public:
  Plain(Eigen::VectorXd y, Eigen::VectorXd w, double constant)
      : y_(std::move(y)),
        w_(std::move(w)),
        constant_(constant),
        unit_weights_((w_.array() == 0 || w_.array() == 1).all()) {}

  [[nodiscard]] double constant() const override { return constant_; }
  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    const Kernel kernel;
    LogProduct product;
    double sum = 0;
    Index done = 0;
    if constexpr (std::is_same_v<Kernel, BinomialLogit>) {
      if (n >= 16) done = evaluate_in_lanes(first, n, eta, out, sum);
    }
    for (Index i = done; i < n; ++i) {
      const double w = w_[first + i];
      const double odds = Kernel::odds(eta[i]);
      const Row row = kernel(y_[first + i], w, eta[i], odds);
      sum += row.value;
      if constexpr (Kernel::has_odds) {
        if (w == 1) {
          product.multiply(1 + odds);
        } else {
          sum -= w * std::log1p(odds);
        }
      }
      out.first[i] = row.first;
      if (out.second != nullptr) out.second[i] = row.second;
      if (out.third != nullptr) out.third[i] = row.third;
    }
    return Kernel::has_odds ? sum - product.log() : sum;
  }
  [[nodiscard]] double fitted(Index /*row*/, double eta) const override {
    return Kernel::mean(eta);
  }
  [[nodiscard]] double first_guess(Index row) const override {
    if constexpr (std::is_same_v<Kernel, PoissonLog>) return Kernel::link(y_[row] + 0.1);
    return Kernel::link((w_[row] * y_[row] + 0.5) / (w_[row] + 1));
  }

 private:
  /// The rows in whole fours by the kernels of groups; their number.
  Index evaluate_in_lanes(Index first, Index n, const double* eta, const RowDerivatives& out,
                          double& sum) const {
    const long start = 0;
    const long rows = static_cast<long>(n / group_lanes);
    RowSource source = {};
    source.first = &start;
    source.rows = &rows;
    source.response = y_.data() + first;
    source.weight = w_.data() + first;
    source.unit_weights = unit_weights_;
    double value[group_lanes];
    RowOutput output = {};
    output.value = value;
    output.eta[0] = out.first;
    output.eta[1] = out.second;
    output.eta[2] = out.third;
    const RowOrder order = out.second == nullptr  ? RowOrder::slope
                           : out.third == nullptr ? RowOrder::curvature
                                                  : RowOrder::third;
    group_kernels().binomial_logit(source, 0, eta, order, output);
    for (const double lane : value) sum += lane;
    return group_lanes * rows;
  }

  Eigen::VectorXd y_;
  Eigen::VectorXd w_;
  double constant_;
  bool unit_weights_;
};

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

/// P(y ≤ j) = F(θ_j − η); ψ = θ₁ < … < θ_{k−1}.
template <class Distribution>
class Cumulative final : public Likelihood {
 public:
  Cumulative(const Eigen::VectorXd& y, Eigen::VectorXd w, Index categories)
      : category_(y.size()), w_(std::move(w)), thresholds_(categories - 1) {
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(categories);
    for (Index i = 0; i < y.size(); ++i) {
      category_[i] = static_cast<Index>(y[i]);
      counts[category_[i]] += w_[i];
    }
    start_.resize(categories - 1);
    double below = 0;
    for (Index j = 0; j + 1 < categories; ++j) {
      below += counts[j];
      start_[j] = Distribution::quantile(below / counts.sum());
    }
  }
  [[nodiscard]] Index n_parameters() const override { return thresholds_.size(); }
  [[nodiscard]] Eigen::VectorXd start() const override { return start_; }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    for (Index j = 1; j < parameters.size(); ++j) {
      if (!(parameters[j] > parameters[j - 1])) return false;
    }
    thresholds_ = parameters;
    width_.setOnes(thresholds_.size() + 1);
    for (Index j = 1; j < thresholds_.size(); ++j)
      width_[j] = -std::expm1(thresholds_[j - 1] - thresholds_[j]);
    return thresholds_.allFinite();
  }
  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    LogProduct product;
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const Ratios r = ratios(first + i, eta[i]);
      const double w = w_[first + i];
      const double s1 = r.a[0] + r.b[0];
      const double s2 = r.a[1] + r.b[1];
      if (w == 1) {
        product.multiply(r.probability);
      } else {
        sum += w * std::log(r.probability);
      }
      out.first[i] = -w * s1;
      if (out.second != nullptr) out.second[i] = w * (s2 - s1 * s1);
      if (out.third != nullptr)
        out.third[i] = -w * (r.a[2] + r.b[2] - 3 * s1 * s2 + 2 * s1 * s1 * s1);
    }
    return sum + product.log();
  }
  void add_parameter_gradient(Index first, Index n, const double* eta, const RowWeights& weights,
                              Eigen::VectorXd& gradient) const override {
    for (Index i = 0; i < n; ++i) {
      const Index category = category_[first + i];
      const Ratios r = ratios(first + i, eta[i]);
      if (category < thresholds_.size()) {
        gradient[category] += w_[first + i] * one_threshold(r.a, r.b, weights, i);
      }
      if (category > 0)
        gradient[category - 1] += w_[first + i] * one_threshold(r.b, r.a, weights, i);
    }
  }
  [[nodiscard]] double fitted(Index row, double eta) const override {
    return ratios(row, eta).probability;
  }
  [[nodiscard]] double first_guess(Index /*row*/) const override { return 0; }

 private:
  /// P = F(a) − F(b), and f, f', f'' at a and (negative) at b over P.
  struct Ratios {
    double probability;
    std::array<double, 3> a;
    std::array<double, 3> b;
  };
  [[nodiscard]] Ratios ratios(Index row, double eta) const {
    const Index category = category_[row];
    const bool has_upper = category < thresholds_.size();
    const bool has_lower = category > 0;
    const double a = has_upper ? thresholds_[category] - eta : infinity;
    const double b = has_lower ? thresholds_[category - 1] - eta : -infinity;
    Ratios r{0, {0, 0, 0}, {0, 0, 0}};
    if constexpr (std::is_same_v<Distribution, Logistic>) {
      // P = F(a) (1 − F(b)) (1 − e^{b − a}), whose last factor is the category's own.
      const double upper = has_upper ? Logistic::cdf(a) : 1;
      const double lower = has_lower ? Logistic::cdf(b) : 0;
      r.probability = upper * (1 - lower) * width_[category];
      if (lower > 0.5) r.probability = upper * Logistic::cdf(-b) * width_[category];
      if (has_upper) {
        const double complement = upper > 0.5 ? Logistic::cdf(-a) : 1 - upper;
        const double rest = lower > 0.5 ? Logistic::cdf(-b) : 1 - lower;
        const double ratio = complement / (rest * width_[category]);
        r.a = {ratio, ratio * (1 - 2 * upper), ratio * (1 - 6 * upper * complement)};
      }
      if (has_lower) {
        const double ratio = lower / (upper * width_[category]);
        r.b = {-ratio, -ratio * (1 - 2 * lower), -ratio * (1 - 6 * lower * (1 - lower))};
      }
      return r;
    } else {
      if (has_upper) r.a = Distribution::density(a);
      if (has_lower) r.b = Distribution::density(b);
      r.probability = !has_upper   ? Distribution::upper_tail(b)
                      : !has_lower ? Distribution::cdf(a)
                                   : Distribution::between(a, b);
      const double inverse = 1 / r.probability;
      for (std::size_t k = 0; k < 3; ++k) {
        r.a[k] *= inverse;
        r.b[k] *= -inverse;
      }
      return r;
    }
  }
  /// The weighted derivatives of ℓ, ℓ' and ℓ'' in the threshold whose ratios are `x`, the other's
  /// being `z`.
  static double one_threshold(const std::array<double, 3>& x, const std::array<double, 3>& z,
                              const RowWeights& weights, Index i) {
    const double xx = x[1] - x[0] * x[0];
    const double xz = -x[0] * z[0];
    const double xxx = x[2] - 3 * x[0] * x[1] + 2 * x[0] * x[0] * x[0];
    const double xxz = -x[1] * z[0] + 2 * x[0] * x[0] * z[0];
    const double xzz = -x[0] * z[1] + 2 * x[0] * z[0] * z[0];
    return weights.value[i] * x[0] - weights.first[i] * (xx + xz) +
           weights.second[i] * (xxx + 2 * xxz + xzz);
  }

  Eigen::Matrix<Index, Eigen::Dynamic, 1> category_;
  Eigen::VectorXd w_;
  Eigen::VectorXd start_;
  Eigen::VectorXd thresholds_;
  Eigen::VectorXd width_;  ///< of each category, 1 − e^{θ_{j−1} − θ_j}: 1 at the ends
};

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

[[noreturn]] void refuse(Family family, const char* what, double value) {
  throw DataError("the response of family " + std::string(to_string(family)) + " must be " + what +
                  "; it holds " + number(value));
}

void require_proportions(const Eigen::VectorXd& y, const Eigen::VectorXd& trials) {
  for (Index i = 0; i < y.size(); ++i) {
    if (!(y[i] >= 0 && y[i] <= 1))
      refuse(Family::binomial, "0 or 1, or proportions of trials", y[i]);
    if (trials[i] == 1 && (y[i] == 0 || y[i] == 1)) continue;
    const double successes = y[i] * trials[i];
    if (std::abs(successes - std::round(successes)) > 1e-7 * std::max(1.0, successes)) {
      refuse(Family::binomial, "whole numbers of successes (0 or 1, or cbind(successes, failures))",
             successes);
    }
  }
}

void require_counts(Family family, const Eigen::VectorXd& y) {
  for (const double value : y) {
    if (!(value >= 0) || value != std::floor(value) || value > 1e8)
      refuse(family, "counts: 0, 1, 2, …", value);
  }
}

void require_categories(const Eigen::VectorXd& y, Index categories) {
  if (categories < 2) {
    throw DataError("the response of family cumulative has " + std::to_string(categories) +
                    " category; at least 2 are required");
  }
  for (const double value : y) {
    if (!(value >= 0 && value < static_cast<double>(categories)) || value != std::floor(value)) {
      refuse(Family::cumulative, "the position of a category", value);
    }
  }
}

/// Σ log C(n, s).
double binomial_constant(const Eigen::VectorXd& y, const Eigen::VectorXd& trials) {
  double constant = 0;
  for (Index i = 0; i < y.size(); ++i) {
    const double n = trials[i];
    if (n == 1) continue;
    const double s = std::round(y[i] * n);
    constant += log_gamma(n + 1) - log_gamma(s + 1) - log_gamma(n - s + 1);
  }
  return constant;
}

std::unique_ptr<Likelihood> make_binomial(Link link, const Eigen::VectorXd& y,
                                          const Eigen::VectorXd& w) {
  require_proportions(y, w);
  const double constant = binomial_constant(y, w);
  if (link == Link::logit) return std::make_unique<Plain<BinomialLogit>>(y, w, constant);
  if (link == Link::probit) return std::make_unique<Plain<BinomialProbit>>(y, w, constant);
  if (link == Link::cloglog) return std::make_unique<Plain<BinomialCloglog>>(y, w, constant);
  return nullptr;
}

std::unique_ptr<Likelihood> make_cumulative(Link link, const Eigen::VectorXd& y,
                                            const Eigen::VectorXd& w, Index categories) {
  require_categories(y, categories);
  if (link == Link::logit) return std::make_unique<Cumulative<Logistic>>(y, w, categories);
  if (link == Link::probit) return std::make_unique<Cumulative<Normal>>(y, w, categories);
  if (link == Link::cloglog) return std::make_unique<Cumulative<GumbelMinimum>>(y, w, categories);
  return nullptr;
}

std::unique_ptr<Likelihood> make_positive(Family family, Link link, const Eigen::VectorXd& y,
                                          const Eigen::VectorXd& w) {
  for (const double value : y) {
    if (family == Family::gamma && !(value > 0 && value < infinity))
      refuse(family, "positive numbers", value);
    if (family == Family::beta && !(value > 0 && value < 1))
      refuse(family, "strictly between 0 and 1", value);
  }
  if (family == Family::gamma && link == Link::log)
    return std::make_unique<WithDispersion<GammaKernel>>(y, w);
  if (family == Family::beta && link == Link::logit)
    return std::make_unique<WithDispersion<BetaKernel>>(y, w);
  return nullptr;
}

std::unique_ptr<Likelihood> make_counts(Family family, Link link, const Eigen::VectorXd& y,
                                        const Eigen::VectorXd& w) {
  require_counts(family, y);
  if (link != Link::log) return nullptr;
  if (family == Family::nbinom2) return std::make_unique<NegativeBinomial2>(y, w);
  if (family == Family::nbinom1) {
    return std::make_unique<WithDispersion<NegativeBinomial1Kernel>>(y, w);
  }
  double constant = 0;
  for (Index i = 0; i < y.size(); ++i) constant -= w[i] * log_gamma(y[i] + 1);
  return std::make_unique<Plain<PoissonLog>>(y, w, constant);
}

}  // namespace

std::unique_ptr<Likelihood> make_likelihood(Family family, Link link,
                                            const Eigen::VectorXd& response,
                                            const Eigen::VectorXd& weights, Index categories) {
  const Eigen::VectorXd w =
      weights.size() == 0 ? Eigen::VectorXd::Ones(response.size()).eval() : weights;
  std::unique_ptr<Likelihood> likelihood;
  if (family == Family::binomial) likelihood = make_binomial(link, response, w);
  if (family == Family::poisson || family == Family::nbinom1 || family == Family::nbinom2)
    likelihood = make_counts(family, link, response, w);
  if (family == Family::gamma || family == Family::beta)
    likelihood = make_positive(family, link, response, w);
  if (family == Family::cumulative) likelihood = make_cumulative(link, response, w, categories);
  if (likelihood == nullptr) {
    throw InvalidArgument("fit_generalized_model: `link` is " + std::string(to_string(link)) +
                          "; family " + std::string(to_string(family)) + " does not take it");
  }
  return likelihood;
}

}  // namespace rapport::detail
