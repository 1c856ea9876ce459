#include "residual_dense.hpp"

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Kind = PrecisionTerm::Kind;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

DenseCorrelation::DenseCorrelation(const SortedRows& rows) {
  std::map<std::vector<double>, Index> number;
  for (Index g = 0; g < rows.n_groups(); ++g) {
    const std::vector<double> times(rows.time.data() + rows.group_starts[at(g)],
                                    rows.time.data() + rows.group_starts[at(g + 1)]);
    const auto found = number.emplace(times, static_cast<Index>(patterns_.size()));
    if (found.second) {
      const auto n = static_cast<Index>(times.size());
      patterns_.push_back(
          {.times = Eigen::Map<const VectorXd>(times.data(), n), .first = n_coefficients_});
      n_coefficients_ += n * (n + 1) / 2;
    }
    pattern_of_.push_back(found.first->second);
    patterns_[at(found.first->second)].count += 1;
  }
  coefficients_ = VectorXd::Zero(n_coefficients_);
}

bool DenseCorrelation::set(const VectorXd& parameters) {
  prepare(parameters);
  adjoint_ = VectorXd::Zero(n_coefficients_);
  log_determinant_ = 0;
  for (Pattern& pattern : patterns_) {
    const MatrixXd r = matrix(pattern.times);
    const Eigen::LLT<MatrixXd> llt(r);
    if (llt.info() != Eigen::Success || !r.allFinite()) return false;
    pattern.factor = llt.matrixL();
    pattern.inverse = llt.solve(MatrixXd::Identity(r.rows(), r.cols()));
    log_determinant_ += pattern.count * 2 * pattern.factor.diagonal().array().log().sum();
    Index place = pattern.first;
    for (Index j = 0; j < r.cols(); ++j) {
      for (Index i = j; i < r.rows(); ++i) coefficients_[place++] = pattern.inverse(i, j);
    }
  }
  return std::isfinite(log_determinant_);
}

void DenseCorrelation::precision(Index group, std::vector<PrecisionTerm>& terms) const {
  const Pattern& pattern = patterns_[at(pattern_of_[at(group)])];
  Index place = pattern.first;
  for (Index j = 0; j < pattern.times.size(); ++j) {
    for (Index i = j; i < pattern.times.size(); ++i) {
      terms.push_back(
          {.kind = i == j ? Kind::square : Kind::cross, .coefficient = place++, .i = i, .j = j});
    }
  }
}

void DenseCorrelation::whiten(Index group, Eigen::Ref<MatrixXd> rows) const {
  patterns_[at(pattern_of_[at(group)])].factor.triangularView<Eigen::Lower>().solveInPlace(rows);
}

void DenseCorrelation::add_adjoint(Index group, const Eigen::Ref<const MatrixXd>& rows,
                                   const MatrixXd& g, Eigen::Ref<VectorXd> diagonal) {
  const Pattern& pattern = patterns_[at(pattern_of_[at(group)])];
  const MatrixXd moment = rows * g * rows.transpose();
  Index place = pattern.first;
  for (Index j = 0; j < moment.cols(); ++j) {
    for (Index i = j; i < moment.rows(); ++i) adjoint_[place++] += (i == j ? 1 : 2) * moment(i, j);
  }
  diagonal = pattern.inverse.cwiseProduct(moment).rowwise().sum();
}

VectorXd DenseCorrelation::gradient() const {
  VectorXd gradient = VectorXd::Zero(n_parameters());
  for (const Pattern& pattern : patterns_) {
    const Index n = pattern.times.size();
    MatrixXd moment(n, n);
    Index place = pattern.first;
    for (Index j = 0; j < n; ++j) {
      for (Index i = j; i < n; ++i) {
        moment(i, j) = adjoint_[place++] / (i == j ? 1 : 2);
        moment(j, i) = moment(i, j);
      }
    }
    chain(pattern.times,
          pattern.count * pattern.inverse - pattern.inverse * moment * pattern.inverse, gradient);
  }
  return gradient;
}

namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double logit(double p) { return std::log(p / (1 - p)); }

/// ρ between −1/(n − 1) and 1, n the largest group.
class CompoundSymmetry final : public DenseCorrelation {
 public:
  explicit CompoundSymmetry(const SortedRows& rows) : DenseCorrelation(rows) {
    Index largest = 2;
    for (Index g = 0; g < rows.n_groups(); ++g)
      largest = std::max(largest, rows.group_starts[at(g + 1)] - rows.group_starts[at(g)]);
    lowest_ = -1 / static_cast<double>(largest - 1);
  }
  [[nodiscard]] VectorXd start() const override {
    return VectorXd::Constant(1, std::log((0.3 - lowest_) / 0.7));
  }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    MatrixXd r = MatrixXd::Constant(times.size(), times.size(), rho_);
    r.diagonal().setOnes();
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override { return {"rho"}; }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    return VectorXd::Constant(1, lowest_ + (1 - lowest_) * logistic(parameters[0]));
  }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    return VectorXd::Constant(1, logit((natural[0] - lowest_) / (1 - lowest_)));
  }
  void describe(ResidualFit& fit) const override { fit.correlation_parameters = {{"rho", rho_}}; }

 protected:
  [[nodiscard]] Index n_parameters() const override { return 1; }
  void prepare(const VectorXd& parameters) override {
    const double share = logistic(parameters[0]);
    rho_ = lowest_ + (1 - lowest_) * share;
    slope_ = (1 - lowest_) * share * (1 - share);
  }
  void chain(const VectorXd& /*times*/, const MatrixXd& adjoint,
             VectorXd& gradient) const override {
    gradient[0] += slope_ * (adjoint.sum() - adjoint.trace());
  }

 private:
  double lowest_ = -1;
  double rho_ = 0;
  double slope_ = 0;
};

/// (1 − ν) e^{−rate |t − s|} off the diagonal; κ = (log rate in units of the median gap, logit ν).
class ContinuousWithNugget final : public DenseCorrelation {
 public:
  explicit ContinuousWithNugget(const SortedRows& rows)
      : DenseCorrelation(rows), unit_(median_gap(rows)) {}
  [[nodiscard]] VectorXd start() const override { return VectorXd{{-0.7, -1.0}}; }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i)
        r(i, j) = i == j ? 1 : (1 - nugget_) * std::exp(-rate_ * std::abs(times[i] - times[j]));
    }
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override { return {"rho", "nugget"}; }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    return VectorXd{{std::exp(-std::exp(parameters[0]) / unit_), logistic(parameters[1])}};
  }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    return VectorXd{{std::log(-std::log(natural[0]) * unit_), logit(natural[1])}};
  }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"rho", std::exp(-rate_)}, {"nugget", nugget_}};
  }

 protected:
  [[nodiscard]] Index n_parameters() const override { return 2; }
  void prepare(const VectorXd& parameters) override {
    rate_ = std::exp(parameters[0]) / unit_;
    nugget_ = logistic(parameters[1]);
  }
  void chain(const VectorXd& times, const MatrixXd& adjoint, VectorXd& gradient) const override {
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = j + 1; i < times.size(); ++i) {
        const double lag = rate_ * (times[i] - times[j]);
        const double r = (1 - nugget_) * std::exp(-lag);
        gradient[0] -= 2 * adjoint(i, j) * lag * r;
        gradient[1] -= 2 * adjoint(i, j) * nugget_ * r;
      }
    }
  }

 private:
  double unit_ = 1;
  double rate_ = 1;
  double nugget_ = 0;
};

/// Correlation by distance: ρ₁ = (1 + φθ)(φ + θ) / (1 + 2φθ + θ²), ρ_h = φ ρ_{h−1}; κ = atanh of φ
/// and θ.
class Arma11 final : public DenseCorrelation {
 public:
  using DenseCorrelation::DenseCorrelation;
  [[nodiscard]] VectorXd start() const override { return VectorXd{{0.4, 0.05}}; }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) {
        const double distance = std::abs(times[i] - times[j]);
        r(i, j) = i == j ? 1 : first_ * std::pow(phi_, distance - 1);
      }
    }
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override { return {"phi", "theta"}; }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    return parameters.array().tanh();
  }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    return VectorXd{{std::atanh(natural[0]), std::atanh(natural[1])}};
  }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"phi", phi_}, {"theta", theta_}};
  }

 protected:
  [[nodiscard]] Index n_parameters() const override { return 2; }
  void prepare(const VectorXd& parameters) override {
    phi_ = std::tanh(parameters[0]);
    theta_ = std::tanh(parameters[1]);
    const double above = (1 + phi_ * theta_) * (phi_ + theta_);
    const double below = 1 + 2 * phi_ * theta_ + theta_ * theta_;
    first_ = above / below;
    const double by_phi = theta_ * (phi_ + theta_) + 1 + phi_ * theta_;
    const double by_theta = phi_ * (phi_ + theta_) + 1 + phi_ * theta_;
    first_by_phi_ = (by_phi - first_ * 2 * theta_) / below;
    first_by_theta_ = (by_theta - first_ * 2 * (phi_ + theta_)) / below;
  }
  void chain(const VectorXd& times, const MatrixXd& adjoint, VectorXd& gradient) const override {
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = j + 1; i < times.size(); ++i) {
        const double further = times[i] - times[j] - 1;
        const double power = std::pow(phi_, further);
        const double slope = further == 0 ? 0 : first_ * further * std::pow(phi_, further - 1);
        gradient[0] += 2 * adjoint(i, j) * (1 - phi_ * phi_) * (first_by_phi_ * power + slope);
        gradient[1] += 2 * adjoint(i, j) * (1 - theta_ * theta_) * first_by_theta_ * power;
      }
    }
  }

 private:
  double phi_ = 0;
  double theta_ = 0;
  double first_ = 0;
  double first_by_phi_ = 0;
  double first_by_theta_ = 0;
};

}  // namespace

std::unique_ptr<CorrelationModel> make_dense_correlation(ResidualCorrelation correlation,
                                                         const SortedRows& rows) {
  switch (correlation) {
    case ResidualCorrelation::car1_nugget:
      return std::make_unique<ContinuousWithNugget>(rows);
    case ResidualCorrelation::arma11:
      return std::make_unique<Arma11>(rows);
    case ResidualCorrelation::toeplitz:
      return make_toeplitz(rows);
    case ResidualCorrelation::compound_symmetry:
      return std::make_unique<CompoundSymmetry>(rows);
    case ResidualCorrelation::unstructured:
      return make_unstructured(rows);
    case ResidualCorrelation::independent:
    case ResidualCorrelation::ar1:
    case ResidualCorrelation::car1:
      break;
  }
  return nullptr;
}

}  // namespace rapport::detail
