#include "integral_laplace.hpp"

#include "arrow_directions.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index inner_width(const SortedDesign& design) {
  Index q = 0;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    if (design.inner[t]) q += design.random[t].columns.cols();
  }
  return q;
}

}  // namespace

LaplaceIntegral::LaplaceIntegral(const SortedDesign& design, std::unique_ptr<Likelihood> likelihood,
                                 const SortedResponse& response)
    : design_(design),
      rows_(std::move(likelihood), response),
      layout_(make_upper_layout(design.random, design.inner, design.starts)),
      q_(inner_width(design)),
      matrix_(design.n_blocks(), q_, layout_) {
  describe_columns();
  describe_places();
  describe_factors();
  constexpr double most_memory = 1 << 24;
  has_hessian_ =
      rows_.has_kernels() && ArrowDirections::memory(matrix_, n_directions()) < most_memory;
  effects_ = MatrixXd::Zero(1, design.n_blocks() * q_ + layout_.columns);
  for (VectorXd* rows : {&base_, &leverage_, &kappa_}) *rows = VectorXd::Zero(design.n());
}

void LaplaceIntegral::describe_columns() {
  const Index n = design_.n();
  columns_.resize(q_ + layout_.per_row, n);
  term_start_.resize(design_.random.size());
  Index row = 0;
  for (std::size_t t = 0; t < design_.random.size(); ++t) {
    if (!design_.inner[t]) continue;
    term_start_[t] = row;
    row += design_.random[t].columns.cols();
  }
  for (const UpperLayout::Term& term : layout_.terms)
    term_start_[term.design_term] = q_ + term.row_offset;
  for (std::size_t t = 0; t < design_.random.size(); ++t) {
    const MatrixXd& z = design_.random[t].columns;
    columns_.middleRows(term_start_[t], z.cols()) = z.transpose();
  }
  scaled_.resize(columns_.rows(), n);
  solved_.resize(columns_.rows(), n);
}

void LaplaceIntegral::describe_places() {
  place_.resize(width(), design_.n());
  local_.resize(width(), design_.n());
  for (Index b = 0; b < design_.n_blocks(); ++b) {
    for (Index k = start_of(b); k < start_of(b + 1); ++k) {
      for (Index j = 0; j < q_; ++j) {
        place_(j, k) = static_cast<std::int32_t>(b * q_ + j);
        local_(j, k) = static_cast<std::int32_t>(j);
      }
    }
  }
  const Index upper = design_.n_blocks() * q_;
  for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
    const UpperLayout::Term& term = layout_.terms[t];
    const auto& group = design_.random[term.design_term].group;
    for (Index k = 0; k < design_.n(); ++k) {
      const Index position = term.position[at(group[at(k)])];
      for (Index j = 0; j < term.q; ++j) {
        place_(q_ + term.row_offset + j, k) = static_cast<std::int32_t>(upper + position + j);
        local_(q_ + term.row_offset + j, k) =
            static_cast<std::int32_t>(q_ + layout_.local_start(k, t) + j);
      }
    }
  }
}

void LaplaceIntegral::describe_factors() {
  for (std::size_t t = 0; t < design_.random.size(); ++t) {
    const Index q = design_.random[t].columns.cols();
    for (Index j = 0; j < q; ++j) {
      for (Index i = j; i < q; ++i)
        entries_.push_back({.row = term_start_[t] + i, .column = term_start_[t] + j});
    }
  }
}

double LaplaceIntegral::evaluate_at(const ModelPoint& at, ModelPoint* gradient, MatrixXd* hessian) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  if (!rows_.set_parameters(at.family)) return undefined;
  factor_ = at.factor;
  base_.noalias() = design_.fixed * at.fixed;
  base_ += design_.offset;
  scale_columns();
  const VectorXd natural = natural_of(at);
  predict_modes(natural);
  const double f = find_modes(hessian != nullptr    ? RowOrder::hessian
                              : gradient != nullptr ? RowOrder::gradient
                                                    : RowOrder::curvature);
  if (!std::isfinite(f)) {
    effects_.setZero();
    anchor_.resize(0);
    return undefined;
  }
  const RowFamily::Constant constant = rows_.constant();
  if (gradient != nullptr) {
    fill_gradient(*gradient, hessian != nullptr);
    if (constant.gradient.size() > 0) gradient->family -= constant.gradient;
  }
  if (hessian != nullptr) {
    fill_hessian(*hessian);
    const Index n_family = rows_.n_parameters();
    if (constant.hessian.size() > 0)
      hessian->bottomRightCorner(n_family, n_family) -= constant.hessian;
    anchor_ = natural;
    anchor_effects_ = effects_;
  }
  return f + 0.5 * matrix_.log_determinant() - constant.value;
}

VectorXd LaplaceIntegral::natural_of(const ModelPoint& point) const {
  VectorXd natural(n_directions());
  natural.head(n_fixed()) = point.fixed;
  natural.tail(point.family.size()) = point.family;
  Index k = n_fixed();
  for (const MatrixXd& factor : point.factor) {
    for (Index j = 0; j < factor.cols(); ++j) {
      for (Index i = j; i < factor.rows(); ++i) natural[k++] = factor(i, j);
    }
  }
  return natural;
}

/// Modes move with the parameters; a step far away starts from where they were.
void LaplaceIntegral::predict_modes(const VectorXd& natural) {
  if (anchor_.size() == 0 || effects_.size() == 0) return;
  effects_ = anchor_effects_ + (natural - anchor_).transpose() * motion_;
  if ((effects_ - anchor_effects_).lpNorm<Eigen::Infinity>() > 2) effects_ = anchor_effects_;
}

/// z̃ = Λ'z.
void LaplaceIntegral::scale_columns() {
  for (std::size_t t = 0; t < factor_.size(); ++t) {
    const MatrixXd& factor = factor_[t];
    for (Index k = 0; k < design_.n(); ++k) {
      const double* z = columns_.col(k).data() + term_start_[t];
      double* scaled = scaled_.col(k).data() + term_start_[t];
      for (Index j = 0; j < factor.cols(); ++j) {
        double sum = 0;
        for (Index i = j; i < factor.rows(); ++i) sum += factor(i, j) * z[i];
        scaled[j] = sum;
      }
    }
  }
}

double LaplaceIntegral::rows_at(const MatrixXd& effects, RowOrder order) {
  const double* u = effects.data();
  double* eta = rows_.eta();
  for (Index k = 0; k < design_.n(); ++k) {
    const double* z = scaled_.col(k).data();
    const std::int32_t* place = place_.col(k).data();
    double sum = base_[k];
    for (Index j = 0; j < width(); ++j) sum += z[j] * u[place[j]];
    eta[k] = sum;
  }
  return 0.5 * effects.squaredNorm() - rows_.evaluate(order);
}

void LaplaceIntegral::add_transposed(const VectorXd& weight, MatrixXd& u) const {
  double* sum = u.data();
  for (Index k = 0; k < design_.n(); ++k) {
    const double* z = scaled_.col(k).data();
    const std::int32_t* place = place_.col(k).data();
    for (Index j = 0; j < width(); ++j) sum[place[j]] += weight[k] * z[j];
  }
}

/// H = I + Σ W z̃z̃' at the rows' derivatives, factorised; without the negative W, which rows
/// without log-concavity may have far from the modes, if `positive`.
bool LaplaceIntegral::factorize(bool positive) {
  curvature_ = -rows_.derivative(2);
  if (positive) curvature_ = curvature_.cwiseMax(0.0);
  matrix_.set_identity();
  for (Index b = 0; b < design_.n_blocks(); ++b) {
    if (q_ == 1 && layout_.per_row == 1) {
      add_scalar_block(b);
    } else {
      add_block(b);
    }
  }
  return matrix_.factorize();
}

void LaplaceIntegral::add_block(Index block) {
  Eigen::Map<MatrixXd> a = matrix_.a(block);
  Eigen::Map<MatrixXd> cross = matrix_.b(block);
  const auto& columns = layout_.touched[at(block)].columns;
  for (Index k = start_of(block); k < start_of(block + 1); ++k) {
    const double* z = scaled_.col(k).data();
    const std::int32_t* local = local_.col(k).data();
    for (Index j = 0; j < width(); ++j) {
      const double wz = curvature_[k] * z[j];
      if (j < q_) {
        for (Index i = j; i < q_; ++i) a(i, j) += wz * z[i];
        continue;
      }
      for (Index i = 0; i < q_; ++i) cross(i, local[j] - q_) += wz * z[i];
      const Index column = columns[at(local[j] - q_)];
      for (Index i = q_; i < width(); ++i) {
        const Index row = columns[at(local[i] - q_)];
        if (row >= column) matrix_.c(row, column) += wz * z[i];
      }
    }
  }
  for (Index j = 0; j < q_; ++j) {
    for (Index i = 0; i < j; ++i) a(i, j) = a(j, i);
  }
}

/// A block of one inner effect whose rows meet one upper effect each.
void LaplaceIntegral::add_scalar_block(Index block) {
  const auto& columns = layout_.touched[at(block)].columns;
  double* cross = matrix_.b(block).data();
  double own = 0;
  for (Index k = start_of(block); k < start_of(block + 1); ++k) {
    const double* z = scaled_.col(k).data();
    const double w = curvature_[k];
    const Index local = local_(1, k) - 1;
    const Index column = columns[at(local)];
    own += w * z[0] * z[0];
    cross[local] += w * z[0] * z[1];
    matrix_.c(column, column) += w * z[1] * z[1];
  }
  matrix_.a(block)(0, 0) += own;
}

double LaplaceIntegral::find_modes(RowOrder order) {
  constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
  double f = rows_at(effects_, RowOrder::curvature);
  if (!std::isfinite(f)) {
    effects_.setZero();
    f = rows_at(effects_, RowOrder::curvature);
  }
  for (int iteration = 0; iteration < 100 && std::isfinite(f); ++iteration) {
    if (!factorize(false) && !factorize(true)) return undefined;
    MatrixXd step = -effects_;
    add_transposed(rows_.derivative(1), step);
    matrix_.solve(step);
    const double largest = step.size() == 0 ? 0 : step.lpNorm<Eigen::Infinity>();
    if (largest < 1e-13) break;
    // The step after this one would be of the order of its square.
    const bool last = largest < 1e-6;
    f = move(step, f, last ? order : RowOrder::curvature);
    if (last) return std::isfinite(f) && factorize(false) ? f : undefined;
  }
  if (!std::isfinite(f) || !factorize(false)) return undefined;
  return order == RowOrder::curvature ? f : rows_at(effects_, order);
}

/// Takes the step, halved until f falls.
double LaplaceIntegral::move(const MatrixXd& step, double before, RowOrder order) {
  double length = 1;
  MatrixXd there = effects_ + step;
  double f = rows_at(there, order);
  while (!(f <= before + 1e-13 * std::abs(before)) && length > 1e-10) {
    length *= 0.5;
    there = effects_ + length * step;
    f = rows_at(there, order);
  }
  effects_ = there;
  return f;
}

void LaplaceIntegral::solve_rows(bool hessian) {
  factor_pairs_ =
      MatrixXd::Zero(static_cast<Index>(entries_.size()), static_cast<Index>(entries_.size()));
  matrix_.invert();
  MatrixXd inverse;
  for (Index b = 0; b < design_.n_blocks(); ++b) {
    matrix_.inverse_part(b, inverse);
    for (Index k = start_of(b); k < start_of(b + 1); ++k) {
      solve_row(k, inverse);
      if (hessian) add_factor_pairs(k, inverse);
    }
  }
}

void LaplaceIntegral::solve_row(Index row, const MatrixXd& inverse) {
  const double* z = scaled_.col(row).data();
  const std::int32_t* local = local_.col(row).data();
  double* h = solved_.col(row).data();
  double leverage = 0;
  for (Index i = 0; i < width(); ++i) {
    const double* column = inverse.col(local[i]).data();
    double sum = 0;
    for (Index j = 0; j < width(); ++j) sum += column[local[j]] * z[j];
    h[i] = sum;
    leverage += z[i] * sum;
  }
  leverage_[row] = leverage;
}

void LaplaceIntegral::fill_gradient(ModelPoint& gradient, bool hessian) {
  solve_rows(hessian);
  const auto first = rows_.derivative(1);
  const auto second = rows_.derivative(2);
  const VectorXd half_third = 0.5 * rows_.derivative(3).cwiseProduct(leverage_);
  adjoint_ = MatrixXd::Zero(1, effects_.size());
  add_transposed(-half_third, adjoint_);
  matrix_.solve(adjoint_);
  for (Index k = 0; k < design_.n(); ++k) {
    double sum = 0;
    for (Index j = 0; j < width(); ++j) sum += scaled_(j, k) * adjoint_(0, place_(j, k));
    kappa_[k] = sum;
  }
  total_ = second.cwiseProduct(kappa_) - first - half_third;
  gradient.fixed.noalias() = design_.fixed.transpose() * total_;
  gradient.factor.clear();
  std::size_t entry = 0;
  for (const MatrixXd& factor : factor_) {
    MatrixXd slope = MatrixXd::Zero(factor.rows(), factor.cols());
    for (Index j = 0; j < factor.cols(); ++j) {
      for (Index i = j; i < factor.rows(); ++i) slope(i, j) = factor_slope(entries_[entry++]);
    }
    gradient.factor.push_back(std::move(slope));
  }
  gradient.family = VectorXd::Zero(rows_.n_parameters());
  if (gradient.family.size() == 0) return;
  const VectorXd value = VectorXd::Constant(design_.n(), -1);
  const VectorXd half = -0.5 * leverage_;
  gradient.family = rows_.parameter_gradient(
      {.value = value.data(), .first = kappa_.data(), .second = half.data()});
}

double LaplaceIntegral::factor_slope(const FactorEntry& entry) const {
  const auto first = rows_.derivative(1);
  const auto second = rows_.derivative(2);
  double sum = 0;
  for (Index k = 0; k < design_.n(); ++k) {
    const Index place = place_(entry.column, k);
    sum += columns_(entry.row, k) *
           (total_[k] * effects_(0, place) - second[k] * solved_(entry.column, k) +
            first[k] * adjoint_(0, place));
  }
  return sum;
}

VectorXd LaplaceIntegral::linear_predictor() const {
  VectorXd eta(design_.n());
  for (Index k = 0; k < design_.n(); ++k) eta[design_.order[at(k)]] = rows_.eta(k);
  return eta;
}

std::vector<TermModes> LaplaceIntegral::modes() const {
  ArrowMatrix matrix = matrix_;
  matrix.invert();
  std::vector<TermModes> result(factor_.size());
  for (std::size_t t = 0; t < result.size(); ++t) {
    const Index q = factor_[t].rows();
    const auto levels = static_cast<Index>(design_.random[t].levels.size());
    result[t].modes.resize(levels, q);
    result[t].covariance.resize(levels * q, q);
  }
  const auto describe = [&](std::size_t t, Index g, Index place, const MatrixXd& inverse) {
    const MatrixXd& factor = factor_[t];
    const Index q = factor.rows();
    result[t].modes.row(g) = effects_.middleCols(place, q) * factor.transpose();
    result[t].covariance.middleRows(g * q, q) = factor * inverse * factor.transpose();
  };
  MatrixXd inverse;
  for (Index b = 0; b < design_.n_blocks(); ++b) {
    matrix.inverse_part(b, inverse);
    for (std::size_t t = 0; t < result.size(); ++t) {
      const Index start = term_start_[t];
      const Index q = factor_[t].rows();
      if (design_.inner[t]) describe(t, b, b * q_ + start, inverse.block(start, start, q, q));
    }
  }
  for (const UpperLayout::Term& term : layout_.terms) {
    for (std::size_t g = 0; g < term.position.size(); ++g) {
      const Index position = term.position[g];
      inverse.resize(term.q, term.q);
      for (Index j = 0; j < term.q; ++j) {
        for (Index i = 0; i < term.q; ++i)
          inverse(i, j) = matrix.upper_inverse(position + i, position + j);
      }
      describe(term.design_term, static_cast<Index>(g), design_.n_blocks() * q_ + position,
               inverse);
    }
  }
  return result;
}

std::unique_ptr<Integral> make_laplace_integral(const SortedDesign& design,
                                                std::unique_ptr<Likelihood> likelihood,
                                                const SortedResponse& response) {
  return std::make_unique<LaplaceIntegral>(design, std::move(likelihood), response);
}

}  // namespace rapport::detail
