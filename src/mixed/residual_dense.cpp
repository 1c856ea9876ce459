#include <rapport/data/factor.hpp>

#include <Eigen/Cholesky>

#include "residual_correlation.hpp"
#include <algorithm>
#include <cmath>
#include <map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Kind = PrecisionTerm::Kind;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Structures given by a function R(times; κ): matrices are made once for each distinct pattern of
/// times.
class Dense : public CorrelationModel {
 public:
  explicit Dense(const SortedRows& rows) {
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
  bool set(const VectorXd& parameters) final {
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
  void precision(Index group, std::vector<PrecisionTerm>& terms) const final {
    const Pattern& pattern = patterns_[at(pattern_of_[at(group)])];
    Index place = pattern.first;
    for (Index j = 0; j < pattern.times.size(); ++j) {
      for (Index i = j; i < pattern.times.size(); ++i) {
        terms.push_back(
            {.kind = i == j ? Kind::square : Kind::cross, .coefficient = place++, .i = i, .j = j});
      }
    }
  }
  [[nodiscard]] Index precision_terms(Index n) const final { return n * (n + 1) / 2; }
  void whiten(Index group, Eigen::Ref<MatrixXd> rows) const final {
    patterns_[at(pattern_of_[at(group)])].factor.triangularView<Eigen::Lower>().solveInPlace(rows);
  }
  void add_adjoint(Index group, const Eigen::Ref<const MatrixXd>& rows, const MatrixXd& g,
                   Eigen::Ref<VectorXd> diagonal) final {
    const Pattern& pattern = patterns_[at(pattern_of_[at(group)])];
    const MatrixXd moment = rows * g * rows.transpose();
    Index place = pattern.first;
    for (Index j = 0; j < moment.cols(); ++j) {
      for (Index i = j; i < moment.rows(); ++i)
        adjoint_[place++] += (i == j ? 1 : 2) * moment(i, j);
    }
    diagonal = pattern.inverse.cwiseProduct(moment).rowwise().sum();
  }
  /// ⟨∂R, N R⁻¹ − R⁻¹MR⁻¹⟩ summed over patterns of N groups.
  [[nodiscard]] VectorXd gradient() const final {
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

 protected:
  [[nodiscard]] virtual Index n_parameters() const = 0;
  virtual void prepare(const VectorXd& parameters) = 0;
  /// gradient_k += ⟨∂R/∂κ_k, adjoint⟩ for a pattern of times.
  virtual void chain(const VectorXd& times, const MatrixXd& adjoint, VectorXd& gradient) const = 0;

 private:
  struct Pattern {
    VectorXd times = {};
    Index first = 0;  ///< coefficient
    double count = 0;
    MatrixXd factor = {};
    MatrixXd inverse = {};
  };
  std::vector<Pattern> patterns_;
  std::vector<Index> pattern_of_;
  Index n_coefficients_ = 0;
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double logit(double p) { return std::log(p / (1 - p)); }

/// ρ between −1/(n − 1) and 1, n the largest group.
class CompoundSymmetry final : public Dense {
 public:
  explicit CompoundSymmetry(const SortedRows& rows) : Dense(rows) {
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
class ContinuousWithNugget final : public Dense {
 public:
  explicit ContinuousWithNugget(const SortedRows& rows) : Dense(rows), unit_(median_gap(rows)) {}
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
class Arma11 final : public Dense {
 public:
  using Dense::Dense;
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

std::vector<double> distinct_times(const VectorXd& time) {
  std::vector<double> times(time.begin(), time.end());
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

/// A correlation for each distance; κ = atanh of the partial autocorrelations (Durbin & Levinson),
/// so that every κ gives a positive definite matrix.
class Toeplitz final : public Dense {
 public:
  explicit Toeplitz(const SortedRows& rows) : Dense(rows), times_(distinct_times(rows.time)) {}
  [[nodiscard]] VectorXd start() const override {
    VectorXd kappa = VectorXd::Zero(n_parameters());
    kappa[0] = 0.3;
    return kappa;
  }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) r(i, j) = rho_[distance(times[i], times[j])];
    }
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (Index h = 1; h <= n_parameters(); ++h) names.push_back("rho(" + std::to_string(h) + ")");
    return names;
  }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    return autocorrelations(parameters).tail(parameters.size());
  }
  /// Partial autocorrelations by Durbin and Levinson's recursion.
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    VectorXd kappa(natural.size());
    VectorXd coefficients(natural.size());
    double variance = 1;
    for (Index k = 0; k < natural.size(); ++k) {
      double predicted = 0;
      for (Index j = 0; j < k; ++j) predicted += coefficients[j] * natural[k - 1 - j];
      const double partial = (natural[k] - predicted) / variance;
      kappa[k] = std::atanh(partial);
      const VectorXd before = coefficients.head(k);
      for (Index j = 0; j < k; ++j) coefficients[j] = before[j] - partial * before[k - 1 - j];
      coefficients[k] = partial;
      variance *= 1 - partial * partial;
    }
    return kappa;
  }
  void describe(ResidualFit& fit) const override {
    const Index n = n_parameters() + 1;
    fit.times.clear();
    for (Index i = 0; i < n; ++i) fit.times.push_back(times_.front() + static_cast<double>(i));
    fit.correlation_matrix = matrix(VectorXd::LinSpaced(n, 0, static_cast<double>(n - 1)));
  }

 protected:
  [[nodiscard]] Index n_parameters() const override {
    return static_cast<Index>(times_.back() - times_.front());
  }
  void prepare(const VectorXd& parameters) override {
    rho_ = autocorrelations(parameters);
    slopes_.resize(rho_.size(), parameters.size());
    const double step = 2e-3;
    for (Index k = 0; k < parameters.size(); ++k) {
      const auto shifted = [&](double by) {
        VectorXd moved = parameters;
        moved[k] += by;
        return autocorrelations(moved);
      };
      slopes_.col(k) =
          (8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) /
          (12 * step);
    }
  }
  void chain(const VectorXd& times, const MatrixXd& adjoint, VectorXd& gradient) const override {
    VectorXd by_distance = VectorXd::Zero(rho_.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i)
        by_distance[distance(times[i], times[j])] += adjoint(i, j);
    }
    gradient += slopes_.transpose() * by_distance;
  }

 private:
  static Index distance(double a, double b) {
    return static_cast<Index>(std::lround(std::abs(a - b)));
  }
  static VectorXd autocorrelations(const VectorXd& kappa) {
    VectorXd rho(kappa.size() + 1);
    rho[0] = 1;
    VectorXd coefficients(kappa.size());
    double variance = 1;
    for (Index k = 0; k < kappa.size(); ++k) {
      const double partial = std::tanh(kappa[k]);
      double predicted = 0;
      for (Index j = 0; j < k; ++j) predicted += coefficients[j] * rho[k - j];
      rho[k + 1] = predicted + partial * variance;
      const VectorXd before = coefficients.head(k);
      for (Index j = 0; j < k; ++j) coefficients[j] = before[j] - partial * before[k - 1 - j];
      coefficients[k] = partial;
      variance *= 1 - partial * partial;
    }
    return rho;
  }
  std::vector<double> times_;
  VectorXd rho_;
  MatrixXd slopes_;
};

/// Relative covariances of any pattern from Λ Λ', Λ lower triangular with Λ₁₁ = 1 and log
/// diagonals.
class Unstructured final : public Dense {
 public:
  explicit Unstructured(const SortedRows& rows) : Dense(rows), times_(distinct_times(rows.time)) {}
  [[nodiscard]] VectorXd start() const override { return VectorXd::Zero(n_parameters()); }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    const std::vector<Index> places = this->places(times);
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) r(i, j) = full_(places[at(i)], places[at(j)]);
    }
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (std::size_t i = 1; i < times_.size(); ++i) {
      const std::string here = shortest_decimal(times_[i]);
      for (std::size_t j = 0; j < i; ++j)
        names.push_back("cor(" + shortest_decimal(times_[j]) + "," + here + ")");
      names.push_back("sd(" + here + ")/sd(" + shortest_decimal(times_.front()) + ")");
    }
    return names;
  }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    const MatrixXd factor = factor_of(parameters);
    const MatrixXd covariance = factor * factor.transpose();
    VectorXd natural(parameters.size());
    Index k = 0;
    for (Index i = 1; i < factor.rows(); ++i) {
      const double sd = std::sqrt(covariance(i, i));
      for (Index j = 0; j < i; ++j)
        natural[k++] = covariance(i, j) / (sd * std::sqrt(covariance(j, j)));
      natural[k++] = sd;
    }
    return natural;
  }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    const auto t = static_cast<Index>(times_.size());
    MatrixXd correlation = MatrixXd::Identity(t, t);
    VectorXd sd = VectorXd::Ones(t);
    Index k = 0;
    for (Index i = 1; i < t; ++i) {
      for (Index j = 0; j < i; ++j) correlation(i, j) = natural[k++];
      sd[i] = natural[k++];
    }
    const Eigen::LLT<MatrixXd> llt(correlation);
    const MatrixXd factor = sd.asDiagonal() * MatrixXd(llt.matrixL());
    if (llt.info() != Eigen::Success) return VectorXd::Constant(natural.size(), std::nan(""));
    VectorXd kappa(natural.size());
    k = 0;
    for (Index i = 1; i < t; ++i) {
      for (Index j = 0; j < i; ++j) kappa[k++] = factor(i, j);
      kappa[k++] = std::log(factor(i, i));
    }
    return kappa;
  }
  void describe(ResidualFit& fit) const override {
    const VectorXd sd = full_.diagonal().cwiseSqrt();
    fit.times = times_;
    fit.correlation_matrix =
        sd.cwiseInverse().asDiagonal() * full_ * sd.cwiseInverse().asDiagonal();
    fit.correlation_matrix.diagonal().setOnes();
    for (std::size_t t = 1; t < times_.size(); ++t)
      fit.variance_parameters.emplace_back(shortest_decimal(times_[t]), sd[static_cast<Index>(t)]);
  }

 protected:
  [[nodiscard]] Index n_parameters() const override {
    const auto t = static_cast<Index>(times_.size());
    return t * (t + 1) / 2 - 1;
  }
  void prepare(const VectorXd& parameters) override {
    factor_ = factor_of(parameters);
    full_ = factor_ * factor_.transpose();
  }
  void chain(const VectorXd& times, const MatrixXd& adjoint, VectorXd& gradient) const override {
    const std::vector<Index> places = this->places(times);
    MatrixXd slope = MatrixXd::Zero(factor_.rows(), factor_.cols());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) slope(places[at(i)], places[at(j)]) = adjoint(i, j);
    }
    slope = (2 * slope * factor_).eval();
    Index k = 0;
    for (Index i = 1; i < factor_.rows(); ++i) {
      for (Index j = 0; j < i; ++j) gradient[k++] += slope(i, j);
      gradient[k++] += slope(i, i) * factor_(i, i);
    }
  }

 private:
  [[nodiscard]] MatrixXd factor_of(const VectorXd& parameters) const {
    const auto t = static_cast<Index>(times_.size());
    MatrixXd factor = MatrixXd::Zero(t, t);
    factor(0, 0) = 1;
    Index k = 0;
    for (Index i = 1; i < t; ++i) {
      for (Index j = 0; j < i; ++j) factor(i, j) = parameters[k++];
      factor(i, i) = std::exp(parameters[k++]);
    }
    return factor;
  }
  [[nodiscard]] std::vector<Index> places(const VectorXd& times) const {
    std::vector<Index> places;
    for (const double t : times)
      places.push_back(std::lower_bound(times_.begin(), times_.end(), t) - times_.begin());
    return places;
  }
  std::vector<double> times_;
  MatrixXd factor_;
  MatrixXd full_;
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
      return std::make_unique<Toeplitz>(rows);
    case ResidualCorrelation::compound_symmetry:
      return std::make_unique<CompoundSymmetry>(rows);
    case ResidualCorrelation::unstructured:
      return std::make_unique<Unstructured>(rows);
    case ResidualCorrelation::independent:
    case ResidualCorrelation::ar1:
    case ResidualCorrelation::car1:
      break;
  }
  return nullptr;
}

}  // namespace rapport::detail
