#include "location_scale_objective.hpp"

#include "least_squares_basis.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

double mean_square(const Eigen::Ref<const VectorXd>& values) {
  return values.squaredNorm() / static_cast<double>(values.size());
}

}  // namespace

LocationScaleObjective::LocationScaleObjective(const Design& design, const ScaleModel& scale,
                                               const std::vector<Index>& columns, bool correlated)
    : n_(design.response.size()),
      p_(static_cast<Index>(columns.size())),
      m_(scale.effects.columns.cols() + 1),
      correlated_(correlated),
      level_([&] {
        Index q = 0;
        for (const RandomTerm& term : design.random) q += term.columns.cols();
        return q;
      }()),
      moments_(level_.t.size()) {
  for (const RandomTerm& term : design.random) {
    blocks_.push_back(term.columns.cols());
    n_lambda_ += blocks_.back() * (blocks_.back() + 1) / 2;
  }
  q_ = level_.t.size();
  order_.resize(at(n_));
  std::iota(order_.begin(), order_.end(), Index{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&](Index a, Index b) { return scale.group[at(a)] < scale.group[at(b)]; });
  for (Index k = 0; k < n_; ++k) {
    const std::int32_t level = scale.group[at(order_[at(k)])];
    if (k == 0 || level != scale.group[at(order_[at(k - 1)])]) starts_.push_back(k);
  }
  centre_ = VectorXd::Zero(static_cast<Index>(starts_.size()));
  spread_ = VectorXd::Ones(static_cast<Index>(starts_.size()));
  starts_.push_back(n_);
  make_columns(design, columns);
  w_.resize(n_, m_);
  w_.col(0).setOnes();
  if (m_ > 1) w_.rightCols(m_ - 1) = scale.effects.columns(order_, Eigen::all);
  w_mean_ = w_.rightCols(m_ - 1).colwise().mean();
  w_.rightCols(m_ - 1).rowwise() -= w_mean_.transpose();
  w_scale_ = VectorXd::Ones(m_ - 1);
  for (Index k = 1; k < m_; ++k) {
    w_scale_[k - 1] = std::sqrt(mean_square(w_.col(k)));
    w_.col(k) /= w_scale_[k - 1];
  }
  row_mean_.resize(n_);
  row_scale_.resize(n_);
}

void LocationScaleObjective::make_columns(const Design& design, const std::vector<Index>& columns) {
  VectorXd response = design.response(order_);
  if (design.offset.size() > 0) response -= design.offset(order_);
  LeastSquaresBasis standard =
      least_squares_basis(design.fixed(order_, columns), std::move(response));
  x_ = std::move(standard.basis);
  y_ = std::move(standard.remainder);
  to_user_ = std::move(standard.to_user);
  least_squares_ = std::move(standard.coefficients);
  y_scale_ = standard.scale;
  constant_ =
      -static_cast<double>(n_) * (std::log(y_scale_) + 0.5 * std::log(2 * std::numbers::pi));
  log_weight_ = VectorXd::Zero(n_);
  if (design.weights.size() > 0) log_weight_ = VectorXd(design.weights(order_)).array().log();
  zt_.resize(q_, n_);
  z_scale_.resize(q_);
  Index first = 0;
  for (const RandomTerm& term : design.random) {
    for (Index j = 0; j < term.columns.cols(); ++j) {
      z_scale_[first + j] = std::sqrt(mean_square(term.columns.col(j)));
      if (!(z_scale_[first + j] > 0)) z_scale_[first + j] = 1;
      zt_.row(first + j) = term.columns(order_, j).transpose() / z_scale_[first + j];
    }
    first += term.columns.cols();
  }
}

Index LocationScaleObjective::n_parameters() const {
  if (!random_scale_) return n_without_scale();
  return n_without_scale() + 1 + (correlated_ ? q_ : 0);
}

void LocationScaleObjective::set_points(Index points) {
  rule_ = gauss_hermite(points);
  log_weights_ = rule_.weights.array().log() + 0.5 * rule_.nodes.array().square();
}

VectorXd LocationScaleObjective::start() const {
  VectorXd x = VectorXd::Zero(n_without_scale());
  x[p_] = q_ > 0 ? -0.7 : 0;
  Index k = p_ + m_;
  for (const Index q : blocks_) {
    for (Index j = 0; j < q; ++j) {
      x[k] = 0.7 / std::sqrt(static_cast<double>(q_));
      k += q - j;
    }
  }
  return x;
}

LocationScaleObjective::Internal LocationScaleObjective::unpack(const VectorXd& x) const {
  Internal result{.beta = x.head(p_),
                  .tau = x.segment(p_, m_),
                  .lambda = MatrixXd::Zero(q_, q_),
                  .s = random_scale_ ? x[n_without_scale()] : 0,
                  .a = VectorXd::Zero(q_)};
  Index k = p_ + m_;
  Index first = 0;
  for (const Index q : blocks_) {
    for (Index j = first; j < first + q; ++j)
      for (Index i = j; i < first + q; ++i) result.lambda(i, j) = x[k++];
    first += q;
  }
  if (random_scale_ && correlated_) result.a = x.tail(q_);
  return result;
}

LocationScaleObjective::Parameters LocationScaleObjective::parameters(const VectorXd& x) const {
  const Internal internal = unpack(x);
  Parameters user;
  user.beta = least_squares_ + y_scale_ * to_user_ * internal.beta;
  user.tau = internal.tau;
  user.tau.tail(m_ - 1) = internal.tau.tail(m_ - 1).cwiseQuotient(w_scale_);
  user.tau[0] += 2 * std::log(y_scale_) - user.tau.tail(m_ - 1).dot(w_mean_);
  user.lambda = y_scale_ * z_scale_.cwiseInverse().asDiagonal() * internal.lambda;
  user.a = y_scale_ * internal.a.cwiseQuotient(z_scale_);
  user.s = internal.s;
  return user;
}

void LocationScaleObjective::update_rows() {
  error_ = y_ - x_ * at_.beta;
  log_d_ = w_ * at_.tau - log_weight_;
  precision_ = (-log_d_.array()).exp();
}

/// The sums of one level, ready for its likelihood.
void LocationScaleObjective::fill_level(Index level) {
  const Index first = starts_[at(level)];
  const Index end = starts_[at(level + 1)];
  level_.n = static_cast<double>(end - first);
  level_.log_d = log_d_.segment(first, end - first).sum();
  level_.ee = 0;
  level_.t.setZero();
  level_.s_matrix.setZero();
  for (Index k = first; k < end; ++k) {
    const double weighted = precision_[k] * error_[k];
    level_.ee += weighted * error_[k];
    const double* z = zt_.col(k).data();
    for (Index j = 0; j < q_; ++j) {
      level_.t[j] += weighted * z[j];
      for (Index i = j; i < q_; ++i) level_.s_matrix(i, j) += precision_[k] * z[j] * z[i];
    }
  }
  level_.s_matrix.triangularView<Eigen::StrictlyUpper>() = level_.s_matrix.transpose();
  level_.prepare(at_.lambda, at_.a, at_.s);
}

/// Newton's method for the mode of the level's u, from where it was.
void LocationScaleObjective::place_nodes(Index level) {
  double u = centre_[level];
  double curvature = 1;
  for (int step = 0; step < 50; ++step) {
    double first = 0;
    double second = 0;
    (void)level_.at(u);
    level_.slopes(u, first, second);
    first -= u;
    curvature = std::max(1 - second, 0.2);
    const double move = std::clamp(first / curvature, -1.0, 1.0);
    u += move;
    if (std::abs(move) < 1e-7) break;
  }
  centre_[level] = u;
  spread_[level] = 1 / std::sqrt(curvature);
}

/// log of the level's likelihood; fills the moments with weights π κ, and `posterior` with π.
double LocationScaleObjective::integrate(Index level, NodeMoments* posterior) {
  const Index points = random_scale_ ? rule_.nodes.size() : 1;
  nodes_.resize(at(points));
  node_mean_.resize(q_, points);
  node_variance_.resize(q_, points);
  double largest = -std::numeric_limits<double>::infinity();
  for (Index k = 0; k < points; ++k) {
    Node& node = nodes_[at(k)];
    node.u = random_scale_ ? centre_[level] + spread_[level] * rule_.nodes[k] : 0;
    node.log_density = level_.at(node.u);
    if (random_scale_) node.log_density += log_weights_[k] - 0.5 * node.u * node.u;
    node.kappa = level_.kappa;
    node.slope_in_s = level_.slope_in_s;
    node_mean_.col(k) = level_.m;
    node_variance_.col(k) = level_.r;
    largest = std::max(largest, node.log_density);
  }
  double sum = 0;
  for (Node& node : nodes_) sum += (node.log_density = std::exp(node.log_density - largest));
  moments_.clear();
  scale_slope_ = 0;
  for (Index k = 0; k < points; ++k) {
    const Node& node = nodes_[at(k)];
    const double share = node.log_density / sum;
    const double* mean = node_mean_.col(k).data();
    const double* variance = node_variance_.col(k).data();
    moments_.add(share * node.kappa, node.u, mean, variance);
    if (posterior != nullptr) posterior->add(share, node.u, mean, variance);
    scale_slope_ += share * node.slope_in_s;
  }
  const double spread = random_scale_ ? std::log(spread_[level]) : 0;
  return largest + std::log(sum) + spread;
}

/// Adds the slopes of the level's log L in a, Λ and s, and sets those of its rows.
void LocationScaleObjective::add_level_slopes(Index level, Internal& slope) {
  const MatrixXd& f = level_.basis;
  const MatrixXd& u = level_.rotation;
  const VectorXd mean = at_.a * moments_.u + f * moments_.m;                 // E κ b
  const MatrixXd cross = at_.a * moments_.um.transpose() + f * moments_.mm;  // E κ b m'
  const VectorXd times_u = at_.a * moments_.uu + f * moments_.um;            // E κ u b
  slope.a += moments_.u * level_.t - level_.s_matrix * times_u;
  slope.lambda += (level_.t * moments_.m.transpose() -
                   level_.s_matrix * (cross + f * moments_.r.asDiagonal())) *
                  u.transpose();
  slope.s += scale_slope_;
  MatrixXd second = times_u * at_.a.transpose() + cross * f.transpose() +
                    f * moments_.r.asDiagonal() * f.transpose();  // E κ (bb' + C)
  for (Index k = starts_[at(level)]; k < starts_[at(level + 1)]; ++k) {
    const double* z = zt_.col(k).data();
    double linear = 0;
    double square = 0;
    for (Index j = 0; j < q_; ++j) {
      linear += z[j] * mean[j];
      for (Index i = 0; i < q_; ++i) square += z[i] * z[j] * second(i, j);
    }
    const double e = error_[k];
    row_mean_[k] = precision_[k] * (moments_.one * e - linear);
    row_scale_[k] = 0.5 * (precision_[k] * ((moments_.one * e - 2 * linear) * e + square) - 1);
  }
}

void LocationScaleObjective::evaluate(const VectorXd& x, Derivatives& out) {
  at_ = unpack(x);
  update_rows();
  Internal slope{
      .beta = {}, .tau = {}, .lambda = MatrixXd::Zero(q_, q_), .s = 0, .a = VectorXd::Zero(q_)};
  out.value = std::numeric_limits<double>::quiet_NaN();
  out.gradient = VectorXd::Zero(x.size());
  if (!precision_.allFinite() || std::abs(at_.s) > 20) return;
  double log_likelihood = 0;
  for (Index level = 0; level + 1 < static_cast<Index>(starts_.size()); ++level) {
    fill_level(level);
    if (random_scale_ && !held_) place_nodes(level);
    log_likelihood += integrate(level, nullptr);
    add_level_slopes(level, slope);
  }
  out.value = -log_likelihood;
  out.gradient.head(p_) = -x_.transpose() * row_mean_;
  out.gradient.segment(p_, m_) = -w_.transpose() * row_scale_;
  Index k = p_ + m_;
  Index first = 0;
  for (const Index q : blocks_) {
    for (Index j = first; j < first + q; ++j)
      for (Index i = j; i < first + q; ++i) out.gradient[k++] = -slope.lambda(i, j);
    first += q;
  }
  if (random_scale_) out.gradient[k++] = -slope.s;
  if (random_scale_ && correlated_) out.gradient.tail(q_) = -slope.a;
}

LocationScaleObjective::Effects LocationScaleObjective::effects() {
  const auto levels = static_cast<Index>(starts_.size()) - 1;
  const VectorXd unit = y_scale_ * z_scale_.cwiseInverse();
  Effects result{.scale = VectorXd(levels),
                 .scale_sd = VectorXd(levels),
                 .mean = MatrixXd(levels, q_),
                 .covariance = MatrixXd(levels * q_, q_)};
  NodeMoments posterior(q_);
  for (Index level = 0; level < levels; ++level) {
    fill_level(level);
    posterior.clear();
    (void)integrate(level, &posterior);
    const MatrixXd& f = level_.basis;
    const VectorXd mean = at_.a * posterior.u + f * posterior.m;
    const MatrixXd cross = f * posterior.um * at_.a.transpose();
    const MatrixXd second = at_.a * at_.a.transpose() * posterior.uu + cross + cross.transpose() +
                            f * (posterior.mm + MatrixXd(posterior.r.asDiagonal())) * f.transpose();
    result.scale[level] = at_.s * posterior.u;
    const double variance = random_scale_ ? posterior.uu - posterior.u * posterior.u : 0;
    result.scale_sd[level] = std::abs(at_.s) * std::sqrt(std::max(0.0, variance));
    result.mean.row(level) = unit.cwiseProduct(mean).transpose();
    result.covariance.middleRows(level * q_, q_) =
        unit.asDiagonal() * (second - mean * mean.transpose()) * unit.asDiagonal();
  }
  return result;
}

}  // namespace rapport::detail
