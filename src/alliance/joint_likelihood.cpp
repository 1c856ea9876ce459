#include "joint_likelihood.hpp"

#include <rapport/base/parallel.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <numbers>
#include <utility>

namespace rapport {
namespace {

using Eigen::LLT;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// log P(d | η) and its derivatives in η.
struct HazardValue {
  double log_probability = 0;
  double slope = 0;
  double curvature = 0;
};

HazardValue hazard_value(Link link, double eta, bool left) {
  if (link == Link::cloglog) {
    const double rate = std::exp(eta);  // −log(1 − h)
    if (!left) return {-rate, -rate, -rate};
    const double log_h = rate < 1e-8 ? eta - rate / 2 : std::log(-std::expm1(-rate));
    const double ratio = rate < 1e-8 ? 1 - rate / 2 : rate / std::expm1(rate);
    return {log_h, ratio, ratio * (1 - rate - ratio)};
  }
  const double h = 1 / (1 + std::exp(-eta));
  const double log_stay = eta > 500 ? -eta : -std::log1p(std::exp(eta));
  return {left ? log_stay + eta : log_stay, left ? 1 - h : -h, -h * (1 - h)};
}

/// The hazard's part of one patient as a function of u.
struct HazardOfPatient {
  const JointPatient& data;
  Link link;
  VectorXd base;      ///< Wγ
  MatrixXd loadings;  ///< r × q: η = base + loadings · u

  double add(const VectorXd& u, VectorXd& slope, MatrixXd& curvature) const {
    double sum = 0;
    for (Index t = 0; t < base.size(); ++t) {
      const HazardValue value =
          hazard_value(link, base[t] + loadings.row(t).dot(u), data.left[t] == 1);
      sum += value.log_probability;
      slope += value.slope * loadings.row(t).transpose();
      curvature += value.curvature * loadings.row(t).transpose() * loadings.row(t);
    }
    return sum;
  }
};

/// The same at many u (columns) at once.
struct HazardOfNodes {
  MatrixXd slope;            ///< r × K, by η
  VectorXd log_probability;  ///< K

  HazardOfNodes(const HazardOfPatient& hazard, const MatrixXd& u) {
    const MatrixXd eta = (hazard.loadings * u).colwise() + hazard.base;
    const Eigen::ArrayXXd odds = eta.array().min(500.0).exp();  // cloglog: −log(1 − h)
    if (hazard.link == Link::logit) {
      slope = -(odds / (1 + odds)).matrix();
      log_probability = -(1 + odds).log().colwise().sum().matrix().transpose();
    } else {
      slope = -odds.matrix();
      log_probability = -odds.colwise().sum().matrix().transpose();
    }
    for (Index t = 0; t < hazard.base.size(); ++t) {
      if (hazard.data.left[t] != 1) continue;
      for (Index k = 0; k < u.cols(); ++k) {
        const HazardValue leaves = hazard_value(hazard.link, eta(t, k), true);
        log_probability[k] +=
            leaves.log_probability - hazard_value(hazard.link, eta(t, k), false).log_probability;
        slope(t, k) = leaves.slope;
      }
    }
  }
};

/// u given y: N(mean, precision⁻¹).
struct Posterior {
  LLT<MatrixXd> precision;
  MatrixXd precision_matrix;
  VectorXd mean;
  double log_density_of_y;

  Posterior(const JointPatient& data, const VectorXd& residual, const MatrixXd& loadings,
            double sigma) {
    const double variance = sigma * sigma;
    precision_matrix = MatrixXd::Identity(loadings.cols(), loadings.cols()) +
                       loadings.transpose() * loadings / variance;
    precision.compute(precision_matrix);
    const VectorXd cross = loadings.transpose() * residual / variance;
    mean = precision.solve(cross);
    const double log_root = precision.matrixLLT().diagonal().array().log().sum();
    const auto n = static_cast<double>(data.response.size());
    log_density_of_y = -0.5 * n * std::log(2 * std::numbers::pi * variance) - log_root -
                       0.5 * (residual.squaredNorm() / variance - cross.dot(mean));
  }

  /// log N(u; mean, precision⁻¹).
  [[nodiscard]] double log_density(const VectorXd& u) const {
    const VectorXd z = precision.matrixU() * (u - mean);
    return precision.matrixLLT().diagonal().array().log().sum() -
           0.5 * static_cast<double>(u.size()) * std::log(2 * std::numbers::pi) -
           0.5 * z.squaredNorm();
  }
};

/// The mode of posterior times hazard, and the Cholesky factor of minus the Hessian there. The
/// function is concave: Newton's steps, halved while they do not climb.
std::pair<VectorXd, LLT<MatrixXd>> mode_of(const Posterior& posterior,
                                           const HazardOfPatient& hazard) {
  VectorXd u = posterior.mean;
  const Index q = u.size();
  const auto value_at = [&](const VectorXd& at, VectorXd& slope, MatrixXd& information) {
    slope = -(posterior.precision_matrix * (at - posterior.mean));
    MatrixXd curvature = -posterior.precision_matrix;
    const double value = hazard.add(at, slope, curvature);
    information = -curvature;
    return value + posterior.log_density(at);
  };
  VectorXd slope(q);
  MatrixXd information(q, q);
  double value = value_at(u, slope, information);
  LLT<MatrixXd> root(information);
  for (int iteration = 0; iteration < 50; ++iteration) {
    VectorXd step = root.solve(slope);
    if (slope.dot(step) < 1e-18) break;
    double proposed = value;
    VectorXd next;
    for (int halving = 0; halving < 30; ++halving, step /= 2) {
      next = u + step;
      proposed = value_at(next, slope, information);
      if (proposed >= value) break;
    }
    u = next;
    value = proposed;
    root.compute(information);
  }
  return {u, root};
}

}  // namespace

MatrixXd JointLayout::factor_of(const VectorXd& parameters) const {
  MatrixXd lower = MatrixXd::Zero(effects, effects);
  Index at = factor();
  for (Index j = 0; j < effects; ++j)
    for (Index i = j; i < effects; ++i) lower(i, j) = parameters[at++];
  return lower;
}

JointLikelihood::JointLikelihood(std::vector<JointPatient> patients, JointLayout layout, Link link,
                                 Index points, int threads)
    : patients_(std::move(patients)), layout_(layout), link_(link), threads_(threads) {
  const QuadratureRule rule = gauss_hermite(points);
  const Index q = layout_.effects;
  Index count = 1;
  for (Index l = 0; l < q; ++l) count *= points;
  nodes_.resize(q, count);
  log_weights_.resize(count);
  for (Index k = 0; k < count; ++k) {
    double log_weight = 0;
    Index rest = k;
    for (Index l = 0; l < q; ++l, rest /= points) {
      nodes_(l, k) = rule.nodes[rest % points];
      log_weight += std::log(rule.weights[rest % points]);
    }
    log_weights_[k] = log_weight + 0.5 * nodes_.col(k).squaredNorm() +
                      0.5 * static_cast<double>(q) * std::log(2 * std::numbers::pi);
  }
}

double JointLikelihood::evaluate(const VectorXd& parameters, MatrixXd& scores) const {
  const auto n = static_cast<Index>(patients_.size());
  scores.resize(layout_.size(), n);
  VectorXd values(n);
  const MatrixXd factor = layout_.factor_of(parameters);
  parallel_for(n, threads_, [&](Index i) {
    values[i] = patient(patients_[static_cast<std::size_t>(i)], parameters, factor, scores.col(i));
  });
  return values.sum();
}

double JointLikelihood::patient(const JointPatient& data, const VectorXd& parameters,
                                const MatrixXd& factor, Eigen::Ref<VectorXd> score) const {
  const Index q = layout_.effects;
  const VectorXd beta = parameters.head(layout_.fixed);
  const double sigma = std::exp(parameters[layout_.log_sigma()]);
  const VectorXd gamma = parameters.segment(layout_.gamma(), layout_.hazard);
  const VectorXd alpha = parameters.segment(layout_.alpha(), layout_.associations);
  const bool current = data.shared.size() > 0;
  // How η changes with b: α itself, or α times the row's own Z.
  const MatrixXd eta_by_b = current ? MatrixXd(alpha[0] * data.shared)
                                    : MatrixXd(alpha.transpose().replicate(data.left.size(), 1));
  const VectorXd residual = data.response - data.fixed * beta;
  const Posterior posterior(data, residual, data.random * factor, sigma);
  const HazardOfPatient hazard{data, link_, data.hazard * gamma, eta_by_b * factor};
  const auto [mode, root] = mode_of(posterior, hazard);

  const MatrixXd u = (root.matrixU().solve(nodes_)).colwise() + mode;
  const HazardOfNodes of_nodes(hazard, u);
  VectorXd log_terms = log_weights_ + of_nodes.log_probability;
  for (Index k = 0; k < u.cols(); ++k) log_terms[k] += posterior.log_density(u.col(k));
  const double largest = log_terms.maxCoeff();
  VectorXd weights = (log_terms.array() - largest).exp();
  const double total = weights.sum();
  weights /= total;

  const double variance = sigma * sigma;
  const MatrixXd b = factor * u;
  const VectorXd mean_b = b * weights;
  const MatrixXd gram = data.random.transpose() * data.random;
  const VectorXd cross = data.random.transpose() * residual;
  const double squares = residual.squaredNorm() - 2 * cross.dot(mean_b) +
                         (gram * b * weights.asDiagonal() * b.transpose()).trace();
  score.head(layout_.fixed) = data.fixed.transpose() * (residual - data.random * mean_b) / variance;
  score[layout_.log_sigma()] = squares / variance - static_cast<double>(residual.size());
  score.segment(layout_.gamma(), layout_.hazard) =
      data.hazard.transpose() * (of_nodes.slope * weights);
  if (current) {
    const MatrixXd line = data.shared * b;
    score[layout_.alpha()] = line.cwiseProduct(of_nodes.slope).colwise().sum().dot(weights);
  } else {
    const VectorXd slopes = of_nodes.slope.colwise().sum().transpose();
    score.segment(layout_.alpha(), layout_.associations) = b * slopes.cwiseProduct(weights);
  }
  const MatrixXd by_b =
      ((-gram * b).colwise() + cross) / variance + eta_by_b.transpose() * of_nodes.slope;
  const MatrixXd by_factor = by_b * weights.asDiagonal() * u.transpose();
  Index at = layout_.factor();
  for (Index j = 0; j < q; ++j)
    for (Index i = j; i < q; ++i) score[at++] = by_factor(i, j);
  const double log_root = root.matrixLLT().diagonal().array().log().sum();
  return posterior.log_density_of_y - log_root + largest + std::log(total);
}

}  // namespace rapport
