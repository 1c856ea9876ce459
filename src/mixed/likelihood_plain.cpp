#include <rapport/math/distributions.hpp>

#include "group_kernels.hpp"
#include "likelihood_rows.hpp"
#include <type_traits>
#include <utility>

// Families without a parameter beside the mean.

namespace rapport::detail {
namespace {

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

/// −Σ w log y!.
double poisson_constant(const Eigen::VectorXd& y, const Eigen::VectorXd& w) {
  double constant = 0;
  for (Index i = 0; i < y.size(); ++i) constant -= w[i] * log_gamma(y[i] + 1);
  return constant;
}

}  // namespace

std::unique_ptr<Likelihood> make_plain(Family family, Link link, const Eigen::VectorXd& y,
                                       const Eigen::VectorXd& w) {
  if (family == Family::poisson) {
    if (link != Link::log) return nullptr;
    return std::make_unique<Plain<PoissonLog>>(y, w, poisson_constant(y, w));
  }
  const double constant = binomial_constant(y, w);
  if (link == Link::logit) return std::make_unique<Plain<BinomialLogit>>(y, w, constant);
  if (link == Link::probit) return std::make_unique<Plain<BinomialProbit>>(y, w, constant);
  if (link == Link::cloglog) return std::make_unique<Plain<BinomialCloglog>>(y, w, constant);
  return nullptr;
}

}  // namespace rapport::detail
