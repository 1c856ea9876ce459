#include "residual_objective.hpp"

#include <Eigen/Cholesky>

#include "least_squares_basis.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

UpperLayout sorted_layout(const Design& design, const SortedRows& rows) {
  std::vector<RandomTerm> random;
  for (const RandomTerm& term : design.random) {
    RandomTerm sorted;
    sorted.columns.resize(0, term.columns.cols());
    sorted.levels = term.levels;
    sorted.group.reserve(term.group.size());
    for (const Index row : rows.order) sorted.group.push_back(term.group[at(row)]);
    random.push_back(std::move(sorted));
  }
  return make_upper_layout(random, rows.inner, rows.block_starts);
}

VectorXd rows_of(const VectorXd& values, const std::vector<Index>& order) {
  VectorXd sorted(static_cast<Index>(order.size()));
  for (std::size_t k = 0; k < order.size(); ++k) sorted[static_cast<Index>(k)] = values[order[k]];
  return sorted;
}

}  // namespace

ResidualObjective::ResidualObjective(const Design& design, const ResidualStructure& structure,
                                     const SortedRows& rows, const std::vector<Index>& columns,
                                     Criterion criterion)
    : design_(design),
      rows_(rows),
      criterion_(criterion),
      n_(design.response.size()),
      p_(static_cast<Index>(columns.size())),
      columns_(columns),
      layout_(sorted_layout(design, rows)),
      correlation_(make_correlation(structure.correlation, rows)),
      variance_(structure.variance, rows.order),
      upper_(0, 0, layout_) {
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    const Index q = term.columns.cols();
    n_factor_ += q * (q + 1) / 2;
    z_scale_.emplace_back(
        (term.columns.colwise().squaredNorm() / static_cast<double>(n_)).cwiseSqrt());
    if (rows.inner[t]) {
      inner_.push_back({.start = q_, .q = q, .term = t});
      q_ += q;
    }
  }
  n_correlation_ = correlation_->start().size();
  degrees_ = static_cast<double>(criterion == Criterion::reml ? n_ - p_ : n_);
  make_columns();
  make_clusters();
  grams_ = make_residual_grams(
      rows_, shapes_, cluster_shapes_,
      [this](Index block, MatrixXd& values) { write_rows(block, values); }, *correlation_,
      variance_);
  Index own = 0;
  Index half = 0;
  for (const BlockShape& unit : grams_->units()) {
    own += unit.sizes.own();
    half += unit.sizes.half();
  }
  own_.resize(at(own));
  half_.resize(at(half));
}

void ResidualObjective::make_columns() {
  x_.resize(n_, p_);
  for (Index j = 0; j < p_; ++j)
    x_.col(j) = rows_of(design_.fixed.col(columns_[at(j)]), rows_.order);
  y_ = rows_of(design_.response, rows_.order);
  if (design_.offset.size() > 0) y_ -= rows_of(design_.offset, rows_.order);
  LeastSquaresBasis standard = least_squares_basis(std::move(x_), std::move(y_));
  x_ = std::move(standard.basis);
  y_ = std::move(standard.remainder);
  to_user_ = std::move(standard.to_user);
  least_squares_ = std::move(standard.coefficients);
  y_scale_ = standard.scale;
  constant_ = 2 * degrees_ * std::log(y_scale_);
  if (criterion_ == Criterion::reml) constant_ += standard.log_determinant;
  if (design_.weights.size() > 0) constant_ -= design_.weights.array().log().sum();
}

void ResidualObjective::make_clusters() {
  std::map<std::vector<Index>, Index> number;
  Index scratch = 0;
  Index own = 0;
  for (Index b = 0; b < rows_.n_blocks(); ++b) {
    const std::vector<Index>& columns = layout_.touched[at(b)].columns;
    const auto found = number.emplace(columns, static_cast<Index>(clusters_.size()));
    const Index s = static_cast<Index>(columns.size()) + p_ + 1;
    shapes_.push_back({.cluster = found.first->second, .sizes = {q_, s, (s + 3) / 4}});
    const ResidualShape& shape = shapes_.back().sizes;
    own = std::max<Index>(own, shape.own());
    largest_shared_ = std::max<Index>(largest_shared_, shape.shared());
    scratch = std::max<Index>(scratch, shape.scratch());
    if (found.second) {
      clusters_.push_back({.columns = columns, .slots = {}});
      cluster_shapes_.push_back({0, s, shape.lanes});
    }
  }
  own_adjoint_.resize(at(own));
  scratch_.resize(at(scratch));
  Index shared = 0;
  for (std::size_t c = 0; c < clusters_.size(); ++c) {
    shared_start_.push_back(shared);
    shared += cluster_shapes_[c].shared();
    Cluster& cluster = clusters_[c];
    std::map<Index, Slot> owner;  // of each first column
    for (const UpperLayout::Term& term : layout_.terms) {
      for (const Index position : term.position)
        owner[position] = {.start = 0, .q = term.q, .term = term.design_term};
    }
    for (std::size_t k = 0; k < cluster.columns.size();) {
      Slot slot = owner.at(cluster.columns[k]);
      slot.start = static_cast<Index>(k);
      k += at(slot.q);
      cluster.slots.push_back(slot);
    }
  }
  shared_.resize(at(shared));
  adjoints_.resize(at(shared));
}

void ResidualObjective::write_rows(Index block, MatrixXd& values) const {
  const Index start = rows_.block_starts[at(block)];
  const Index size = rows_.block_starts[at(block + 1)] - start;
  const Index t = static_cast<Index>(layout_.touched[at(block)].columns.size());
  values.setZero(q_ + shapes_[at(block)].sizes.stride(), size);
  for (Index k = 0; k < size; ++k) {
    const Index row = rows_.order[at(start + k)];
    double* out = values.col(k).data();
    for (const Slot& slot : inner_) {
      const MatrixXd& columns = design_.random[slot.term].columns;
      for (Index j = 0; j < slot.q; ++j)
        out[slot.start + j] = columns(row, j) / z_scale_[slot.term][j];
    }
    for (std::size_t u = 0; u < layout_.terms.size(); ++u) {
      const UpperLayout::Term& term = layout_.terms[u];
      const MatrixXd& columns = design_.random[term.design_term].columns;
      for (Index j = 0; j < term.q; ++j) {
        out[q_ + layout_.local_start(start + k, u) + j] =
            columns(row, j) / z_scale_[term.design_term][j];
      }
    }
    for (Index j = 0; j < p_; ++j) out[q_ + t + j] = x_(start + k, j);
    out[q_ + t + p_] = y_[start + k];
    if (design_.weights.size() > 0) values.col(k) *= std::sqrt(design_.weights[row]);
  }
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
  x.tail(variance_.n_parameters()) = variance_.start();
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
  inner_factor_ = MatrixXd::Zero(q_, q_);
  for (const Slot& slot : inner_)
    inner_factor_.block(slot.start, slot.start, slot.q, slot.q) = factor_[slot.term];
}

bool ResidualObjective::eliminate_blocks() {
  std::fill(shared_.begin(), shared_.end(), 0.0);
  for (Index c = 0; c < static_cast<Index>(clusters_.size()); ++c)
    grams_->add_cluster(c, shared_.data() + shared_start_[at(c)]);
  block_determinant_ = 0;
  double product = 1;
  double* own = own_.data();
  double* half = half_.data();
  for (Index u = 0; u < static_cast<Index>(grams_->units().size()); ++u) {
    const BlockShape& unit = grams_->units()[at(u)];
    double* shared = shared_.data() + shared_start_[at(unit.cluster)];
    grams_->unit(u, own, shared);
    if (q_ == 0) continue;
    const double determinant =
        kernels_.eliminate(unit.sizes, inner_factor_.data(), own, scratch_.data(), half, shared);
    own += unit.sizes.own();
    half += unit.sizes.half();
    if (!(determinant > 0)) return false;
    if (unit.weight == 1) product *= determinant;
    if (unit.weight > 1) block_determinant_ += unit.weight * std::log(determinant);
    if (product > 1e100) {
      block_determinant_ += std::log(product);
      product = 1;
    }
  }
  block_determinant_ += std::log(product);
  return std::isfinite(block_determinant_);
}

ResidualObjective::GramMap ResidualObjective::cluster_gram(Index cluster) const {
  const ResidualShape& shape = cluster_shapes_[at(cluster)];
  return {shared_.data() + shared_start_[at(cluster)], shape.s, shape.s,
          Eigen::OuterStride<>(shape.stride())};
}

/// Λ of the cluster's columns, block-diagonal.
const MatrixXd& ResidualObjective::cluster_factor(Index cluster) {
  const auto t = static_cast<Index>(clusters_[at(cluster)].columns.size());
  work_.factor.setZero(t, t);
  for (const Slot& slot : clusters_[at(cluster)].slots)
    work_.factor.block(slot.start, slot.start, slot.q, slot.q) = factor_[slot.term];
  return work_.factor;
}

/// Spherical effects of the cluster's columns, for each of X and y.
const MatrixXd& ResidualObjective::cluster_spherical(Index cluster) {
  const std::vector<Index>& columns = clusters_[at(cluster)].columns;
  work_.spherical.resize(static_cast<Index>(columns.size()), p_ + 1);
  for (std::size_t j = 0; j < columns.size(); ++j)
    work_.spherical.row(static_cast<Index>(j)) = upper_solved_.row(columns[j]);
  return work_.spherical;
}

/// H⁻¹ of the cluster's columns.
const MatrixXd& ResidualObjective::cluster_inverse(Index cluster) {
  const std::vector<Index>& columns = clusters_[at(cluster)].columns;
  const auto t = static_cast<Index>(columns.size());
  work_.inverse.resize(t, t);
  for (Index j = 0; j < t; ++j) {
    for (Index i = 0; i < t; ++i)
      work_.inverse(i, j) = upper_.upper_inverse(columns[at(i)], columns[at(j)]);
  }
  return work_.inverse;
}

void ResidualObjective::assemble(Index cluster) {
  const std::vector<Index>& columns = clusters_[at(cluster)].columns;
  const auto t = static_cast<Index>(columns.size());
  const GramMap gram = cluster_gram(cluster);
  border_ += gram.bottomRightCorner(p_ + 1, p_ + 1);
  if (t == 0) return;
  const MatrixXd& factor = cluster_factor(cluster);
  // Products of few columns: coefficient by coefficient, without packing.
  work_.moved.noalias() = factor.transpose().lazyProduct(gram.topRows(t));
  work_.inner.noalias() = work_.moved.leftCols(t).lazyProduct(factor);
  for (Index j = 0; j < t; ++j) {
    for (Index i = 0; i < t; ++i) {
      if (columns[at(i)] >= columns[at(j)])
        upper_.c(columns[at(i)], columns[at(j)]) += work_.inner(i, j);
    }
    upper_right_.row(columns[at(j)]) += work_.moved.row(j).tail(p_ + 1);
  }
}

/// β, σ² and what they rest on; false if the matrices are not positive definite.
bool ResidualObjective::profile() {
  if (!upper_.factorize()) return false;
  work_.rows = upper_right_.transpose();
  upper_.solve(work_.rows);
  upper_solved_ = work_.rows.transpose();
  const MatrixXd s = border_ - upper_right_.transpose() * upper_solved_;
  combination_ = VectorXd::Ones(p_ + 1);
  penalised_ = s(p_, p_);
  log_information_ = 0;
  inverse_xx_.resize(p_, p_);
  beta_.resize(p_);
  if (p_ > 0) {
    const Eigen::LLT<MatrixXd> llt(s.topLeftCorner(p_, p_));
    if (llt.info() != Eigen::Success) return false;
    beta_ = llt.solve(s.col(p_).head(p_));
    penalised_ -= beta_.dot(s.col(p_).head(p_));
    inverse_xx_ = llt.solve(MatrixXd::Identity(p_, p_));
    for (Index j = 0; j < p_; ++j) log_information_ += 2 * std::log(llt.matrixLLT()(j, j));
    combination_.head(p_) = -beta_;
  }
  sigma_squared_ = held_ > 0 ? held_ : penalised_ / degrees_;
  return penalised_ > 0;
}

double ResidualObjective::evaluate(const VectorXd& x, VectorXd* gradient) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  unpack(x);
  if (!grams_->set(x.segment(n_factor_, n_correlation_), x.tail(variance_.n_parameters())))
    return undefined;
  if (!eliminate_blocks()) return undefined;
  upper_.set_identity();
  upper_right_.setZero(layout_.columns, p_ + 1);
  border_.setZero(p_ + 1, p_ + 1);
  for (Index c = 0; c < static_cast<Index>(clusters_.size()); ++c) assemble(c);
  if (!profile()) return undefined;
  double value = block_determinant_ + upper_.log_determinant() + grams_->log_determinant() +
                 degrees_ * std::log(2 * std::numbers::pi * sigma_squared_) +
                 penalised_ / sigma_squared_;
  if (criterion_ == Criterion::reml) value += log_information_;
  if (gradient != nullptr) {
    *gradient = VectorXd::Zero(n_parameters());
    add_gradient(*gradient);
  }
  return value;
}

/// gradient += 2 slope's lower triangle, for the slope in a term's Λ.
void ResidualObjective::add_factor_slope(const Slot& slot, const MatrixXd& slope,
                                         VectorXd& gradient) const {
  Index k = 0;
  for (std::size_t t = 0; t < slot.term; ++t) k += factor_[t].rows() * (factor_[t].rows() + 1) / 2;
  for (Index j = 0; j < slot.q; ++j) {
    for (Index i = j; i < slot.q; ++i) gradient[k++] += 2 * slope(slot.start + i, slot.start + j);
  }
}

/// Writes the adjoint of the Gram matrix that a cluster receives, given that of β's: K = [REML]
/// S⁻¹ + aa' / σ². Adds the slopes in Λ of the cluster's columns.
void ResidualObjective::cluster_adjoint(Index cluster, const MatrixXd& k, double* out,
                                        VectorXd& gradient) {
  const ResidualShape& shape = cluster_shapes_[at(cluster)];
  Eigen::Map<MatrixXd, 0, Eigen::OuterStride<>> adjoint(out, shape.s, shape.s,
                                                        Eigen::OuterStride<>(shape.stride()));
  const auto t = static_cast<Index>(clusters_[at(cluster)].columns.size());
  adjoint.bottomRightCorner(p_ + 1, p_ + 1) = k;
  if (t == 0) return;
  const MatrixXd& factor = cluster_factor(cluster);
  const MatrixXd& u = cluster_spherical(cluster);
  const GramMap gram = cluster_gram(cluster);
  Work& w = work_;
  w.effects.noalias() = factor.lazyProduct(u);
  w.scaled.noalias() = factor.lazyProduct(cluster_inverse(cluster));
  w.left = gram.topRightCorner(t, p_ + 1);
  w.left.noalias() -= gram.topLeftCorner(t, t).lazyProduct(w.effects);
  w.moved.noalias() = w.left.lazyProduct(k);
  w.inner.noalias() = gram.topLeftCorner(t, t).lazyProduct(w.scaled);
  w.inner.noalias() -= w.moved.lazyProduct(u.transpose());
  for (const Slot& slot : clusters_[at(cluster)].slots) add_factor_slope(slot, w.inner, gradient);
  w.moved.noalias() = w.effects.lazyProduct(k);
  adjoint.topLeftCorner(t, t).noalias() = w.scaled.lazyProduct(factor.transpose());
  adjoint.topLeftCorner(t, t).noalias() += w.moved.lazyProduct(w.effects.transpose());
  adjoint.topRightCorner(t, p_ + 1) = -w.moved;
  adjoint.bottomLeftCorner(p_ + 1, t) = -w.moved.transpose();
}

void ResidualObjective::add_gradient(VectorXd& gradient) {
  upper_.invert();
  MatrixXd k = combination_ * combination_.transpose() / sigma_squared_;
  if (criterion_ == Criterion::reml) k.topLeftCorner(p_, p_) += inverse_xx_;
  for (Index c = 0; c < static_cast<Index>(clusters_.size()); ++c) {
    double* adjoint = adjoints_.data() + shared_start_[at(c)];
    cluster_adjoint(c, k, adjoint, gradient);
    grams_->add_cluster_adjoint(c, adjoint);
  }
  inner_slope_ = MatrixXd::Zero(q_, q_);
  const double* own = own_.data();
  const double* half = half_.data();
  for (Index u = 0; u < static_cast<Index>(grams_->units().size()); ++u) {
    const BlockShape& unit = grams_->units()[at(u)];
    const double* adjoint = adjoints_.data() + shared_start_[at(unit.cluster)];
    if (q_ > 0) {
      kernels_.adjoint(unit.sizes, unit.weight, own, half, adjoint, scratch_.data(),
                       own_adjoint_.data(), inner_slope_.data());
    }
    own += unit.sizes.own();
    half += unit.sizes.half();
    grams_->add_unit_adjoint(u, own_adjoint_.data(), adjoint);
  }
  if (q_ > 0) {
    const MatrixXd slope = inner_slope_ * inner_factor_;
    for (const Slot& slot : inner_) add_factor_slope(slot, slope, gradient);
  }
  gradient.tail(n_parameters() - n_factor_) = grams_->gradient();
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

ResidualObjective::Effects ResidualObjective::effects() {
  upper_.invert();
  Effects result;
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    const auto m = static_cast<Index>(term.levels.size());
    result.modes.emplace_back(MatrixXd::Zero(m, q));
    result.covariances.emplace_back(MatrixXd::Zero(m * q, q));
  }
  const auto put = [&](std::size_t term, Index level, const VectorXd& mode, const MatrixXd& cov) {
    const VectorXd scale = y_scale_ * z_scale_[term].cwiseInverse();
    const Index q = mode.size();
    result.modes[term].row(level) = scale.cwiseProduct(mode).transpose();
    result.covariances[term].middleRows(level * q, q) =
        scale.asDiagonal() * cov * scale.asDiagonal();
  };
  for (const UpperLayout::Term& term : layout_.terms) {
    const MatrixXd& factor = factor_[term.design_term];
    for (std::size_t level = 0; level < term.position.size(); ++level) {
      const Index first = term.position[level];
      MatrixXd inverse(term.q, term.q);
      for (Index j = 0; j < term.q; ++j) {
        for (Index i = 0; i < term.q; ++i)
          inverse(i, j) = upper_.upper_inverse(first + i, first + j);
      }
      put(term.design_term, static_cast<Index>(level),
          factor * (upper_solved_.middleRows(first, term.q) * combination_),
          factor * inverse * factor.transpose());
    }
  }
  std::vector<double> spare(at(largest_shared_));
  for (Index b = 0; b < rows_.n_blocks() && q_ > 0; ++b) {
    const BlockShape& shape = shapes_[at(b)];
    const Index t = shape.sizes.s - p_ - 1;
    std::fill(spare.begin(), spare.end(), 0.0);
    grams_->block(b, own_.data());
    kernels_.eliminate(shape.sizes, inner_factor_.data(), own_.data(), scratch_.data(),
                       half_.data(), spare.data());
    const double* half = half_.data();
    const Eigen::Map<const MatrixXd> m(half, q_, q_);
    const MatrixXd solved =
        Eigen::Map<const MatrixXd, 0, Eigen::OuterStride<>>(
            half + q_ * q_, shape.sizes.s, q_, Eigen::OuterStride<>(shape.sizes.stride()))
            .transpose();
    const MatrixXd e = m.transpose() * solved;
    VectorXd mode = e.rightCols(p_ + 1) * combination_;
    MatrixXd covariance = m.transpose() * m;
    if (t > 0) {
      const MatrixXd& factor = cluster_factor(shape.cluster);
      mode -= e.leftCols(t) * (factor * (cluster_spherical(shape.cluster) * combination_));
      const MatrixXd cross = e.leftCols(t) * factor;
      covariance += cross * cluster_inverse(shape.cluster) * cross.transpose();
    }
    const Index row = rows_.order[at(rows_.block_starts[at(b)])];
    for (const Slot& slot : inner_) {
      put(slot.term, design_.random[slot.term].group[at(row)], mode.segment(slot.start, slot.q),
          covariance.block(slot.start, slot.start, slot.q, slot.q));
    }
  }
  return result;
}

}  // namespace rapport::detail
