#include <rapport/data/factor.hpp>

#include <Eigen/Cholesky>

#include "residual_dense.hpp"
#include <algorithm>
#include <cmath>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::vector<double> distinct_times(const VectorXd& time) {
  std::vector<double> times(time.begin(), time.end());
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

/// A correlation for each distance; κ = atanh of the partial autocorrelations (Durbin & Levinson),
/// so that every κ gives a positive definite matrix.
class Toeplitz final : public DenseCorrelation {
 public:
  explicit Toeplitz(const SortedRows& rows)
      : DenseCorrelation(rows), times_(distinct_times(rows.time)) {}
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
class Unstructured final : public DenseCorrelation {
 public:
  explicit Unstructured(const SortedRows& rows)
      : DenseCorrelation(rows), times_(distinct_times(rows.time)) {}
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

std::unique_ptr<CorrelationModel> make_toeplitz(const SortedRows& rows) {
  return std::make_unique<Toeplitz>(rows);
}

std::unique_ptr<CorrelationModel> make_unstructured(const SortedRows& rows) {
  return std::make_unique<Unstructured>(rows);
}

}  // namespace rapport::detail
