#include "row_family.hpp"

#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace rapport::detail {

RowFamily::RowFamily(Kernel kernel, Eigen::VectorXd response, Eigen::VectorXd weight,
                     double constant)
    : response_(std::move(response)), weight_(std::move(weight)), constant_(constant) {
  source_.evaluate = kernel;
  source_.response = response_.data();
  source_.weight = weight_.data();
  source_.unit_weights = (weight_.array() == 0 || weight_.array() == 1).all();
}

namespace {

class PlainRows final : public RowFamily {
 public:
  PlainRows(Kernel kernel, Eigen::VectorXd response, Eigen::VectorXd weight, double constant)
      : RowFamily(kernel, std::move(response), std::move(weight), constant) {}
};

/// ψ = log k. The constant is Σ_j N_j log(1 + j/k) − Σ w log y!, N_j the weight of the rows with
/// more than j events.
class NegativeBinomialRows final : public RowFamily {
 public:
  NegativeBinomialRows(Kernel kernel, Eigen::VectorXd response, Eigen::VectorXd weight)
      : RowFamily(kernel, std::move(response), std::move(weight), 0) {
    above_ = Eigen::VectorXd::Zero(static_cast<Index>(response_.maxCoeff()) + 1);
    for (Index i = 0; i < response_.size(); ++i)
      above_[static_cast<Index>(response_[i])] += weight_[i];
    for (Index y = 0; y < above_.size(); ++y) {
      if (above_[y] > 0) constant_ -= above_[y] * log_gamma(static_cast<double>(y) + 1);
    }
    double sum = 0;  // of the rows with more events than y
    for (Index y = above_.size(); y-- > 0;) sum += std::exchange(above_[y], sum);
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    source_.log_size = parameters[0];
    return std::abs(parameters[0]) < 30;
  }
  [[nodiscard]] Constant constant() const override {
    const double k = std::exp(source_.log_size);
    double value = constant_;
    double slope = 0;
    double curvature = 0;
    for (Index y = 1; y < above_.size(); ++y) {
      const auto j = static_cast<double>(y);
      const double share = j / (k + j);
      value += above_[y] * std::log1p(j / k);
      slope -= above_[y] * share;
      curvature += above_[y] * share * k / (k + j);
    }
    return {value, Eigen::VectorXd::Constant(1, slope), Eigen::MatrixXd::Constant(1, 1, curvature)};
  }
  [[nodiscard]] std::vector<Entry> entries() const override {
    return {{1, 0, Eigen::VectorXd::Ones(response_.size())}};
  }

 private:
  Eigen::VectorXd above_;
};

/// ψ = θ₁ < … < θ_{k−1}. The constant is Σ over inner categories of their weight times log(1 −
/// e^{−δ}), δ the distance of their thresholds.
class CumulativeRows final : public RowFamily {
 public:
  CumulativeRows(Kernel kernel, Eigen::VectorXd response, Eigen::VectorXd weight, Index categories)
      : RowFamily(kernel, std::move(response), std::move(weight), 0),
        category_weight_(Eigen::VectorXd::Zero(categories)),
        upper_(response_.size()),
        lower_(response_.size()) {
    for (Index i = 0; i < response_.size(); ++i)
      category_weight_[static_cast<Index>(response_[i])] += weight_[i];
    source_.upper = upper_.data();
    source_.lower = lower_.data();
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    for (Index j = 1; j < parameters.size(); ++j) {
      if (!(parameters[j] > parameters[j - 1])) return false;
    }
    if (!parameters.allFinite()) return false;
    thresholds_ = parameters;
    constexpr double far = 1e4;  // beyond every threshold: no part of the likelihood
    const Index last = category_weight_.size() - 1;
    for (Index i = 0; i < response_.size(); ++i) {
      const auto category = static_cast<Index>(response_[i]);
      upper_[i] = category < last ? thresholds_[category] : far;
      lower_[i] = category > 0 ? thresholds_[category - 1] : -far;
    }
    return true;
  }
  [[nodiscard]] Constant constant() const override {
    const Index n = thresholds_.size();
    Constant c{0, Eigen::VectorXd::Zero(n), Eigen::MatrixXd::Zero(n, n)};
    for (Index j = 1; j < n; ++j) {
      const double weight = category_weight_[j];
      const double distance = thresholds_[j] - thresholds_[j - 1];
      const double slope = weight / std::expm1(distance);
      const double curvature = -slope * (1 + 1 / std::expm1(distance));
      c.value += weight * std::log(-std::expm1(-distance));
      c.gradient[j] += slope;
      c.gradient[j - 1] -= slope;
      c.hessian(j, j) += curvature;
      c.hessian(j - 1, j - 1) += curvature;
      c.hessian(j, j - 1) -= curvature;
      c.hessian(j - 1, j) -= curvature;
    }
    return c;
  }
  [[nodiscard]] std::vector<Entry> entries() const override {
    std::vector<Entry> result;
    for (Index j = 0; j + 1 < category_weight_.size(); ++j) {
      const auto category = static_cast<double>(j);
      result.push_back({1, j, (response_.array() == category).cast<double>().matrix()});
      result.push_back({2, j, (response_.array() == category + 1).cast<double>().matrix()});
    }
    return result;
  }

 private:
  Eigen::VectorXd category_weight_;
  Eigen::VectorXd thresholds_;
  Eigen::VectorXd upper_;
  Eigen::VectorXd lower_;
};

}  // namespace

bool has_row_family(Family family, Link link) {
  switch (family) {
    case Family::binomial:
    case Family::cumulative:
      return link == Link::logit;
    case Family::poisson:
    case Family::nbinom2:
      return link == Link::log;
    default:
      return false;
  }
}

bool averages_rows(Family family) {
  return family == Family::binomial || family == Family::poisson;
}

std::unique_ptr<RowFamily> make_row_family(Family family, Link link, Eigen::VectorXd response,
                                           Eigen::VectorXd weight, double constant,
                                           Index categories) {
  if (!has_row_family(family, link)) return nullptr;
  const GroupKernels& kernels = group_kernels();
  if (family == Family::cumulative) {
    return std::make_unique<CumulativeRows>(kernels.cumulative_logit, std::move(response),
                                            std::move(weight), categories);
  }
  if (family == Family::nbinom2) {
    return std::make_unique<NegativeBinomialRows>(kernels.negative_binomial, std::move(response),
                                                  std::move(weight));
  }
  return std::make_unique<PlainRows>(
      family == Family::binomial ? kernels.binomial_logit : kernels.poisson_log,
      std::move(response), std::move(weight), constant);
}

}  // namespace rapport::detail
