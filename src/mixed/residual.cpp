#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/residual.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "arrow.hpp"
#include "describe.hpp"
#include "independent_columns.hpp"
#include "residual_correlation.hpp"
#include "search.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <set>
#include <utility>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// a · b without Eigen's blocking, which costs more than it saves on matrices of a few rows.
template <class A, class B>
MatrixXd small_product(const Eigen::MatrixBase<A>& a, const Eigen::MatrixBase<B>& b) {
  if (a.rows() + a.cols() + b.cols() > 80) return a * b;
  return a.derived().lazyProduct(b.derived());
}

/// Rows in the order of blocks, of residual groups within them, and of times within those. A block
/// is a level of the finest grouping factor whose levels hold residual groups whole; without such a
/// factor, a residual group.
struct SortedRows {
  std::vector<Index> order;
  std::vector<Index> block_starts;  ///< and the number of rows
  std::vector<Index> group_starts;
  std::vector<Index> first_group;  ///< of each block, and the number of groups
  std::vector<bool> inner;         ///< is the term's factor that of the blocks?
};

bool holds_groups(const RandomTerm& term, const std::vector<std::int32_t>& group) {
  std::vector<std::int32_t> level_of;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto g = static_cast<std::size_t>(group[i]);
    if (g >= level_of.size()) level_of.resize(g + 1, -1);
    if (level_of[g] < 0) level_of[g] = term.group[i];
    if (level_of[g] != term.group[i]) return false;
  }
  return true;
}

SortedRows sort_rows(const Design& design, const std::vector<std::int32_t>& group,
                     const VectorXd& time) {
  const RandomTerm* finest = nullptr;
  for (const RandomTerm& term : design.random) {
    if (holds_groups(term, group) &&
        (finest == nullptr || term.levels.size() > finest->levels.size()))
      finest = &term;
  }
  const std::vector<std::int32_t>& block = finest == nullptr ? group : finest->group;
  SortedRows rows;
  rows.order.resize(group.size());
  std::iota(rows.order.begin(), rows.order.end(), Index{0});
  std::stable_sort(rows.order.begin(), rows.order.end(), [&](Index a, Index b) {
    if (block[at(a)] != block[at(b)]) return block[at(a)] < block[at(b)];
    if (group[at(a)] != group[at(b)]) return group[at(a)] < group[at(b)];
    return time.size() > 0 && time[a] < time[b];
  });
  for (std::size_t k = 0; k < rows.order.size(); ++k) {
    const auto row = at(rows.order[k]);
    const auto before = k == 0 ? row : at(rows.order[k - 1]);
    if (k == 0 || block[row] != block[before]) {
      rows.block_starts.push_back(static_cast<Index>(k));
      rows.first_group.push_back(static_cast<Index>(rows.group_starts.size()));
    }
    if (k == 0 || group[row] != group[before]) rows.group_starts.push_back(static_cast<Index>(k));
  }
  rows.block_starts.push_back(static_cast<Index>(group.size()));
  rows.first_group.push_back(static_cast<Index>(rows.group_starts.size()));
  rows.group_starts.push_back(static_cast<Index>(group.size()));
  for (const RandomTerm& term : design.random)
    rows.inner.push_back(finest != nullptr && term.factor == finest->factor);
  return rows;
}

/// The criterion, with β and σ² profiled out, and its gradient. y and X are replaced by the
/// residuals of least squares and an orthonormal basis, both scaled to variance 1, so that Gram
/// matrices keep their digits.
///
/// With C = DRD the covariance of the residuals, everything rests on W'C⁻¹W, W = [Z X y]; the
/// adjoint of that Gram matrix is Z N Z' + X̂S⁻¹X̂' + êê'/σ² with N = ΛH⁻¹Λ', H = I + Λ'Z'C⁻¹ZΛ and
/// hats for what Z leaves of a column.
class ResidualObjective {
 public:
  ResidualObjective(const Design& design, const ResidualStructure& structure,
                    const SortedRows& rows, const VectorXd& time, const std::vector<Index>& columns,
                    Criterion criterion);

  [[nodiscard]] VectorXd start() const;
  /// −2 log L profiled, up to the constant of the units; NaN where it has none.
  double evaluate(const VectorXd& x, VectorXd* gradient);

  /// The state at the last evaluation.
  [[nodiscard]] double sigma_squared() const { return sigma_squared_; }
  [[nodiscard]] double penalised_squares() const { return penalised_; }
  [[nodiscard]] double degrees() const { return degrees_; }
  [[nodiscard]] double constant() const { return constant_; }
  /// (X'V⁻¹X)⁻¹ in units of σ², for the user's columns and response.
  [[nodiscard]] MatrixXd unscaled_covariance() const;
  [[nodiscard]] double response_scale() const { return y_scale_; }
  [[nodiscard]] VectorXd fixed() const;
  [[nodiscard]] std::vector<MatrixXd> factors() const;  ///< relative Λ in the user's units
  /// Relative effects and H⁻¹ blocks of every term: modes m × q and covariance mq × q, both of b.
  void effects(std::vector<MatrixXd>& modes, std::vector<MatrixXd>& covariances);
  [[nodiscard]] const detail::CorrelationModel& correlation() const { return *correlation_; }
  [[nodiscard]] VectorXd variance_parameters() const { return variance_; }
  [[nodiscard]] Index n_factor() const { return n_factor_; }
  [[nodiscard]] Index n_parameters() const { return n_factor_ + n_correlation_ + n_variance_; }

 private:
  struct Slot {
    Index start;  ///< in the block's local columns
    Index q;
    std::size_t term;
  };
  void make_columns(const Design& design, const std::vector<Index>& columns);
  void make_blocks(const Design& design);
  void unpack(const VectorXd& x);
  bool set_multipliers(const VectorXd& x);
  void add_block(Index b);
  bool profile();
  void block_gradient(Index b, VectorXd& gradient);
  void residual_gradient(Index b, const MatrixXd& root, const MatrixXd& effects,
                         VectorXd& gradient);
  [[nodiscard]] MatrixXd local_factor(Index b) const;
  [[nodiscard]] MatrixXd local_spherical(Index b) const;
  [[nodiscard]] Index local_width(Index b) const {
    return q_ + static_cast<Index>(layout_.touched[at(b)].columns.size());
  }

  const Design& design_;
  const ResidualStructure& structure_;
  const SortedRows& rows_;
  Criterion criterion_;
  Index n_;
  Index p_;
  std::vector<Index> columns_;
  VectorXd least_squares_;  ///< β of ordinary least squares
  MatrixXd to_user_;        ///< β = least squares + to_user · internal β · y_scale
  double y_scale_ = 1;
  double constant_ = 0;  ///< what the user's units add to the criterion
  MatrixXd x_;           ///< n × p, sorted
  VectorXd y_;
  std::vector<VectorXd> z_scale_;
  detail::UpperLayout layout_;
  Index q_ = 0;
  std::vector<std::vector<Slot>> slots_;  ///< of each block
  std::vector<MatrixXd> data_;            ///< of each block: local Z, X, y
  std::unique_ptr<detail::CorrelationModel> correlation_;
  Index n_factor_ = 0;
  Index n_correlation_ = 0;
  Index n_variance_ = 0;
  detail::ArrowMatrix matrix_;

  std::vector<MatrixXd> factor_;
  VectorXd correlation_parameters_;
  VectorXd variance_;
  VectorXd multiplier_;  ///< SD of each row over σ
  std::vector<MatrixXd> gram_;
  MatrixXd border_gram_;
  MatrixXd inner_right_;
  MatrixXd upper_right_;
  MatrixXd inner_solved_;
  MatrixXd upper_solved_;
  VectorXd beta_;
  VectorXd combination_;  ///< (−β, 1)
  MatrixXd inverse_xx_;   ///< (X'V⁻¹X)⁻¹ in the internal basis, and its Cholesky factor
  MatrixXd root_xx_;
  double degrees_ = 0;
  double penalised_ = 0;
  double sigma_squared_ = 0;
};

Index inner_width(const Design& design, const SortedRows& rows) {
  Index q = 0;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    if (rows.inner[t]) q += design.random[t].columns.cols();
  }
  return q;
}

detail::UpperLayout sorted_layout(const Design& design, const SortedRows& rows) {
  std::vector<RandomTerm> random = design.random;
  for (RandomTerm& term : random) {
    const std::vector<std::int32_t> group = term.group;
    for (std::size_t k = 0; k < group.size(); ++k) term.group[k] = group[at(rows.order[k])];
  }
  return detail::make_upper_layout(random, rows.inner, rows.block_starts);
}

ResidualObjective::ResidualObjective(const Design& design, const ResidualStructure& structure,
                                     const SortedRows& rows, const VectorXd& time,
                                     const std::vector<Index>& columns, Criterion criterion)
    : design_(design),
      structure_(structure),
      rows_(rows),
      criterion_(criterion),
      n_(design.response.size()),
      p_(static_cast<Index>(columns.size())),
      columns_(columns),
      layout_(sorted_layout(design, rows)),
      q_(inner_width(design, rows)),
      correlation_(detail::make_correlation(structure.correlation, time, rows.group_starts)),
      matrix_(static_cast<Index>(rows.block_starts.size()) - 1, q_, layout_) {
  for (const RandomTerm& term : design.random) {
    const Index q = term.columns.cols();
    n_factor_ += q * (q + 1) / 2;
    z_scale_.emplace_back(
        (term.columns.colwise().squaredNorm() / static_cast<double>(n_)).cwiseSqrt());
  }
  n_correlation_ = correlation_->start().size();
  if (structure.variance == VarianceFunction::by_level)
    n_variance_ = static_cast<Index>(structure.strata.size()) - 1;
  if (structure.variance == VarianceFunction::power ||
      structure.variance == VarianceFunction::exponential)
    n_variance_ = 1;
  degrees_ = static_cast<double>(criterion == Criterion::reml ? n_ - p_ : n_);
  make_columns(design, columns);
  make_blocks(design);
}

void ResidualObjective::make_columns(const Design& design, const std::vector<Index>& columns) {
  x_ = design.fixed(rows_.order, columns);
  y_ = design.response(rows_.order);
  if (design.offset.size() > 0) y_ -= VectorXd(design.offset(rows_.order));
  const double n = static_cast<double>(n_);
  // Two passes of Cholesky QR: the second makes the basis orthonormal to rounding.
  to_user_ = MatrixXd::Identity(p_, p_);
  double log_determinant = 0;
  for (int pass = 0; pass < 3 && p_ > 0; ++pass) {
    const VectorXd scale =
        pass > 0 ? VectorXd::Ones(p_) : VectorXd((x_.colwise().squaredNorm() / n).cwiseSqrt());
    x_ = (x_ * scale.cwiseInverse().asDiagonal()).eval();
    const Eigen::LLT<MatrixXd> llt(x_.transpose() * x_ / n);
    const MatrixXd inverse = llt.matrixU().solve(MatrixXd::Identity(p_, p_));
    x_ = (x_ * inverse).eval();
    to_user_ = (to_user_ * scale.cwiseInverse().asDiagonal() * inverse).eval();
    log_determinant += 2 * (scale.array().log().sum() - inverse.diagonal().array().log().sum());
  }
  const VectorXd internal = x_.transpose() * y_ / n;
  y_ -= x_ * internal;
  least_squares_ = to_user_ * internal;
  y_scale_ = y_.norm() / std::sqrt(n);
  y_ /= y_scale_;
  constant_ = 2 * degrees_ * std::log(y_scale_);
  if (criterion_ == Criterion::reml) constant_ += log_determinant;
  if (design.weights.size() > 0) constant_ -= design.weights.array().log().sum();
}

void ResidualObjective::make_blocks(const Design& design) {
  const Index n_blocks = static_cast<Index>(rows_.block_starts.size()) - 1;
  for (Index b = 0; b < n_blocks; ++b) {
    const Index start = rows_.block_starts[at(b)];
    const Index size = rows_.block_starts[at(b) + 1] - start;
    const Index width = local_width(b);
    MatrixXd w = MatrixXd::Zero(size, width + p_ + 1);
    std::vector<Slot> slots;
    Index column = 0;
    for (std::size_t t = 0; t < design.random.size(); ++t) {
      if (!rows_.inner[t]) continue;
      const Index q = design.random[t].columns.cols();
      slots.push_back({.start = column, .q = q, .term = t});
      for (Index k = 0; k < size; ++k) {
        w.row(k).segment(column, q) = design.random[t]
                                          .columns.row(rows_.order[at(start + k)])
                                          .cwiseQuotient(z_scale_[t].transpose());
      }
      column += q;
    }
    std::set<Index> seen;
    for (std::size_t t = 0; t < layout_.terms.size(); ++t) {
      const detail::UpperLayout::Term& term = layout_.terms[t];
      for (Index k = 0; k < size; ++k) {
        const Index place = q_ + layout_.local_start(start + k, t);
        if (seen.insert(place).second)
          slots.push_back({.start = place, .q = term.q, .term = term.design_term});
        w.row(k).segment(place, term.q) =
            design.random[term.design_term]
                .columns.row(rows_.order[at(start + k)])
                .cwiseQuotient(z_scale_[term.design_term].transpose());
      }
    }
    w.middleCols(width, p_) = x_.middleRows(start, size);
    w.rightCols(1) = y_.segment(start, size);
    data_.push_back(std::move(w));
    slots_.push_back(std::move(slots));
  }
  gram_.resize(at(n_blocks));
}

VectorXd ResidualObjective::start() const {
  VectorXd x = VectorXd::Zero(n_parameters());
  Index k = 0;
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    for (Index j = 0; j < q; ++j) {
      x[k] = 0.7;
      k += q - j;
    }
  }
  x.segment(n_factor_, n_correlation_) = correlation_->start();
  return x;
}

void ResidualObjective::unpack(const VectorXd& x) {
  factor_.clear();
  Index k = 0;
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    MatrixXd factor = MatrixXd::Zero(q, q);
    for (Index j = 0; j < q; ++j) {
      for (Index i = j; i < q; ++i) factor(i, j) = x[k++];
    }
    factor_.push_back(std::move(factor));
  }
  correlation_parameters_ = x.segment(n_factor_, n_correlation_);
}

bool ResidualObjective::set_multipliers(const VectorXd& x) {
  variance_ = x.tail(n_variance_);
  multiplier_ = VectorXd::Ones(n_);
  for (Index k = 0; k < n_; ++k) {
    const auto row = rows_.order[at(k)];
    double log_multiplier = 0;
    if (structure_.variance == VarianceFunction::by_level && structure_.stratum[at(row)] > 0) {
      log_multiplier = variance_[structure_.stratum[at(row)] - 1];
    } else if (structure_.variance == VarianceFunction::power) {
      log_multiplier = variance_[0] * std::log(std::abs(structure_.covariate[row]));
    } else if (structure_.variance == VarianceFunction::exponential) {
      log_multiplier = variance_[0] * structure_.covariate[row];
    }
    multiplier_[k] = std::exp(log_multiplier);
    if (design_.weights.size() > 0) multiplier_[k] /= std::sqrt(design_.weights[row]);
  }
  return multiplier_.allFinite() && multiplier_.minCoeff() > 0;
}

/// Λ of the block's local columns, block-diagonal.
MatrixXd ResidualObjective::local_factor(Index b) const {
  const Index width = local_width(b);
  MatrixXd factor = MatrixXd::Zero(width, width);
  for (const Slot& slot : slots_[at(b)])
    factor.block(slot.start, slot.start, slot.q, slot.q) = factor_[slot.term];
  return factor;
}

void ResidualObjective::add_block(Index b) {
  const Index start = rows_.block_starts[at(b)];
  const Index width = local_width(b);
  MatrixXd white = data_[at(b)];
  white = (multiplier_.segment(start, white.rows()).cwiseInverse().asDiagonal() * white).eval();
  for (Index g = rows_.first_group[at(b)]; g < rows_.first_group[at(b) + 1]; ++g) {
    const Index first = rows_.group_starts[at(g)] - start;
    correlation_->whiten(g, white.middleRows(first, rows_.group_starts[at(g) + 1] - start - first));
  }
  MatrixXd& gram = gram_[at(b)];
  gram.resize(white.cols(), white.cols());
  gram = small_product(white.transpose(), white);

  const MatrixXd factor = local_factor(b);
  const MatrixXd inner =
      small_product(factor.transpose(), small_product(gram.topLeftCorner(width, width), factor));
  matrix_.a(b) += inner.topLeftCorner(q_, q_);
  matrix_.b(b) += inner.block(0, q_, q_, width - q_);
  const auto& columns = layout_.touched[at(b)].columns;
  for (Index j = q_; j < width; ++j) {
    for (Index i = q_; i < width; ++i) {
      const Index row = columns[at(i - q_)];
      const Index column = columns[at(j - q_)];
      if (row >= column) matrix_.c(row, column) += inner(i, j);
    }
  }
  const MatrixXd right = small_product(factor.transpose(), gram.block(0, width, width, p_ + 1));
  inner_right_.middleRows(b * q_, q_) = right.topRows(q_);
  for (Index i = q_; i < width; ++i) upper_right_.row(columns[at(i - q_)]) += right.row(i);
  border_gram_ += gram.bottomRightCorner(p_ + 1, p_ + 1);
}

/// β, σ² and what they rest on; false if the matrices are not positive definite.
bool ResidualObjective::profile() {
  if (!matrix_.factorize()) return false;
  inner_solved_ = inner_right_;
  upper_solved_ = upper_right_;
  for (Index j = 0; j <= p_; ++j) {
    VectorXd inner = inner_right_.col(j);
    VectorXd upper = upper_right_.col(j);
    matrix_.solve(inner, upper);
    inner_solved_.col(j) = inner;
    upper_solved_.col(j) = upper;
  }
  const MatrixXd s = border_gram_ - inner_right_.transpose() * inner_solved_ -
                     upper_right_.transpose() * upper_solved_;
  combination_ = VectorXd::Ones(1);
  penalised_ = s(p_, p_);
  inverse_xx_.resize(p_, p_);
  if (p_ > 0) {
    const Eigen::LLT<MatrixXd> llt(s.topLeftCorner(p_, p_));
    if (llt.info() != Eigen::Success) return false;
    beta_ = llt.solve(s.col(p_).head(p_));
    penalised_ -= beta_.dot(s.col(p_).head(p_));
    inverse_xx_ = llt.solve(MatrixXd::Identity(p_, p_));
    root_xx_ = Eigen::LLT<MatrixXd>(inverse_xx_).matrixL();
    combination_.resize(p_ + 1);
    combination_ << -beta_, 1;
  } else {
    beta_.resize(0);
  }
  sigma_squared_ = penalised_ / degrees_;
  return penalised_ > 0;
}

double ResidualObjective::evaluate(const VectorXd& x, VectorXd* gradient) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  unpack(x);
  if (!set_multipliers(x) || !correlation_->set(correlation_parameters_)) return undefined;
  const Index n_blocks = static_cast<Index>(data_.size());
  matrix_.set_identity();
  inner_right_ = MatrixXd::Zero(n_blocks * q_, p_ + 1);
  upper_right_ = MatrixXd::Zero(layout_.columns, p_ + 1);
  border_gram_ = MatrixXd::Zero(p_ + 1, p_ + 1);
  for (Index b = 0; b < n_blocks; ++b) add_block(b);
  if (!profile()) return undefined;
  double log_multipliers = multiplier_.array().log().sum();
  if (design_.weights.size() > 0) log_multipliers += 0.5 * design_.weights.array().log().sum();
  double value = matrix_.log_determinant() + correlation_->log_determinant() + 2 * log_multipliers +
                 degrees_ * (1 + std::log(2 * std::numbers::pi * sigma_squared_));
  if (criterion_ == Criterion::reml && p_ > 0) {
    value -= 2 * root_xx_.diagonal().array().log().sum();
  }
  if (gradient != nullptr) {
    matrix_.invert();
    *gradient = VectorXd::Zero(n_parameters());
    for (Index b = 0; b < n_blocks; ++b) block_gradient(b, *gradient);
    VectorXd kappa = gradient->segment(n_factor_, n_correlation_);
    correlation_->finish(kappa);
    gradient->segment(n_factor_, n_correlation_) = kappa;
  }
  return value;
}

/// Spherical effects of the local columns, for each of X and y.
MatrixXd ResidualObjective::local_spherical(Index b) const {
  const auto& columns = layout_.touched[at(b)].columns;
  MatrixXd u(local_width(b), p_ + 1);
  u.topRows(q_) = inner_solved_.middleRows(b * q_, q_);
  for (std::size_t j = 0; j < columns.size(); ++j)
    u.row(q_ + static_cast<Index>(j)) = upper_solved_.row(columns[j]);
  return u;
}

void ResidualObjective::block_gradient(Index b, VectorXd& gradient) {
  const Index width = local_width(b);
  const MatrixXd factor = local_factor(b);
  detail::ArrowMatrix::InverseParts parts;
  matrix_.inverse_parts(b, parts);
  MatrixXd inverse(width, width);
  inverse.topLeftCorner(q_, q_) = parts.inner;
  inverse.topRightCorner(q_, width - q_) = parts.cross;
  inverse.bottomLeftCorner(width - q_, q_) = parts.cross.transpose();
  inverse.bottomRightCorner(width - q_, width - q_) = parts.upper;
  const MatrixXd u = local_spherical(b);
  const MatrixXd effects = small_product(factor, u);
  const MatrixXd& gram = gram_[at(b)];
  if (width > 0) {
    // ∂/∂Λ: G Λ H⁻¹ − Z'C⁻¹ê û'/σ² − Z'C⁻¹X̂ S⁻¹ û_X'.
    const MatrixXd left = gram.block(0, width, width, p_ + 1) -
                          small_product(gram.topLeftCorner(width, width), effects);
    MatrixXd slope =
        small_product(gram.topLeftCorner(width, width), small_product(factor, inverse));
    slope -= (left * combination_) * (u * combination_).transpose() / sigma_squared_;
    if (criterion_ == Criterion::reml && p_ > 0)
      slope -=
          small_product(left.leftCols(p_), small_product(inverse_xx_, u.leftCols(p_).transpose()));
    for (const Slot& slot : slots_[at(b)]) {
      Index k = 0;
      for (std::size_t t = 0; t < slot.term; ++t)
        k += factor_[t].rows() * (factor_[t].rows() + 1) / 2;
      for (Index j = 0; j < slot.q; ++j) {
        for (Index i = j; i < slot.q; ++i)
          gradient[k++] += 2 * slope(slot.start + i, slot.start + j);
      }
    }
  }
  if (n_correlation_ + n_variance_ > 0) {
    // N = ΛH⁻¹Λ' = (ΛL)(ΛL)'.
    const MatrixXd root = Eigen::LLT<MatrixXd>(inverse).matrixL();
    residual_gradient(b, small_product(factor, root), effects, gradient);
  }
}

void ResidualObjective::residual_gradient(Index b, const MatrixXd& root, const MatrixXd& effects,
                                          VectorXd& gradient) {
  const Index start = rows_.block_starts[at(b)];
  const Index width = local_width(b);
  const MatrixXd& data = data_[at(b)];
  const bool reml = criterion_ == Criterion::reml && p_ > 0;
  MatrixXd scaled = multiplier_.segment(start, data.rows()).cwiseInverse().asDiagonal() * data;
  const MatrixXd hats = scaled.rightCols(p_ + 1) - small_product(scaled.leftCols(width), effects);
  MatrixXd q(data.rows(), width + (reml ? p_ : 0) + 1);
  q.leftCols(width) = small_product(scaled.leftCols(width), root);
  if (reml) q.middleCols(width, p_) = small_product(hats.leftCols(p_), root_xx_);
  q.rightCols(1) = hats * combination_ / std::sqrt(sigma_squared_);
  VectorXd kappa = VectorXd::Zero(n_correlation_);
  VectorXd diagonal(data.rows());
  for (Index g = rows_.first_group[at(b)]; g < rows_.first_group[at(b) + 1]; ++g) {
    const Index first = rows_.group_starts[at(g)] - start;
    const Index size = rows_.group_starts[at(g) + 1] - start - first;
    correlation_->adjoint(g, q.middleRows(first, size), kappa, diagonal.segment(first, size));
  }
  gradient.segment(n_factor_, n_correlation_) += kappa;
  if (n_variance_ == 0) return;
  for (Index k = 0; k < data.rows(); ++k) {
    const auto row = rows_.order[at(start + k)];
    const double slope = 2 * (1 - diagonal[k]);
    if (structure_.variance == VarianceFunction::by_level) {
      if (structure_.stratum[at(row)] > 0)
        gradient[n_factor_ + n_correlation_ + structure_.stratum[at(row)] - 1] += slope;
    } else {
      const double x = structure_.covariate[row];
      gradient[n_factor_ + n_correlation_] +=
          slope * (structure_.variance == VarianceFunction::power ? std::log(std::abs(x)) : x);
    }
  }
}

MatrixXd ResidualObjective::unscaled_covariance() const {
  return y_scale_ * y_scale_ * to_user_ * inverse_xx_ * to_user_.transpose();
}

VectorXd ResidualObjective::fixed() const { return least_squares_ + y_scale_ * (to_user_ * beta_); }

std::vector<MatrixXd> ResidualObjective::factors() const {
  std::vector<MatrixXd> factors;
  for (std::size_t t = 0; t < factor_.size(); ++t)
    factors.emplace_back(z_scale_[t].cwiseInverse().asDiagonal() * factor_[t]);
  return factors;
}

void ResidualObjective::effects(std::vector<MatrixXd>& modes, std::vector<MatrixXd>& covariances) {
  matrix_.invert();
  const std::vector<MatrixXd> factors = this->factors();
  modes.clear();
  covariances.clear();
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    modes.emplace_back(static_cast<Index>(term.levels.size()), q);
    covariances.emplace_back(static_cast<Index>(term.levels.size()) * q, q);
  }
  detail::ArrowMatrix::InverseParts parts;
  for (Index b = 0; b < static_cast<Index>(data_.size()); ++b) {
    matrix_.inverse_parts(b, parts);
    const MatrixXd u = local_spherical(b);
    const Index row = rows_.order[at(rows_.block_starts[at(b)])];
    for (const Slot& slot : slots_[at(b)]) {
      const bool inner = slot.start < q_;
      if (!inner) continue;
      const Index level = design_.random[slot.term].group[at(row)];
      modes[slot.term].row(level) =
          y_scale_ *
          (factors[slot.term] * (u.middleRows(slot.start, slot.q) * combination_)).transpose();
      covariances[slot.term].middleRows(level * slot.q, slot.q) =
          y_scale_ * y_scale_ * factors[slot.term] *
          parts.inner.block(slot.start, slot.start, slot.q, slot.q) *
          factors[slot.term].transpose();
    }
  }
  for (const detail::UpperLayout::Term& term : layout_.terms) {
    for (std::size_t level = 0; level < term.position.size(); ++level) {
      MatrixXd inverse(term.q, term.q);
      for (Index j = 0; j < term.q; ++j) {
        for (Index i = 0; i < term.q; ++i)
          inverse(i, j) = matrix_.upper_inverse(term.position[level] + i, term.position[level] + j);
      }
      const MatrixXd& factor = factors[term.design_term];
      modes[term.design_term].row(static_cast<Index>(level)) =
          y_scale_ *
          (factor * (upper_solved_.middleRows(term.position[level], term.q) * combination_))
              .transpose();
      covariances[term.design_term].middleRows(static_cast<Index>(level) * term.q, term.q) =
          y_scale_ * y_scale_ * factor * inverse * factor.transpose();
    }
  }
}

// --- what the data must have
// --------------------------------------------------------------------------------------

bool needs_times(ResidualCorrelation correlation) {
  return correlation != ResidualCorrelation::independent &&
         correlation != ResidualCorrelation::compound_symmetry;
}

bool needs_whole_times(ResidualCorrelation correlation) {
  return correlation == ResidualCorrelation::ar1 || correlation == ResidualCorrelation::arma11 ||
         correlation == ResidualCorrelation::toeplitz;
}

void require_structure(const Design& design, const ResidualStructure& structure) {
  const Index n = design.response.size();
  const std::string name(to_string(structure.correlation));
  if (structure.correlation != ResidualCorrelation::independent) {
    require_same_size("fit_residual_model", "group", static_cast<Index>(structure.group.size()),
                      "response", n);
  }
  if (needs_times(structure.correlation)) {
    require_same_size("fit_residual_model", "time", structure.time.size(), "response", n);
    if (!structure.time.allFinite())
      throw DataError("the times of " + name + " have a missing or infinite value");
  }
  if (structure.variance == VarianceFunction::by_level) {
    require_same_size("fit_residual_model", "stratum", static_cast<Index>(structure.stratum.size()),
                      "response", n);
    if (structure.strata.size() < 2)
      throw DataError(
          "the factor of the variance function has a single level; at least 2 are required");
    if (structure.correlation == ResidualCorrelation::unstructured) {
      throw InvalidArgument(
          "fit_residual_model: an unstructured covariance has a variance for every time already; "
          "leave the variance function out");
    }
  }
  if (structure.variance == VarianceFunction::power ||
      structure.variance == VarianceFunction::exponential) {
    require_same_size("fit_residual_model", "covariate", structure.covariate.size(), "response", n);
    if (!structure.covariate.allFinite())
      throw DataError("the covariate of the variance function has a missing or infinite value");
    if (structure.variance == VarianceFunction::power && (structure.covariate.array() == 0).any()) {
      throw DataError(
          "the covariate of the variance function power is 0 in a row, where the variance would be "
          "0 or infinite; shift it");
    }
    if (structure.covariate.cwiseAbs().maxCoeff() == structure.covariate.cwiseAbs().minCoeff()) {
      throw DataError("the covariate of the variance function does not vary");
    }
  }
}

void require_times(const ResidualStructure& structure, const SortedRows& rows) {
  if (structure.correlation == ResidualCorrelation::independent) return;
  const std::string name(to_string(structure.correlation));
  Index longest = 0;
  for (std::size_t g = 0; g + 1 < rows.group_starts.size(); ++g) {
    longest = std::max(longest, rows.group_starts[g + 1] - rows.group_starts[g]);
    if (!needs_times(structure.correlation)) continue;
    for (Index k = rows.group_starts[g]; k < rows.group_starts[g + 1]; ++k) {
      const double t = structure.time[rows.order[at(k)]];
      if (needs_whole_times(structure.correlation) && t != std::round(t)) {
        throw DataError("the times of " + name + " must be whole numbers, and one is " +
                        shortest_decimal(t) + "; use car1 for other times");
      }
      if (k > rows.group_starts[g] && t == structure.time[rows.order[at(k - 1)]]) {
        throw DataError("time " + shortest_decimal(t) + " stands twice in a group of " + name +
                        "; each group needs distinct times (rows " +
                        std::to_string(rows.order[at(k - 1)] + 1) + " and " +
                        std::to_string(rows.order[at(k)] + 1) + " of those used)");
      }
    }
  }
  if (longest < 2) {
    throw DataError(
        "no group of " + name +
        " has two rows, so that nothing is known about the correlation of its residuals");
  }
  if (structure.correlation == ResidualCorrelation::unstructured) {
    const std::set<double> times(structure.time.begin(), structure.time.end());
    const std::size_t groups = rows.group_starts.size() - 1;
    if (times.size() > groups) {
      throw DataError("unstructured has " + std::to_string(times.size()) + " times but only " +
                      std::to_string(groups) +
                      " groups; its covariance matrix cannot be estimated");
    }
  }
}

/// A random intercept and compound symmetry by the same groups say the same thing; an unstructured
/// covariance says all.
void require_identified(const Design& design, const ResidualStructure& structure) {
  if (structure.correlation != ResidualCorrelation::compound_symmetry &&
      structure.correlation != ResidualCorrelation::unstructured) {
    return;
  }
  for (const RandomTerm& term : design.random) {
    if (holds_groups(term, structure.group) &&
        term.levels.size() ==
            std::set<std::int32_t>(structure.group.begin(), structure.group.end()).size()) {
      throw InvalidArgument(
          "fit_residual_model: the residual structure " +
          std::string(to_string(structure.correlation)) + " and the random effects by " +
          term.factor + " have the same groups and cannot be told apart; leave one of them out");
    }
  }
}

// --- the result
// -----------------------------------------------------------------------------------------------------

/// The random effects; true if a covariance is singular.
bool describe_random(const Design& design, ResidualObjective& objective, MixedFit& fit) {
  const std::vector<MatrixXd> factors = objective.factors();
  const double scale = std::sqrt(objective.sigma_squared()) * objective.response_scale();
  std::vector<MatrixXd> modes;
  std::vector<MatrixXd> covariances;
  objective.effects(modes, covariances);
  bool singular = false;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const MatrixXd factor = scale * factors[t];
    RandomEffects random = detail::describe_term(design.random[t], factor);
    random.blups = std::move(modes[t]);
    random.conditional_covariance = objective.sigma_squared() * covariances[t];
    fit.random.push_back(std::move(random));
    singular = singular || detail::is_singular(design.random[t], factor, scale);
  }
  return singular;
}

/// Cov(x, σ²) from the Hessian of −log L unprofiled, and the derivatives of Cov(β̂) in them, by
/// central differences.
CovarianceInformation describe_information(ResidualObjective& objective,
                                           const detail::Minimum& minimum) {
  const Index k = minimum.x.size();
  const double nu = objective.degrees();
  const double sigma2 = objective.sigma_squared();
  const MatrixXd covariance = sigma2 * objective.unscaled_covariance();
  CovarianceInformation information;
  information.theta = minimum.x;
  VectorXd cross(k);  // ∂²(−log L) / ∂x ∂log σ²
  for (Index j = 0; j < k; ++j) {
    const double step = 1e-4 / std::sqrt(std::clamp(minimum.hessian(j, j), 1e-4, 1e8));
    VectorXd shifted = minimum.x;
    shifted[j] += step;
    objective.evaluate(shifted, nullptr);
    const double squares = objective.penalised_squares();
    const MatrixXd right = objective.unscaled_covariance();
    shifted[j] -= 2 * step;
    objective.evaluate(shifted, nullptr);
    cross[j] = -0.5 * (squares - objective.penalised_squares()) / (2 * step) / sigma2;
    information.fixed_gradient.emplace_back(sigma2 * (right - objective.unscaled_covariance()) /
                                            (2 * step));
  }
  objective.evaluate(minimum.x, nullptr);
  information.fixed_gradient.emplace_back(covariance / sigma2);
  MatrixXd hessian(k + 1, k + 1);
  hessian.topLeftCorner(k, k) = minimum.hessian + 2 / nu * cross * cross.transpose();
  hessian.topRightCorner(k, 1) = cross;
  hessian.bottomLeftCorner(1, k) = cross.transpose();
  hessian(k, k) = 0.5 * nu;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(hessian);
  const double floor = 1e-9 * eigen.eigenvalues().maxCoeff();
  const VectorXd inverse =
      eigen.eigenvalues().unaryExpr([&](double v) { return v > floor ? 1 / v : 0.0; });
  information.parameter_covariance =
      eigen.eigenvectors() * inverse.asDiagonal() * eigen.eigenvectors().transpose();
  information.parameter_covariance.row(k) *= sigma2;  // from log σ² to σ²
  information.parameter_covariance.col(k) *= sigma2;
  return information;
}

void describe_variance(const ResidualStructure& structure, const VectorXd& parameters,
                       ResidualFit& fit) {
  switch (structure.variance) {
    case VarianceFunction::constant:
      break;
    case VarianceFunction::by_level:
      for (std::size_t s = 1; s < structure.strata.size(); ++s) {
        fit.variance_parameters.emplace_back(structure.strata[s],
                                             std::exp(parameters[static_cast<Index>(s) - 1]));
      }
      break;
    case VarianceFunction::power:
      fit.variance_parameters.emplace_back("power", parameters[0]);
      break;
    case VarianceFunction::exponential:
      fit.variance_parameters.emplace_back("exp", parameters[0]);
      break;
  }
}

}  // namespace

ResidualFit fit_residual_model(const Design& design, const ResidualStructure& structure,
                               const FitOptions& options) {
  const Index n = design.response.size();
  if (n == 0) throw DataError("fit_residual_model: the design has no rows");
  require_structure(design, structure);
  const bool independent = structure.correlation == ResidualCorrelation::independent;
  std::vector<std::int32_t> group = structure.group;
  if (independent) {
    group.resize(at(n));
    std::iota(group.begin(), group.end(), 0);
  }
  const SortedRows rows =
      sort_rows(design, group, needs_times(structure.correlation) ? structure.time : VectorXd());
  require_times(structure, rows);
  if (!independent) require_identified(design, structure);
  VectorXd time = VectorXd::Zero(n);
  for (std::size_t g = 0; g + 1 < rows.group_starts.size(); ++g) {
    for (Index k = rows.group_starts[g]; k < rows.group_starts[g + 1]; ++k) {
      time[k] = needs_times(structure.correlation) ? structure.time[rows.order[at(k)]]
                                                   : static_cast<double>(k - rows.group_starts[g]);
    }
  }

  ResidualFit result{};
  MixedFit& fit = result.fit;
  fit.fixed.columns = detail::independent_columns(design.fixed);
  for (Index j = 0; j < design.fixed.cols(); ++j) {
    const bool kept = std::binary_search(fit.fixed.columns.begin(), fit.fixed.columns.end(), j);
    (kept ? fit.fixed.terms : fit.fixed.dropped).push_back(design.fixed_terms[at(j)]);
  }
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  if (n <= p)
    throw DataError("fit_residual_model: " + std::to_string(n) + " rows are too few for " +
                    std::to_string(p) + " fixed effects");

  ResidualObjective objective(design, structure, rows, time, fit.fixed.columns, options.criterion);
  const auto criterion = [&](const VectorXd& x, Derivatives& out) {
    out.value = 0.5 * objective.evaluate(x, &out.gradient);
    if (!std::isfinite(out.value)) out.gradient = VectorXd::Zero(x.size());
    out.gradient *= 0.5;
  };
  const detail::Minimum minimum =
      detail::find_minimum(criterion, objective.start(), options.iterations);

  const double sigma = std::sqrt(objective.sigma_squared()) * objective.response_scale();
  fit.data = {
      .observations = n, .omitted = design.n_omitted, .residual_df = static_cast<double>(n - p)};
  fit.fixed.estimate = objective.fixed();
  fit.fixed.covariance = objective.sigma_squared() * objective.unscaled_covariance();
  fit.fixed.standard_error = fit.fixed.covariance.diagonal().cwiseSqrt();
  const bool singular = describe_random(design, objective, fit);
  fit.residual.sd = sigma;
  fit.criterion =
      detail::describe_criterion(2 * minimum.value + objective.constant(), options.criterion,
                                 p + objective.n_parameters() + 1, n);
  fit.information = describe_information(objective, minimum);
  fit.optimizer = detail::describe_search(minimum, singular);
  result.correlation = structure.correlation;
  result.variance = structure.variance;
  objective.correlation().describe(result);
  describe_variance(structure, objective.variance_parameters(), result);
  result.fitted = fitted_values(design, fit);
  return result;
}

}  // namespace rapport
