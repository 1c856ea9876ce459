#include "residual_correlation.hpp"

#include <rapport/data/factor.hpp>
#include <rapport/math/moments.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace rapport {
namespace {

struct NamedCorrelation {
  std::string_view name;
  ResidualCorrelation correlation;
};
constexpr std::array<NamedCorrelation, 8> correlations{
    {{"independent", ResidualCorrelation::independent},
     {"ar1", ResidualCorrelation::ar1},
     {"car1", ResidualCorrelation::car1},
     {"car1-nugget", ResidualCorrelation::car1_nugget},
     {"arma", ResidualCorrelation::arma11},
     {"toeplitz", ResidualCorrelation::toeplitz},
     {"cs", ResidualCorrelation::compound_symmetry},
     {"unstructured", ResidualCorrelation::unstructured}}};

}  // namespace

std::optional<ResidualCorrelation> parse_residual_correlation(std::string_view text) {
  for (const NamedCorrelation& entry : correlations) {
    if (entry.name == text) return entry.correlation;
  }
  return std::nullopt;
}

std::string_view to_string(ResidualCorrelation correlation) {
  return std::find_if(
             correlations.begin(), correlations.end(),
             [&](const NamedCorrelation& entry) { return entry.correlation == correlation; })
      ->name;
}

std::optional<VarianceFunction> parse_variance_function(std::string_view text) {
  if (text == "constant") return VarianceFunction::constant;
  if (text == "ident") return VarianceFunction::by_level;
  if (text == "power") return VarianceFunction::power;
  if (text == "exp") return VarianceFunction::exponential;
  return std::nullopt;
}

}  // namespace rapport

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

class Independent final : public CorrelationModel {
 public:
  [[nodiscard]] VectorXd start() const override { return {}; }
  bool set(const VectorXd& /*parameters*/) override { return true; }
  [[nodiscard]] double log_determinant() const override { return 0; }
  void whiten(Index /*group*/, Eigen::Ref<MatrixXd> /*rows*/) const override {}
  void adjoint(Index /*group*/, const Eigen::Ref<const MatrixXd>& q, VectorXd& /*gradient*/,
               Eigen::Ref<VectorXd> diagonal) override {
    diagonal = q.rowwise().squaredNorm();
  }
  void describe(ResidualFit& /*fit*/) const override {}
};

/// ρ^gap by whole gaps (κ = atanh ρ) or any gaps (κ = log of the rate, ρ = e^{−rate}): the
/// precision is tridiagonal, and row j less ρ_j times the row before it, over √(1 − ρ_j²), is
/// white.
class Autoregressive final : public CorrelationModel {
 public:
  Autoregressive(bool continuous, const VectorXd& time, const std::vector<Index>& starts)
      : continuous_(continuous),
        starts_(starts),
        gap_(VectorXd::Zero(time.size())),
        rho_(time.size()),
        slope_(time.size()),
        weight_(time.size()) {
    std::vector<double> gaps;
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      for (Index j = starts[g] + 1; j < starts[g + 1]; ++j) {
        gap_[j] = time[j] - time[j - 1];
        gaps.push_back(gap_[j]);
      }
    }
    unit_ = continuous
                ? median(Eigen::Map<const VectorXd>(gaps.data(), static_cast<Index>(gaps.size())))
                : 1;
  }
  [[nodiscard]] VectorXd start() const override {
    return VectorXd::Constant(1, continuous_ ? 0.2 : 0.3);
  }
  bool set(const VectorXd& parameters) override {
    const double kappa = parameters[0];
    if (!(std::abs(kappa) < (continuous_ ? 30 : 17))) return false;
    log_determinant_ = 0;
    const double root = continuous_ ? std::exp(kappa) / unit_ : std::tanh(kappa);
    double last_gap = 0;
    double last_rho = 0;
    double last_slope = 0;
    double last_log = 0;
    double last_weight = 0;
    for (std::size_t g = 0; g + 1 < starts_.size(); ++g) {
      for (Index j = starts_[g] + 1; j < starts_[g + 1]; ++j) {
        if (gap_[j] != last_gap) {
          last_gap = gap_[j];
          if (continuous_) {
            last_rho = std::exp(-root * last_gap);
            last_slope = -root * last_gap * last_rho;
            last_log = std::log(-std::expm1(-2 * root * last_gap));
          } else {
            last_rho = std::pow(root, last_gap);
            last_slope = last_gap * std::pow(root, last_gap - 1) * (1 - root) * (1 + root);
            last_log = std::log1p(-last_rho * last_rho);
          }
          last_weight = std::exp(-0.5 * last_log);
        }
        rho_[j] = last_rho;
        weight_[j] = last_weight;
        slope_[j] = last_slope;
        log_determinant_ += last_log;
      }
    }
    parameter_ = continuous_ ? std::exp(-root) : root;
    return std::isfinite(log_determinant_);
  }
  [[nodiscard]] double log_determinant() const override { return log_determinant_; }
  void whiten(Index group, Eigen::Ref<MatrixXd> rows) const override {
    const Index start = starts_[at(group)];
    for (Index c = 0; c < rows.cols(); ++c) {
      double* column = rows.col(c).data();
      for (Index j = rows.rows() - 1; j > 0; --j) {
        column[j] = (column[j] - rho_[start + j] * column[j - 1]) * weight_[start + j];
      }
    }
  }
  void adjoint(Index group, const Eigen::Ref<const MatrixXd>& q, VectorXd& gradient,
               Eigen::Ref<VectorXd> diagonal) override {
    const Index start = starts_[at(group)];
    diagonal = q.rowwise().squaredNorm();
    double before = diagonal.size() > 0 ? diagonal[0] : 0;
    for (Index j = 1; j < q.rows(); ++j) {
      const double rho = rho_[start + j];
      const double v = variance(start + j);
      const double here = q.row(j).squaredNorm();
      const double cross = q.row(j).dot(q.row(j - 1));
      const double innovation = here - 2 * rho * cross + rho * rho * before;
      gradient[0] += slope_[start + j] * ((2 * rho * before - 2 * cross) / v +
                                          2 * rho * innovation / (v * v) - 2 * rho / v);
      // diag(R⁻¹M): what pair (j − 1, j) adds to each of its rows.
      diagonal[j] = (here - rho * cross) / v;
      diagonal[j - 1] += (rho * rho * before - rho * cross) / v;
      before = here;
    }
  }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"rho", parameter_}};
  }

 private:
  [[nodiscard]] double variance(Index j) const { return (1 - rho_[j]) * (1 + rho_[j]); }

  bool continuous_;
  const std::vector<Index>& starts_;
  VectorXd gap_;
  VectorXd rho_;
  VectorXd slope_;   ///< ∂ρ_j/∂κ
  VectorXd weight_;  ///< 1 / √(1 − ρ_j²)
  double unit_ = 1;
  double parameter_ = 0;
  double log_determinant_ = 0;
};

/// Structures given by a function R(times; κ): matrices are made once for each distinct pattern of
/// times.
class Dense : public CorrelationModel {
 public:
  Dense(const VectorXd& time, const std::vector<Index>& starts) {
    std::map<std::vector<double>, Index> number;
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      const std::vector<double> times(time.data() + starts[g], time.data() + starts[g + 1]);
      const auto found = number.emplace(times, static_cast<Index>(patterns_.size()));
      if (found.second)
        patterns_.push_back(
            {.times = Eigen::Map<const VectorXd>(times.data(), static_cast<Index>(times.size()))});
      pattern_of_.push_back(found.first->second);
      patterns_[at(found.first->second)].count += 1;
    }
  }
  bool set(const VectorXd& parameters) override {
    parameters_ = parameters;
    log_determinant_ = 0;
    for (Pattern& pattern : patterns_) {
      const MatrixXd r = matrix(pattern.times, parameters);
      const Eigen::LLT<MatrixXd> llt(r);
      if (llt.info() != Eigen::Success || !r.allFinite()) return false;
      pattern.factor = llt.matrixL();
      pattern.inverse = llt.solve(MatrixXd::Identity(r.rows(), r.cols()));
      pattern.moment = MatrixXd::Zero(r.rows(), r.cols());
      const double log_determinant = 2 * pattern.factor.diagonal().array().log().sum();
      log_determinant_ += pattern.count * log_determinant;
    }
    return std::isfinite(log_determinant_);
  }
  [[nodiscard]] double log_determinant() const override { return log_determinant_; }
  void whiten(Index group, Eigen::Ref<MatrixXd> rows) const override {
    patterns_[at(pattern_of_[at(group)])].factor.triangularView<Eigen::Lower>().solveInPlace(rows);
  }
  void adjoint(Index group, const Eigen::Ref<const MatrixXd>& q, VectorXd& /*gradient*/,
               Eigen::Ref<VectorXd> diagonal) override {
    Pattern& pattern = patterns_[at(pattern_of_[at(group)])];
    pattern.moment.noalias() += q * q.transpose();
    diagonal = ((pattern.inverse * q).array() * q.array()).rowwise().sum();
  }
  /// ∂/∂κ_k: tr(∂R (N R⁻¹ − R⁻¹MR⁻¹)), ∂R by central differences of fourth order.
  void finish(VectorXd& gradient) override {
    for (Pattern& pattern : patterns_) {
      const MatrixXd adjoint =
          pattern.count * pattern.inverse - pattern.inverse * pattern.moment * pattern.inverse;
      for (Index k = 0; k < gradient.size(); ++k) {
        const double step = 2e-3;
        const auto shifted = [&](double by) {
          VectorXd parameters = parameters_;
          parameters[k] += by;
          return matrix(pattern.times, parameters);
        };
        const MatrixXd slope =
            (8 * (shifted(step) - shifted(-step)) - (shifted(2 * step) - shifted(-2 * step))) /
            (12 * step);
        gradient[k] += slope.cwiseProduct(adjoint).sum();
      }
      pattern.moment.setZero();
    }
  }

 protected:
  [[nodiscard]] virtual MatrixXd matrix(const VectorXd& times,
                                        const VectorXd& parameters) const = 0;
  [[nodiscard]] const VectorXd& parameters() const { return parameters_; }

 private:
  struct Pattern {
    VectorXd times = {};
    double count = 0;
    MatrixXd factor = {};
    MatrixXd inverse = {};
    MatrixXd moment = {};
  };
  std::vector<Pattern> patterns_;
  std::vector<Index> pattern_of_;
  VectorXd parameters_;
  double log_determinant_ = 0;
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// ρ between −1/(n − 1) and 1, n the largest group.
class CompoundSymmetry final : public Dense {
 public:
  CompoundSymmetry(const VectorXd& time, const std::vector<Index>& starts) : Dense(time, starts) {
    Index largest = 2;
    for (std::size_t g = 0; g + 1 < starts.size(); ++g)
      largest = std::max(largest, starts[g + 1] - starts[g]);
    lowest_ = -1 / static_cast<double>(largest - 1);
  }
  [[nodiscard]] VectorXd start() const override { return VectorXd::Constant(1, 0); }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"rho", rho(parameters())}};
  }

 protected:
  [[nodiscard]] MatrixXd matrix(const VectorXd& times, const VectorXd& parameters) const override {
    MatrixXd r = MatrixXd::Constant(times.size(), times.size(), rho(parameters));
    r.diagonal().setOnes();
    return r;
  }

 private:
  [[nodiscard]] double rho(const VectorXd& parameters) const {
    return lowest_ + (1 - lowest_) * logistic(parameters[0]);
  }
  double lowest_ = -1;
};

/// (1 − ν) e^{−rate |t − s|} off the diagonal; κ = (log rate in units of the median gap, logit ν).
class ContinuousWithNugget final : public Dense {
 public:
  ContinuousWithNugget(const VectorXd& time, const std::vector<Index>& starts)
      : Dense(time, starts) {
    std::vector<double> gaps;
    for (std::size_t g = 0; g + 1 < starts.size(); ++g) {
      for (Index j = starts[g] + 1; j < starts[g + 1]; ++j) gaps.push_back(time[j] - time[j - 1]);
    }
    unit_ = median(Eigen::Map<const VectorXd>(gaps.data(), static_cast<Index>(gaps.size())));
  }
  [[nodiscard]] VectorXd start() const override { return VectorXd{{-0.7, -1.0}}; }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"rho", std::exp(-std::exp(parameters()[0]) / unit_)},
                                  {"nugget", logistic(parameters()[1])}};
  }

 protected:
  [[nodiscard]] MatrixXd matrix(const VectorXd& times, const VectorXd& parameters) const override {
    const double rate = std::exp(parameters[0]) / unit_;
    const double signal = 1 - logistic(parameters[1]);
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i)
        r(i, j) = i == j ? 1 : signal * std::exp(-rate * std::abs(times[i] - times[j]));
    }
    return r;
  }

 private:
  double unit_ = 1;
};

/// Correlation by distance: ρ₁ = (1 + φθ)(φ + θ) / (1 + 2φθ + θ²), ρ_h = φ ρ_{h−1}; κ = atanh of φ
/// and θ.
class Arma11 final : public Dense {
 public:
  using Dense::Dense;
  [[nodiscard]] VectorXd start() const override { return VectorXd{{0.4, 0.05}}; }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"phi", std::tanh(parameters()[0])},
                                  {"theta", std::tanh(parameters()[1])}};
  }

 protected:
  [[nodiscard]] MatrixXd matrix(const VectorXd& times, const VectorXd& parameters) const override {
    const double phi = std::tanh(parameters[0]);
    const double theta = std::tanh(parameters[1]);
    const double first = (1 + phi * theta) * (phi + theta) / (1 + 2 * phi * theta + theta * theta);
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) {
        const double distance = std::abs(times[i] - times[j]);
        r(i, j) = i == j ? 1 : first * std::pow(phi, distance - 1);
      }
    }
    return r;
  }
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
  Toeplitz(const VectorXd& time, const std::vector<Index>& starts)
      : Dense(time, starts), times_(distinct_times(time)) {}
  [[nodiscard]] VectorXd start() const override {
    VectorXd kappa = VectorXd::Zero(static_cast<Index>(times_.back() - times_.front()));
    kappa[0] = 0.3;
    return kappa;
  }
  void describe(ResidualFit& fit) const override {
    const Index n = static_cast<Index>(times_.back() - times_.front()) + 1;
    fit.times.clear();
    for (Index i = 0; i < n; ++i) fit.times.push_back(times_.front() + static_cast<double>(i));
    fit.correlation_matrix =
        matrix(VectorXd::LinSpaced(n, 0, static_cast<double>(n - 1)), parameters());
  }

 protected:
  [[nodiscard]] MatrixXd matrix(const VectorXd& times, const VectorXd& parameters) const override {
    const VectorXd rho = autocorrelations(parameters);
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i)
        r(i, j) = rho[static_cast<Index>(std::lround(std::abs(times[i] - times[j])))];
    }
    return r;
  }

 private:
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
};

/// Relative covariances of any pattern from Λ Λ', Λ lower triangular with Λ₁₁ = 1 and log
/// diagonals.
class Unstructured final : public Dense {
 public:
  Unstructured(const VectorXd& time, const std::vector<Index>& starts)
      : Dense(time, starts), times_(distinct_times(time)) {}
  [[nodiscard]] VectorXd start() const override {
    const auto t = static_cast<Index>(times_.size());
    VectorXd kappa = VectorXd::Zero(t * (t + 1) / 2 - 1);
    return kappa;
  }
  void describe(ResidualFit& fit) const override {
    const MatrixXd covariance = full(parameters());
    const VectorXd sd = covariance.diagonal().cwiseSqrt();
    fit.times = times_;
    fit.correlation_matrix =
        sd.cwiseInverse().asDiagonal() * covariance * sd.cwiseInverse().asDiagonal();
    fit.correlation_matrix.diagonal().setOnes();
    for (std::size_t t = 1; t < times_.size(); ++t) {
      fit.variance_parameters.emplace_back(shortest_decimal(times_[t]), sd[static_cast<Index>(t)]);
    }
  }

 protected:
  [[nodiscard]] MatrixXd matrix(const VectorXd& times, const VectorXd& parameters) const override {
    const MatrixXd all = full(parameters);
    std::vector<Index> places;
    for (const double t : times)
      places.push_back(std::lower_bound(times_.begin(), times_.end(), t) - times_.begin());
    return all(places, places);
  }

 private:
  [[nodiscard]] MatrixXd full(const VectorXd& parameters) const {
    const auto t = static_cast<Index>(times_.size());
    MatrixXd factor = MatrixXd::Zero(t, t);
    factor(0, 0) = 1;
    Index k = 0;
    for (Index i = 1; i < t; ++i) {
      for (Index j = 0; j < i; ++j) factor(i, j) = parameters[k++];
      factor(i, i) = std::exp(parameters[k++]);
    }
    return factor * factor.transpose();
  }
  std::vector<double> times_;
};

}  // namespace

std::unique_ptr<CorrelationModel> make_correlation(ResidualCorrelation correlation,
                                                   const VectorXd& time,
                                                   const std::vector<Index>& starts) {
  switch (correlation) {
    case ResidualCorrelation::independent:
      break;
    case ResidualCorrelation::ar1:
      return std::make_unique<Autoregressive>(false, time, starts);
    case ResidualCorrelation::car1:
      return std::make_unique<Autoregressive>(true, time, starts);
    case ResidualCorrelation::car1_nugget:
      return std::make_unique<ContinuousWithNugget>(time, starts);
    case ResidualCorrelation::arma11:
      return std::make_unique<Arma11>(time, starts);
    case ResidualCorrelation::toeplitz:
      return std::make_unique<Toeplitz>(time, starts);
    case ResidualCorrelation::compound_symmetry:
      return std::make_unique<CompoundSymmetry>(time, starts);
    case ResidualCorrelation::unstructured:
      return std::make_unique<Unstructured>(time, starts);
  }
  return std::make_unique<Independent>();
}

}  // namespace rapport::detail
