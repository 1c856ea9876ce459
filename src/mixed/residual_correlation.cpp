#include "residual_correlation.hpp"

#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Kind = PrecisionTerm::Kind;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

class Independent final : public CorrelationModel {
 public:
  Independent() { coefficients_ = VectorXd::Ones(1); }
  [[nodiscard]] VectorXd start() const override { return {}; }
  bool set(const VectorXd& /*parameters*/) override {
    adjoint_ = VectorXd::Zero(1);
    return true;
  }
  void precision(Index /*group*/, std::vector<PrecisionTerm>& terms) const override {
    terms.push_back({.kind = Kind::square, .coefficient = 0, .i = 0, .j = 0});
  }
  [[nodiscard]] Index precision_terms(Index n) const override { return n; }
  void whiten(Index /*group*/, Eigen::Ref<MatrixXd> /*rows*/) const override {}
  void add_adjoint(Index /*group*/, const Eigen::Ref<const MatrixXd>& rows, const MatrixXd& g,
                   Eigen::Ref<VectorXd> diagonal) override {
    diagonal = (rows * g).cwiseProduct(rows).rowwise().sum();
  }
  [[nodiscard]] VectorXd gradient() const override { return {}; }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    return MatrixXd::Identity(times.size(), times.size());
  }
  [[nodiscard]] std::vector<std::string> names() const override { return {}; }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override { return parameters; }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override { return natural; }
  void describe(ResidualFit& /*fit*/) const override {}
};

/// ρ^gap by whole gaps (κ = atanh ρ) or any gaps (κ = log of the rate, ρ = e^{−rate}): with ρ_j the
/// correlation of row j with the row before it, w_j − ρ_j w_{j−1} over √(1 − ρ_j²) is white. In
/// terms of d = w_j − w_{j−1} and a = w_{j−1}, its square is dd' / (1 − ρ²) + (da' + ad') / (1 + ρ)
/// + aa' (1 − ρ) / (1 + ρ), where no digits are lost as ρ goes to 1.
class Autoregressive final : public CorrelationModel {
 public:
  Autoregressive(bool continuous, const SortedRows& rows)
      : continuous_(continuous), rows_(rows), unit_(continuous ? median_gap(rows) : 1) {
    gap_number_.resize(rows.order.size());
    std::unordered_map<double, Index> number;
    Index last = 0;
    for (Index g = 0; g < rows.n_groups(); ++g) {
      for (Index j = rows.group_starts[at(g)] + 1; j < rows.group_starts[at(g + 1)]; ++j) {
        const double gap = rows.time[j] - rows.time[j - 1];
        if (gaps_.empty() || gaps_[at(last)].length != gap) {
          const auto found = number.emplace(gap, static_cast<Index>(gaps_.size()));
          if (found.second) gaps_.push_back({.length = gap});
          last = found.first->second;
        }
        gaps_[at(last)].count += 1;
        gap_number_[at(j)] = last;
      }
    }
    coefficients_ = VectorXd::Ones(1 + 3 * static_cast<Index>(gaps_.size()));
  }
  [[nodiscard]] VectorXd start() const override {
    return VectorXd::Constant(1, continuous_ ? 0.2 : 0.3);
  }
  bool set(const VectorXd& parameters) override {
    const double kappa = parameters[0];
    if (!(std::abs(kappa) < (continuous_ ? 30 : 17))) return false;
    adjoint_ = VectorXd::Zero(coefficients_.size());
    log_determinant_ = 0;
    root_ = continuous_ ? std::exp(kappa) / unit_ : std::tanh(kappa);
    for (std::size_t k = 0; k < gaps_.size(); ++k) {
      Gap& gap = gaps_[k];
      if (continuous_) {
        gap.rho = std::exp(-root_ * gap.length);
        gap.slope = -root_ * gap.length * gap.rho;
        gap.less = -std::expm1(-root_ * gap.length);
      } else {
        gap.rho = gap.length == 1 ? root_ : std::pow(root_, gap.length);
        gap.slope = (1 - root_) * (1 + root_);
        if (gap.length != 1) gap.slope *= gap.length * std::pow(root_, gap.length - 1);
        gap.less = 1 - gap.rho;
      }
      const double variance = gap.less * (1 + gap.rho);
      const auto first = 1 + 3 * static_cast<Index>(k);
      coefficients_[first] = 1 / variance;
      coefficients_[first + 1] = 1 / (1 + gap.rho);
      coefficients_[first + 2] = gap.less / (1 + gap.rho);
      log_determinant_ += gap.count * std::log(variance);
    }
    return std::isfinite(log_determinant_);
  }
  void precision(Index group, std::vector<PrecisionTerm>& terms) const override {
    const Index start = rows_.group_starts[at(group)];
    const Index n = rows_.group_starts[at(group + 1)] - start;
    terms.push_back({.kind = Kind::square, .coefficient = 0, .i = 0, .j = 0});
    for (Index j = 1; j < n; ++j) {
      const Index first = 1 + 3 * gap_number_[at(start + j)];
      terms.push_back({.kind = Kind::difference_square, .coefficient = first, .i = j, .j = j - 1});
      terms.push_back(
          {.kind = Kind::difference_cross, .coefficient = first + 1, .i = j, .j = j - 1});
      terms.push_back({.kind = Kind::square, .coefficient = first + 2, .i = j - 1, .j = j - 1});
    }
  }
  [[nodiscard]] Index precision_terms(Index n) const override { return 3 * n - 2; }
  void whiten(Index group, Eigen::Ref<MatrixXd> rows) const override {
    const Index start = rows_.group_starts[at(group)];
    for (Index j = rows.rows() - 1; j > 0; --j) {
      const Gap& gap = gaps_[at(gap_number_[at(start + j)])];
      const double weight = 1 / std::sqrt(gap.less * (1 + gap.rho));
      rows.row(j) = (rows.row(j) - gap.rho * rows.row(j - 1)) * weight;
    }
  }
  void add_adjoint(Index group, const Eigen::Ref<const MatrixXd>& rows, const MatrixXd& g,
                   Eigen::Ref<VectorXd> diagonal) override {
    const Index start = rows_.group_starts[at(group)];
    const MatrixXd moved = rows * g;
    double before = moved.row(0).dot(rows.row(0));
    adjoint_[0] += before;
    diagonal[0] = before;
    for (Index j = 1; j < rows.rows(); ++j) {
      const Index first = 1 + 3 * gap_number_[at(start + j)];
      const double here = moved.row(j).dot(rows.row(j));
      const double cross = moved.row(j).dot(rows.row(j - 1));
      adjoint_[first] += (moved.row(j) - moved.row(j - 1)).dot(rows.row(j) - rows.row(j - 1));
      adjoint_[first + 1] += 2 * (cross - before);
      adjoint_[first + 2] += before;
      const double u = coefficients_[first];
      const double v = coefficients_[first + 1];
      diagonal[j] = u * (here - cross) + v * cross;
      diagonal[j - 1] +=
          u * (before - cross) + v * (cross - 2 * before) + coefficients_[first + 2] * before;
      before = here;
    }
  }
  [[nodiscard]] VectorXd gradient() const override {
    double sum = 0;
    for (std::size_t k = 0; k < gaps_.size(); ++k) {
      const Gap& gap = gaps_[k];
      const double variance = gap.less * (1 + gap.rho);
      const double square = (1 + gap.rho) * (1 + gap.rho);
      const auto first = 1 + 3 * static_cast<Index>(k);
      sum += gap.slope * (2 * gap.rho * (adjoint_[first] / variance - gap.count) / variance -
                          (adjoint_[first + 1] + 2 * adjoint_[first + 2]) / square);
    }
    return VectorXd::Constant(1, sum);
  }
  [[nodiscard]] MatrixXd matrix(const VectorXd& times) const override {
    MatrixXd r(times.size(), times.size());
    for (Index j = 0; j < times.size(); ++j) {
      for (Index i = 0; i < times.size(); ++i) {
        const double distance = std::abs(times[i] - times[j]);
        r(i, j) = continuous_ ? std::exp(-root_ * distance) : std::pow(root_, distance);
      }
    }
    return r;
  }
  [[nodiscard]] std::vector<std::string> names() const override { return {"rho"}; }
  [[nodiscard]] VectorXd natural(const VectorXd& parameters) const override {
    return VectorXd::Constant(
        1, continuous_ ? std::exp(-std::exp(parameters[0]) / unit_) : std::tanh(parameters[0]));
  }
  [[nodiscard]] VectorXd unconstrained(const VectorXd& natural) const override {
    return VectorXd::Constant(
        1, continuous_ ? std::log(-std::log(natural[0]) * unit_) : std::atanh(natural[0]));
  }
  void describe(ResidualFit& fit) const override {
    fit.correlation_parameters = {{"rho", continuous_ ? std::exp(-root_) : root_}};
  }

 private:
  struct Gap {
    double length = 0;
    double count = 0;
    double rho = 0;
    double slope = 0;  ///< ∂ρ/∂κ
    double less = 0;   ///< 1 − ρ
  };

  bool continuous_;
  const SortedRows& rows_;
  double unit_;
  std::vector<Gap> gaps_;
  std::vector<Index> gap_number_;  ///< of each sorted row, the gap to the one before
  double root_ = 0;
};

}  // namespace

double median_gap(const SortedRows& rows) {
  std::vector<double> gaps;
  for (Index g = 0; g < rows.n_groups(); ++g) {
    for (Index j = rows.group_starts[at(g)] + 1; j < rows.group_starts[at(g + 1)]; ++j)
      gaps.push_back(rows.time[j] - rows.time[j - 1]);
  }
  return median(Eigen::Map<const VectorXd>(gaps.data(), static_cast<Index>(gaps.size())));
}

std::unique_ptr<CorrelationModel> make_correlation(ResidualCorrelation correlation,
                                                   const SortedRows& rows) {
  switch (correlation) {
    case ResidualCorrelation::independent:
      return std::make_unique<Independent>();
    case ResidualCorrelation::ar1:
      return std::make_unique<Autoregressive>(false, rows);
    case ResidualCorrelation::car1:
      return std::make_unique<Autoregressive>(true, rows);
    case ResidualCorrelation::car1_nugget:
    case ResidualCorrelation::arma11:
    case ResidualCorrelation::toeplitz:
    case ResidualCorrelation::compound_symmetry:
    case ResidualCorrelation::unstructured:
      break;
  }
  return make_dense_correlation(correlation, rows);
}

}  // namespace rapport::detail
