#include "marginal_likelihood.hpp"

#include <Eigen/Cholesky>

#include <cmath>
#include <limits>

namespace rapport {
namespace {

/// m += f (a b' + b a'), without a temporary: studies are many and small.
void add_symmetric(Eigen::MatrixXd& m, double f, const Eigen::VectorXd& a,
                   const Eigen::VectorXd& b) {
  for (Index j = 0; j < m.cols(); ++j)
    for (Index i = 0; i < m.rows(); ++i) m(i, j) += f * (a[i] * b[j] + b[i] * a[j]);
}

/// tr(A B) of two square matrices.
double trace_of_product(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  return a.cwiseProduct(b.transpose()).sum();
}

}  // namespace

MarginalMoments::MarginalMoments(Index columns, Index parameters, bool linear)
    : cross(columns, columns), trace(parameters), trace2(parameters, parameters) {
  const auto pairs = static_cast<std::size_t>(parameters * (parameters + 1) / 2);
  first.assign(static_cast<std::size_t>(parameters), Eigen::MatrixXd(columns, columns));
  second.assign(pairs, Eigen::MatrixXd(columns, columns));
  if (linear) return;
  bend_trace.resize(parameters, parameters);
  bend.assign(pairs, Eigen::MatrixXd(columns, columns));
}

void MarginalMoments::clear() {
  log_determinant = 0;
  cross.setZero();
  trace.setZero();
  trace2.setZero();
  bend_trace.setZero();
  for (Eigen::MatrixXd& matrix : first) matrix.setZero();
  for (Eigen::MatrixXd& matrix : second) matrix.setZero();
  for (Eigen::MatrixXd& matrix : bend) matrix.setZero();
}

GeneralizedLeastSquares generalized_least_squares(const MarginalMoments& moments) {
  const Index p = moments.cross.rows() - 1;
  const Eigen::LLT<Eigen::MatrixXd> factor(moments.cross.topLeftCorner(p, p));
  GeneralizedLeastSquares fit;
  fit.coefficients = factor.solve(moments.cross.col(p).head(p));
  fit.covariance = factor.solve(Eigen::MatrixXd::Identity(p, p));
  fit.quadratic = moments.cross(p, p) - moments.cross.col(p).head(p).dot(fit.coefficients);
  return fit;
}

void minus_twice_log_likelihood(const MarginalMoments& m, bool restricted,
                                Derivatives& derivatives) {
  const Index p = m.cross.rows() - 1;
  const Index q = m.parameters();
  const Eigen::LLT<Eigen::MatrixXd> factor(m.cross.topLeftCorner(p, p));
  if (factor.info() != Eigen::Success || !std::isfinite(m.log_determinant)) {
    derivatives.value = std::numeric_limits<double>::infinity();
    derivatives.gradient.setZero(q);
    derivatives.hessian.setZero(q, q);
    return;
  }
  const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(p, p));
  Eigen::VectorXd w(p + 1);  // residual = U w
  w.head(p) = -inverse * m.cross.col(p).head(p);
  w[p] = 1;
  const double keep = restricted ? 1 : 0;
  derivatives.value = m.log_determinant + w.dot(m.cross * w);
  if (restricted)
    derivatives.value += 2 * Eigen::MatrixXd(factor.matrixL()).diagonal().array().log().sum();

  Eigen::MatrixXd projected(p + 1, q);                               // F_j w
  std::vector<Eigen::MatrixXd> scaled(static_cast<std::size_t>(q));  // (X'AX)⁻¹ X'A D_j A X
  derivatives.gradient.resize(q);
  derivatives.hessian.resize(q, q);
  for (Index j = 0; j < q; ++j) {
    const Eigen::MatrixXd& first = m.first[static_cast<std::size_t>(j)];
    projected.col(j) = first * w;
    scaled[static_cast<std::size_t>(j)] = inverse * first.topLeftCorner(p, p);
    derivatives.gradient[j] =
        m.trace[j] - w.dot(projected.col(j)) - keep * scaled[static_cast<std::size_t>(j)].trace();
  }
  for (Index k = 0; k < q; ++k)
    for (Index j = 0; j <= k; ++j) {
      const Eigen::MatrixXd& second = m.second[MarginalMoments::pair(j, k)];
      double h = -m.trace2(j, k) + 2 * w.dot(second * w) -
                 2 * projected.col(j).head(p).dot(inverse * projected.col(k).head(p));
      h += keep * (2 * trace_of_product(inverse, second.topLeftCorner(p, p)) -
                   trace_of_product(scaled[static_cast<std::size_t>(j)],
                                    scaled[static_cast<std::size_t>(k)]));
      if (!m.bend.empty()) {
        const Eigen::MatrixXd& bend = m.bend[MarginalMoments::pair(j, k)];
        h += m.bend_trace(j, k) - w.dot(bend * w) -
             keep * trace_of_product(inverse, bend.topLeftCorner(p, p));
      }
      derivatives.hessian(j, k) = h;
      derivatives.hessian(k, j) = h;
    }
}

NestedModel::NestedModel(const Eigen::MatrixXd& u, const Eigen::VectorXd& variance,
                         const std::vector<std::vector<Index>>& studies)
    : u_(u.cols(), u.rows()), variance_(u.rows()), nested_(!studies.empty()) {
  Index at = 0;
  const auto place = [&](Index row) {
    u_.col(at) = u.row(row).transpose();
    variance_[at++] = variance[row];
  };
  for (const std::vector<Index>& rows : studies) {
    start_.push_back(at);
    for (const Index row : rows) place(row);
  }
  if (!nested_) {
    start_.push_back(0);
    for (Index row = 0; row < u.rows(); ++row) place(row);
  }
  start_.push_back(at);
}

void NestedModel::accumulate(const Eigen::VectorXd& theta, MarginalMoments& moments) {
  moments.clear();
  const double effect_variance = theta[theta.size() - 1];
  for (std::size_t s = 0; s + 1 < start_.size(); ++s)
    add_study(sum_powers(start_[s], start_[s + 1], effect_variance), theta, moments);
}

/// Fills `power_` with W = diag(1/(v + σ²_effect)) and returns log |W⁻¹|.
double NestedModel::sum_powers(Index first, Index last, double effect_variance) {
  const Index columns = u_.rows();
  double log_determinant = 0;
  for (PowerSums& power : power_) {
    power.both.setZero(columns, columns);
    power.one.setZero(columns);
    power.none = 0;
  }
  for (Index i = first; i < last; ++i) {
    const double total = variance_[i] + effect_variance;
    log_determinant += std::log(total);
    double weight = 1;
    for (PowerSums& power : power_) {
      weight /= total;
      power.none += weight;
      for (Index b = 0; b < columns; ++b) {
        const double weighted = weight * u_(b, i);
        power.one[b] += weighted;
        for (Index a = 0; a <= b; ++a) power.both(a, b) += weighted * u_(a, i);
      }
    }
  }
  for (PowerSums& power : power_)
    for (Index b = 0; b < columns; ++b)
      for (Index a = 0; a < b; ++a) power.both(b, a) = power.both(a, b);
  return log_determinant;
}

/// With w = W1 and c = σ²_study / (1 + σ²_study 1'w): A = W − c ww'. A², A³ and what stands between
/// U' and U follow from the power sums of W.
void NestedModel::add_study(double log_determinant, const Eigen::VectorXd& theta,
                            MarginalMoments& moments) {
  const double study = nested_ ? theta[0] : 0;
  const Index e = theta.size() - 1;  // where σ²_effect stands
  const Eigen::VectorXd &p1 = power_[0].one, &p2 = power_[1].one, &p3 = power_[2].one;
  const double n1 = power_[0].none, n2 = power_[1].none, n3 = power_[2].none;
  const double g = 1 / (1 + study * n1);
  const double c = study * g;
  if (c > 0) {  // W^r becomes A^r
    add_symmetric(power_[2].both, -c / 2, p2, p2);
    add_symmetric(power_[2].both, -c, p1, p3);
    add_symmetric(power_[2].both, c * c * n2, p1, p2);
    add_symmetric(power_[2].both, (c * c * n3 - c * c * c * n2 * n2) / 2, p1, p1);
    add_symmetric(power_[1].both, -c, p1, p2);
    add_symmetric(power_[1].both, c * c * n2 / 2, p1, p1);
    add_symmetric(power_[0].both, -c / 2, p1, p1);
  }
  moments.log_determinant += log_determinant - std::log(g);
  moments.cross += power_[0].both;
  moments.first[static_cast<std::size_t>(e)] += power_[1].both;
  moments.second[MarginalMoments::pair(e, e)] += power_[2].both;
  moments.trace[e] += n1 - c * n2;
  moments.trace2(e, e) += n2 - 2 * c * n3 + c * c * n2 * n2;
  if (!nested_) return;

  const double a = g * n1;           // 1'A1
  h_ = g * p1;                       // U'A1
  h2_ = g * p2 - (g * c * n2) * p1;  // U'AA1
  add_symmetric(moments.first[0], 0.5, h_, h_);
  add_symmetric(moments.second[MarginalMoments::pair(0, 0)], a / 2, h_, h_);
  add_symmetric(moments.second[MarginalMoments::pair(0, 1)], 0.5, h_, h2_);
  moments.trace[0] += a;
  moments.trace2(0, 0) += a * a;
  moments.trace2(0, 1) += g * g * n2;
  moments.trace2(1, 0) += g * g * n2;
}

bool accumulate(const DenseStudy& study, MarginalMoments& moments) {
  const Eigen::LLT<Eigen::MatrixXd> factor(study.covariance);
  if (factor.info() != Eigen::Success) return false;
  const Index n = study.covariance.rows();
  const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(n, n));
  const Eigen::MatrixXd au = inverse * study.u;
  moments.log_determinant += 2 * Eigen::MatrixXd(factor.matrixL()).diagonal().array().log().sum();
  moments.cross.noalias() += study.u.transpose() * au;
  std::vector<Eigen::MatrixXd> ad, dau;  // A D_j and D_j A U
  for (const Eigen::MatrixXd& d : study.derivatives) {
    ad.push_back(inverse * d);
    dau.push_back(d * au);
  }
  for (std::size_t k = 0; k < ad.size(); ++k) {
    const auto column = static_cast<Index>(k);
    moments.trace[column] += ad[k].trace();
    moments.first[k].noalias() += au.transpose() * dau[k];
    for (std::size_t j = 0; j <= k; ++j) {
      const auto row = static_cast<Index>(j);
      const Eigen::MatrixXd middle = dau[j].transpose() * inverse * dau[k];
      const std::size_t pair = MarginalMoments::pair(row, column);
      moments.second[pair] += 0.5 * (middle + middle.transpose());
      const double trace = trace_of_product(ad[j], ad[k]);
      moments.trace2(row, column) += trace;
      if (row != column) moments.trace2(column, row) += trace;
      if (study.bends.empty()) continue;
      moments.bend[pair].noalias() += au.transpose() * study.bends[pair] * au;
      moments.bend_trace(row, column) += trace_of_product(inverse, study.bends[pair]);
    }
  }
  return true;
}

Orthonormal orthonormalized(const Eigen::MatrixXd& x) {
  Orthonormal result{.q = x, .r = Eigen::MatrixXd::Zero(x.cols(), x.cols()), .dependent = -1};
  for (Index j = 0; j < x.cols(); ++j) {
    const double length = x.col(j).norm();
    for (int pass = 0; pass < 2;
         ++pass)  // the second pass removes what rounding left (Björck 1967)
      for (Index i = 0; i < j; ++i) {
        const double share = result.q.col(i).dot(result.q.col(j));
        result.q.col(j) -= share * result.q.col(i);
        result.r(i, j) += share;
      }
    result.r(j, j) = result.q.col(j).norm();
    if (!(result.r(j, j) > 1e-10 * length)) {
      result.dependent = j;
      return result;
    }
    result.q.col(j) /= result.r(j, j);
  }
  return result;
}

}  // namespace rapport
