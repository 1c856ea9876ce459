#include "zero_inflated.hpp"

#include <rapport/base/error.hpp>

#include "independent_columns.hpp"
#include <algorithm>
#include <cmath>
#include <utility>

namespace rapport::detail {
namespace {

/// log(1 + e^x) and its derivatives.
struct Softplus {
  double value, first, second, third;

  explicit Softplus(double x) {
    const double odds = std::exp(-std::abs(x));
    const double share = 1 / (1 + odds);
    value = std::max(x, 0.0) + std::log1p(odds);
    first = x >= 0 ? share : odds * share;
    second = odds * share * share;
    third = second * (1 - 2 * first);
  }
};

/// With ζ = logit π and ℓ₀ the log-likelihood of a count of 0, g(x) = log(1 + e^x): a 0 has ℓ = log
/// π
/// + g(ℓ₀ − ζ), any other count log(1 − π) more than its own.
class ZeroInflated final : public Likelihood {
 public:
  ZeroInflated(std::unique_ptr<Likelihood> counts, Eigen::VectorXd y, Eigen::VectorXd w,
               Eigen::MatrixXd columns)
      : counts_(std::move(counts)),
        y_(std::move(y)),
        w_(std::move(w)),
        columns_(std::move(columns)),
        zeta_(Eigen::VectorXd::Zero(y_.size())) {}

  [[nodiscard]] Index n_parameters() const override {
    return counts_->n_parameters() + columns_.cols();
  }
  [[nodiscard]] Eigen::VectorXd start() const override {
    Eigen::VectorXd start = Eigen::VectorXd::Zero(n_parameters());
    start.head(counts_->n_parameters()) = counts_->start();
    start[counts_->n_parameters()] = -1;
    return start;
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    zeta_.noalias() = columns_ * parameters.tail(columns_.cols());
    return counts_->set_parameters(parameters.head(counts_->n_parameters())) &&
           zeta_.lpNorm<Eigen::Infinity>() < 700;
  }
  [[nodiscard]] double constant() const override { return counts_->constant(); }

  double evaluate(Index first, Index n, const double* eta,
                  const RowDerivatives& out) const override {
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const Index row = first + i;
      const Count count = count_at(row, eta[i]);
      Count mixed = count;
      if (y_[row] == 0) {
        const Softplus g(count.value - zeta_[row]);
        const double w = w_[row];
        const double d1 = count.first;
        mixed.value = w * (g.value - Softplus(-zeta_[row]).value);
        mixed.first = w * g.first * d1;
        mixed.second = w * (g.first * count.second + g.second * d1 * d1);
        mixed.third =
            w * (g.first * count.third + 3 * g.second * d1 * count.second + g.third * d1 * d1 * d1);
      } else {
        mixed.value -= w_[row] * Softplus(zeta_[row]).value;
      }
      sum += mixed.value;
      out.first[i] = mixed.first;
      if (out.second != nullptr) out.second[i] = mixed.second;
      if (out.third != nullptr) out.third[i] = mixed.third;
    }
    return sum;
  }

  void add_parameter_gradient(Index first, Index n, const double* eta, const RowWeights& weights,
                              Eigen::VectorXd& gradient) const override {
    Eigen::VectorXd counts = Eigen::VectorXd::Zero(counts_->n_parameters());
    for (Index i = 0; i < n; ++i) {
      const Index row = first + i;
      const double share = Softplus(zeta_[row]).first;  // π
      double value = weights.value[i];
      double slope = weights.first[i];
      double curvature = weights.second[i];
      double zeta = -w_[row] * value * share;
      if (y_[row] == 0) {
        const Count count = count_at(row, eta[i]);
        const Softplus g(count.value - zeta_[row]);
        const double w = w_[row];
        const double bend = g.second * count.second + g.third * count.first * count.first;
        zeta =
            w * (value * (1 - share - g.first) - slope * g.second * count.first - curvature * bend);
        value = w * (value * g.first + slope * g.second * count.first + curvature * bend);
        slope = w * (slope * g.first + 2 * curvature * g.second * count.first);
        curvature *= w * g.first;
      }
      gradient.tail(columns_.cols()) += zeta * columns_.row(row).transpose();
      if (counts.size() > 0) {
        counts_->add_parameter_gradient(
            row, 1, eta + i, {.value = &value, .first = &slope, .second = &curvature}, counts);
      }
    }
    gradient.head(counts.size()) += counts;
  }
  [[nodiscard]] double fitted(Index row, double eta) const override {
    return (1 - Softplus(zeta_[row]).first) * counts_->fitted(row, eta);
  }
  [[nodiscard]] double first_guess(Index row) const override { return counts_->first_guess(row); }

 private:
  struct Count {
    double value, first, second, third;
  };
  [[nodiscard]] Count count_at(Index row, double eta) const {
    Count count{};
    count.value = counts_->evaluate(
        row, 1, &eta, {.first = &count.first, .second = &count.second, .third = &count.third});
    return count;
  }

  std::unique_ptr<Likelihood> counts_;  ///< zeros with weight 1
  Eigen::VectorXd y_;
  Eigen::VectorXd w_;
  Eigen::MatrixXd columns_;
  Eigen::VectorXd zeta_;  ///< logit π
};

}  // namespace

std::unique_ptr<Likelihood> make_zero_inflated(Family family, Link link,
                                               const Eigen::VectorXd& response,
                                               const Eigen::VectorXd& weights,
                                               const Eigen::MatrixXd& columns) {
  const Eigen::VectorXd w =
      weights.size() == 0 ? Eigen::VectorXd::Ones(response.size()).eval() : weights;
  const Eigen::VectorXd own = (response.array() == 0).select(1, w);
  return std::make_unique<ZeroInflated>(make_likelihood(family, link, response, own, 0), response,
                                        w, columns);
}

}  // namespace rapport::detail

namespace rapport {

EffectColumns zero_inflation_columns(const Design& effects, const Design& design) {
  if (effects.rows != design.rows || effects.fixed.rows() != design.response.size())
    throw DataError(
        "the predictors of extra zeros use other rows than the model, because a variable of one of "
        "them is missing in some; keep the rows that both can use");
  EffectColumns result;
  for (const Index k : detail::independent_columns(effects.fixed)) {
    result.positions.push_back(k);
    result.terms.push_back(effects.fixed_terms[static_cast<std::size_t>(k)]);
  }
  result.columns = effects.fixed(Eigen::all, result.positions);
  result.frame = effects.frame;
  return result;
}

}  // namespace rapport
