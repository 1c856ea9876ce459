#include "row_family.hpp"

#include <rapport/math/distributions.hpp>

#include "ordinal_shape.hpp"
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

/// ψ: the effects on the logit of the share of extra zeros. The constant is −Σ w log y!.
class ZeroInflatedPoissonRows final : public RowFamily {
 public:
  ZeroInflatedPoissonRows(Kernel kernel, FamilyRows rows)
      : RowFamily(kernel, std::move(rows.response), std::move(rows.weight), 0),
        columns_(std::move(rows.zeros)),
        logit_(response_.size()) {
    source_.logit_zero = logit_.data();
    for (Index i = 0; i < response_.size(); ++i) {
      if (response_[i] > 1) constant_ -= weight_[i] * log_gamma(response_[i] + 1);
    }
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    logit_.noalias() = columns_ * parameters;
    return logit_.lpNorm<Eigen::Infinity>() < 700;
  }
  [[nodiscard]] Constant constant() const override { return {constant_, {}, {}}; }
  [[nodiscard]] std::vector<Entry> entries() const override {
    std::vector<Entry> result;
    for (Index k = 0; k < columns_.cols(); ++k) result.push_back({1, k, columns_.col(k)});
    return result;
  }

 private:
  Eigen::MatrixXd columns_;
  Eigen::VectorXd logit_;
};

/// ψ as OrdinalShape lays it out, without effects on the scale: θ_c = Σ_j T_cj (α_j + n'γ_j). The
/// constant is Σ over rows of inner categories of w log(1 − e^{−δ}), δ the distance of their
/// thresholds.
class CumulativeRows final : public RowFamily {
 public:
  CumulativeRows(Kernel kernel, FamilyRows rows, const OrdinalShape& shape)
      : RowFamily(kernel, std::move(rows.response), std::move(rows.weight), 0),
        shape_(shape),
        nominal_(std::move(rows.nominal)),
        upper_(response_.size()),
        lower_(response_.size()) {
    source_.upper = upper_.data();
    source_.lower = lower_.data();
    gaps_.resize(static_cast<std::size_t>(shape.n_thresholds() + 1));
    for (Index i = 0; i < response_.size(); ++i) {
      const Index c = category(i);
      if (c == 0 || c == shape.n_thresholds() || weight_[i] == 0) continue;
      std::vector<Gap>& gaps = gaps_[static_cast<std::size_t>(c)];
      if (shape.n_nominal() == 0 && !gaps.empty()) {
        gaps.front().weight += weight_[i];  // alike in all rows
      } else {
        gaps.push_back({.weight = weight_[i], .row = i});
      }
    }
  }
  bool set_parameters(const Eigen::VectorXd& parameters) override {
    if (!parameters.allFinite()) return false;
    thresholds_ = shape_.thresholds(parameters, nominal_);
    for (Index j = 1; j < thresholds_.cols(); ++j) {
      if (!(thresholds_.col(j).array() > thresholds_.col(j - 1).array()).all()) return false;
    }
    constexpr double far = 1e4;  // beyond every threshold: no part of the likelihood
    for (Index i = 0; i < response_.size(); ++i) {
      upper_[i] = category(i) < shape_.n_thresholds() ? threshold(i, category(i)) : far;
      lower_[i] = category(i) > 0 ? threshold(i, category(i) - 1) : -far;
    }
    return true;
  }
  [[nodiscard]] Constant constant() const override {
    const Index n = shape_.n_parameters();
    Constant c{0, Eigen::VectorXd::Zero(n), Eigen::MatrixXd::Zero(n, n)};
    for (Index j = 1; j < shape_.n_thresholds(); ++j) add_gaps(j, c);
    return c;
  }
  [[nodiscard]] std::vector<Entry> entries() const override {
    std::vector<Entry> result;
    const Index t = shape_.n_threshold_parameters();
    for (Index k = 0; k <= shape_.n_nominal(); ++k) {
      for (Index j = 0; j < t; ++j) {
        for (const int kind : {1, 2}) {
          Eigen::VectorXd column = Eigen::VectorXd::Zero(response_.size());
          for (Index i = 0; i < response_.size(); ++i) {
            const Index c = category(i) - (kind - 1);
            if (c >= 0 && c < shape_.n_thresholds()) column[i] = shape_.map()(c, j) * effect(i, k);
          }
          if (!column.isZero(0)) result.push_back({kind, k * t + j, std::move(column)});
        }
      }
    }
    return result;
  }

 private:
  struct Gap {
    double weight;
    Index row;
  };
  [[nodiscard]] Index category(Index row) const { return static_cast<Index>(response_[row]); }
  [[nodiscard]] double threshold(Index row, Index j) const {
    return thresholds_(thresholds_.rows() == 1 ? 0 : row, j);
  }
  /// What multiplies the k-th set of threshold parameters: 1, then the nominal columns.
  [[nodiscard]] double effect(Index row, Index k) const {
    return k == 0 ? 1 : nominal_(row, k - 1);
  }

  void add_gaps(Index j, Constant& c) const {
    const Index t = shape_.n_threshold_parameters();
    const Index sets = shape_.n_nominal() + 1;
    Eigen::VectorXd slopes = Eigen::VectorXd::Zero(sets);
    Eigen::MatrixXd curvatures = Eigen::MatrixXd::Zero(sets, sets);
    for (const Gap& gap : gaps_[static_cast<std::size_t>(j)]) {
      const double distance = threshold(gap.row, j) - threshold(gap.row, j - 1);
      const double odds = 1 / std::expm1(distance);
      const double slope = gap.weight * odds;
      c.value += gap.weight * std::log(-std::expm1(-distance));
      for (Index k = 0; k < sets; ++k) {
        slopes[k] += slope * effect(gap.row, k);
        for (Index l = 0; l < sets; ++l)
          curvatures(k, l) -= slope * (1 + odds) * effect(gap.row, k) * effect(gap.row, l);
      }
    }
    const Eigen::VectorXd step = shape_.map().row(j) - shape_.map().row(j - 1);
    for (Index k = 0; k < sets; ++k) {
      c.gradient.segment(k * t, t) += slopes[k] * step;
      for (Index l = 0; l < sets; ++l)
        c.hessian.block(k * t, l * t, t, t) += curvatures(k, l) * step * step.transpose();
    }
  }

  const OrdinalShape& shape_;
  Eigen::MatrixXd nominal_;
  Eigen::VectorXd upper_;
  Eigen::VectorXd lower_;
  std::vector<std::vector<Gap>> gaps_;  ///< of each inner category
  Eigen::MatrixXd thresholds_;          ///< a row each, or one for all
};

}  // namespace

bool has_row_family(const SortedResponse& model) {
  if (model.needs_likelihood) return false;
  switch (model.family) {
    case Family::binomial:
    case Family::cumulative:
      return model.link == Link::logit;
    case Family::poisson:
    case Family::nbinom2:
      return model.link == Link::log;
    default:
      return false;
  }
}

bool averages_rows(const SortedResponse& model) {
  return model.zeros.cols() == 0 &&
         (model.family == Family::binomial || model.family == Family::poisson);
}

std::unique_ptr<RowFamily> make_row_family(const SortedResponse& model, FamilyRows rows,
                                           double constant) {
  if (!has_row_family(model)) return nullptr;
  const GroupKernels& kernels = group_kernels();
  if (model.family == Family::cumulative) {
    return std::make_unique<CumulativeRows>(kernels.cumulative_logit, std::move(rows),
                                            *model.shape);
  }
  if (model.family == Family::nbinom2) {
    return std::make_unique<NegativeBinomialRows>(kernels.negative_binomial,
                                                  std::move(rows.response), std::move(rows.weight));
  }
  if (model.zeros.cols() > 0)
    return std::make_unique<ZeroInflatedPoissonRows>(kernels.zero_inflated_poisson,
                                                     std::move(rows));
  return std::make_unique<PlainRows>(
      model.family == Family::binomial ? kernels.binomial_logit : kernels.poisson_log,
      std::move(rows.response), std::move(rows.weight), constant);
}

}  // namespace rapport::detail
