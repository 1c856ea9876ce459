#include "likelihood_rows.hpp"
#include "ordinal_distributions.hpp"
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

// Ordered categories.

namespace rapport::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

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

}  // namespace

std::unique_ptr<Likelihood> make_cumulative(Link link, const Eigen::VectorXd& y,
                                            const Eigen::VectorXd& w, Index categories) {
  if (link == Link::logit) return std::make_unique<Cumulative<Logistic>>(y, w, categories);
  if (link == Link::probit) return std::make_unique<Cumulative<Normal>>(y, w, categories);
  if (link == Link::cloglog) return std::make_unique<Cumulative<GumbelMinimum>>(y, w, categories);
  return nullptr;
}

}  // namespace rapport::detail
