#include <rapport/alliance/meta.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "meta_design.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

/// What a fit says of single studies: robust tests, predictions, deletion diagnostics.
namespace rapport {
namespace {

/// The model's covariance of the coefficients, (X'M⁻¹X)⁻¹, whatever the test.
Eigen::MatrixXd model_covariance(const MetaData& data, const MetaFit& fit,
                                 const MetaDesign& design) {
  MarginalMoments moments(design.u.cols(), design.studies.empty() ? 1 : 2, true);
  Eigen::VectorXd theta(moments.parameters());
  theta[0] = study_variance(fit);
  theta[theta.size() - 1] = effect_variance(fit);
  nested_moments(data, design)(theta, moments);
  return on_scale_of_x(generalized_least_squares(moments), design.r).covariance;
}

Eigen::VectorXd estimates_of(const MetaFit& fit) {
  Eigen::VectorXd estimates(static_cast<Index>(fit.coefficients.size()));
  for (std::size_t j = 0; j < fit.coefficients.size(); ++j)
    estimates[static_cast<Index>(j)] = fit.coefficients[j].estimate;
  return estimates;
}

/// The symmetric B^(−1/2); directions in which B is 0 stay 0 (the generalised inverse).
Eigen::MatrixXd inverse_root(const Eigen::MatrixXd& b) {
  if (b.rows() == 1)
    return Eigen::MatrixXd::Constant(1, 1, b(0, 0) > 0 ? 1 / std::sqrt(b(0, 0)) : 0);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(b);
  const double least = 1e-12 * eigen.eigenvalues().maxCoeff();
  const Eigen::VectorXd roots = eigen.eigenvalues().unaryExpr(
      [&](double value) { return value > least ? 1 / std::sqrt(value) : 0.0; });
  return eigen.eigenvectors() * roots.asDiagonal() * eigen.eigenvectors().transpose();
}

/// A cluster's share in the robust covariance. With Φ its covariance under the working model and C
/// = (X'Φ⁻¹X)⁻¹ of all: B = D(Φ − XCX')D' for Φ = D'D, and A = D'B^(−1/2)D makes E[A e e' A'] = Φ
/// exact under the working model.
struct Cluster {
  Eigen::MatrixXd loadings;  ///< A'Φ⁻¹XC, n × p
  Eigen::MatrixXd phi;
  Eigen::MatrixXd x;
};

Cluster adjusted_cluster(const Eigen::MatrixXd& phi, const Eigen::MatrixXd& x,
                         const Eigen::MatrixXd& c) {
  const Eigen::LLT<Eigen::MatrixXd> factor(phi);
  const Eigen::MatrixXd d = factor.matrixU();
  const Eigen::MatrixXd b = d * (phi - x * c * x.transpose()) * d.transpose();
  const Eigen::MatrixXd a = d.transpose() * inverse_root(b) * d;
  return {.loadings = a.transpose() * factor.solve(x * c), .phi = phi, .x = x};
}

/// Satterthwaite's df of the robust variance of coefficient j: (Σ λ)²/Σ λ² of the quadratic form,
/// from its k × k Gram matrix δ_st a_s'Φ_s a_s − a_s'X_s C X_t'a_t (Pustejovsky & Tipton 2018).
double satterthwaite_df(const std::vector<Cluster>& clusters, const Eigen::MatrixXd& c, Index j) {
  const auto count = static_cast<Index>(clusters.size());
  Eigen::MatrixXd ax(c.rows(), count);
  Eigen::VectorXd own(count);
  for (Index s = 0; s < count; ++s) {
    const Cluster& cluster = clusters[static_cast<std::size_t>(s)];
    const Eigen::VectorXd a = cluster.loadings.col(j);
    ax.col(s) = cluster.x.transpose() * a;
    own[s] = a.dot(cluster.phi * a);
  }
  Eigen::MatrixXd gram = -ax.transpose() * c * ax;
  gram.diagonal() += own;
  return gram.trace() * gram.trace() / gram.squaredNorm();
}

std::vector<Index> all_but(const std::vector<Index>& left_out, Index n) {
  std::vector<bool> keep(static_cast<std::size_t>(n), true);
  for (const Index row : left_out) keep[static_cast<std::size_t>(row)] = false;
  std::vector<Index> rest;
  for (Index i = 0; i < n; ++i)
    if (keep[static_cast<std::size_t>(i)]) rest.push_back(i);
  return rest;
}

}  // namespace

std::vector<MetaCoefficient> robust_coefficients(const MetaData& data, const MetaFit& fit) {
  const MetaDesign design = make_meta_design("robust_coefficients", data);
  const Eigen::MatrixXd c = model_covariance(data, fit, design);
  const Eigen::VectorXd estimates = estimates_of(fit);
  const Eigen::VectorXd residual = data.effect - design.x * estimates;
  std::vector<Cluster> clusters;
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(c.rows(), c.cols());
  for (const std::vector<Index>& rows : clusters_of(data)) {
    clusters.push_back(
        adjusted_cluster(marginal_covariance(data, fit, rows), design.x(rows, Eigen::all), c));
    const Eigen::VectorXd score = clusters.back().loadings.transpose() * residual(rows);
    covariance.noalias() += score * score.transpose();
  }
  std::vector<MetaCoefficient> robust;
  for (Index j = 0; j < estimates.size(); ++j)
    robust.push_back(meta_coefficient(design.terms[static_cast<std::size_t>(j)], estimates[j],
                                      std::sqrt(covariance(j, j)), satterthwaite_df(clusters, c, j),
                                      fit.options.confidence_level));
  return robust;
}

std::vector<MetaPrediction> meta_blups(const MetaData& data, const MetaFit& fit) {
  const MetaDesign design = make_meta_design("meta_blups", data);
  const Eigen::VectorXd mean = design.x * estimates_of(fit);
  std::vector<MetaPrediction> blups(static_cast<std::size_t>(data.effect.size()));
  for (const std::vector<Index>& rows : clusters_of(data)) {
    const auto n = static_cast<Index>(rows.size());
    Eigen::MatrixXd g = Eigen::MatrixXd::Constant(n, n, study_variance(fit));
    g.diagonal().array() += effect_variance(fit);
    const Eigen::MatrixXd x = design.x(rows, Eigen::all);
    const Eigen::MatrixXd gain =
        Eigen::LLT<Eigen::MatrixXd>(marginal_covariance(data, fit, rows)).solve(g).transpose();
    const Eigen::VectorXd predicted = mean(rows) + gain * (data.effect(rows) - mean(rows));
    const Eigen::MatrixXd left = x - gain * x;
    const Eigen::MatrixXd error = g - gain * g + left * fit.covariance * left.transpose();
    for (Index i = 0; i < n; ++i)
      blups[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)])] = {
          .estimate = predicted[i], .standard_error = std::sqrt(std::max(0.0, error(i, i)))};
  }
  return blups;
}

std::vector<MetaMean> meta_means(const MetaFit& fit, const MatrixView& moderators) {
  const auto p = static_cast<Index>(fit.coefficients.size());
  require_same_size("meta_means", "moderators (columns)", moderators.cols(),
                    "moderators of the fit", p - 1);
  const Eigen::VectorXd estimates = estimates_of(fit);
  const double df = fit.coefficients[0].df;
  const double heterogeneity = study_variance(fit) + effect_variance(fit);
  std::vector<MetaMean> means;
  for (Index i = 0; i < moderators.rows(); ++i) {
    Eigen::VectorXd x(p);
    x << 1, moderators.row(i).transpose();
    const double variance = x.dot(fit.covariance * x);
    const double level = fit.options.confidence_level;
    const MetaCoefficient mean =
        meta_coefficient("", x.dot(estimates), std::sqrt(variance), df, level);
    const MetaCoefficient effect =
        meta_coefficient("", mean.estimate, std::sqrt(variance + heterogeneity), df, level);
    means.push_back({.estimate = mean.estimate,
                     .standard_error = mean.standard_error,
                     .ci = mean.ci,
                     .prediction_interval = effect.ci});
  }
  return means;
}

std::vector<MetaWithout> leave_one_out(const MetaData& data, const MetaFit& fit) {
  const Eigen::VectorXd estimates = estimates_of(fit);
  const Eigen::LLT<Eigen::MatrixXd> metric(fit.covariance);
  std::vector<MetaWithout> without;
  for (const std::vector<Index>& rows : clusters_of(data)) {
    MetaWithout own{.estimate = missing,
                    .standard_error = missing,
                    .p_value = missing,
                    .ci = {missing, missing, fit.options.confidence_level},
                    .tau2 = missing,
                    .i2 = missing,
                    .q = missing,
                    .cooks_distance = missing};
    try {
      const MetaFit rest = fit_meta(select(data, all_but(rows, data.effect.size())), fit.options);
      const MetaCoefficient& first = rest.coefficients[0];
      const Eigen::VectorXd shift = estimates - estimates_of(rest);
      own = {.estimate = first.estimate,
             .standard_error = first.standard_error,
             .p_value = first.p_value,
             .ci = first.ci,
             .tau2 = study_variance(rest) + effect_variance(rest),
             .i2 = rest.i2,
             .q = rest.q.statistic,
             .cooks_distance = shift.dot(metric.solve(shift))};
    } catch (const InvalidArgument&) {  // the others alone are too few, or do not vary
    }
    without.push_back(own);
  }
  return without;
}

std::vector<MetaInfluence> meta_influence(const MetaData& data, const MetaFit& fit) {
  if (!data.study.empty())
    throw InvalidArgument("meta_influence: `study` is given; these diagnostics are of two levels");
  const MetaDesign design = make_meta_design("meta_influence", data);
  const Index k = data.effect.size();
  const Eigen::VectorXd estimates = estimates_of(fit);
  const Eigen::VectorXd weights = (data.variance.array() + effect_variance(fit)).inverse();
  const Eigen::MatrixXd c = model_covariance(data, fit, design);
  const Eigen::LLT<Eigen::MatrixXd> metric(fit.covariance);
  std::vector<MetaInfluence> influence;
  for (Index i = 0; i < k; ++i) {
    const Eigen::VectorXd x = design.x.row(i).transpose();
    MetaInfluence own{.studentized_residual = missing,
                      .dffits = missing,
                      .cooks_distance = missing,
                      .hat = weights[i] * x.dot(c * x),
                      .weight = 100 * weights[i] / weights.sum()};
    try {
      const MetaFit rest = fit_meta(select(data, all_but({i}, k)), fit.options);
      const Eigen::VectorXd others = estimates_of(rest);
      const Eigen::VectorXd shift = estimates - others;
      const double variance = data.variance[i] + effect_variance(rest);
      const double spread =
          fit.options.test == MetaTest::knapp_hartung ? fit.covariance(0, 0) / c(0, 0) : 1;
      own.studentized_residual =
          (data.effect[i] - x.dot(others)) / std::sqrt(variance + x.dot(rest.covariance * x));
      own.dffits = x.dot(shift) / std::sqrt(spread * own.hat * variance);
      own.cooks_distance = shift.dot(metric.solve(shift));
    } catch (const InvalidArgument&) {  // the model cannot be fitted without it
    }
    influence.push_back(own);
  }
  return influence;
}

BootstrapResult bootstrap_meta(const MetaData& data, Seed seed, const MetaOptions& model,
                               const BootstrapOptions& options) {
  const std::vector<std::vector<Index>> clusters = clusters_of(data);
  std::vector<bool> starts(static_cast<std::size_t>(data.effect.size()), false);
  for (const std::vector<Index>& rows : clusters)
    starts[static_cast<std::size_t>(rows.front())] = true;
  const auto estimate = [&](const std::vector<Index>& rows) {
    MetaData drawn = select(data, rows);
    std::int32_t study = -1;  // a study drawn twice is two studies
    for (std::size_t i = 0; i < drawn.study.size(); ++i) {
      if (starts[static_cast<std::size_t>(rows[i])]) ++study;
      drawn.study[i] = study;
    }
    try {
      return fit_meta(drawn, model).coefficients[0].estimate;
    } catch (const InvalidArgument&) {
      return missing;
    }
  };
  (void)fit_meta(data, model);  // what is wrong with the data themselves is said, not counted
  return cluster_bootstrap(clusters, estimate, seed, options);
}

}  // namespace rapport
