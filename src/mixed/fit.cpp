#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/fit.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "model.hpp"
#include "model_parts.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Ψ of one term's block on the internal scale, with the eigenvalues that are 0 up to rounding set
/// to 0.
MatrixXd settled_block(const MatrixXd& factor, Index& null) {
  const MatrixXd psi = factor * factor.transpose();
  if (least_variance_bound(factor) > null_variance) return psi;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(psi);
  const Index here = (solver.eigenvalues().array() < null_variance).count();
  null += here;
  if (here == 0) return psi;
  const VectorXd values =
      (solver.eigenvalues().array() < null_variance).select(0, solver.eigenvalues());
  return solver.eigenvectors() * values.asDiagonal() * solver.eigenvectors().transpose();
}

MatrixXd correlations(const MatrixXd& covariance) {
  MatrixXd result = MatrixXd::Identity(covariance.rows(), covariance.cols());
  for (Index i = 0; i < covariance.rows(); ++i)
    for (Index j = 0; j < i; ++j) {
      const double scale = std::sqrt(covariance(i, i)) * std::sqrt(covariance(j, j));
      const double correlation =
          scale > 0 ? std::clamp(covariance(i, j) / scale, -1.0, 1.0) : missing;
      result(i, j) = correlation;
      result(j, i) = correlation;
    }
  return result;
}

RandomEffects describe_term(const MixedModel::Data& data, const TermPlace& term,
                            const MatrixXd& factor, double sigma_squared, Index& null) {
  const Index q = term.size();
  RandomEffects random;
  random.factor = term.factor;
  random.terms = term.terms;
  const MatrixXd psi = settled_block(factor.block(term.first, term.first, q, q), null);
  random.covariance = sigma_squared / (data.response_scale * data.response_scale) * term.transform *
                      psi * term.transform.transpose();
  random.sd = random.covariance.diagonal().cwiseMax(0).cwiseSqrt();
  random.correlation = correlations(random.covariance);
  return random;
}

void add_effects(const MixedModel::Data& data, const TermPlace& term,
                 const std::vector<LevelEffects>& effects, double sigma_squared,
                 RandomEffects& random) {
  const Index q = term.size();
  const auto m = static_cast<Index>(term.levels.size());
  const LevelEffects& level = effects[at(term.level)];
  const Index level_size = level.mean.cols();
  random.blups.resize(m, q);
  random.conditional_covariance.resize(m * q, q);
  const MatrixXd to_user = term.transform / data.response_scale;
  for (Index g = 0; g < m; ++g) {
    const Index group = term.level_group.empty() ? g : term.level_group[at(g)];
    random.blups.row(g) = level.mean.row(group).segment(term.first, q) * to_user.transpose();
    random.conditional_covariance.middleRows(g * q, q) =
        sigma_squared * to_user *
        level.covariance.block(group * level_size + term.first, term.first, q, q) *
        to_user.transpose();
  }
}

CriterionValue describe_criterion(const MixedModel::Data& data, double value, Criterion criterion) {
  CriterionValue result;
  const double n = static_cast<double>(data.observations);
  result.method = criterion;
  result.value = value + data.criterion_offset(criterion);
  result.log_likelihood = -result.value / 2;
  result.parameters = data.rank() + data.structure.n_parameters() + 1;
  const double k = static_cast<double>(result.parameters);
  result.aic = result.value + 2 * k;
  result.bic = result.value + std::log(n) * k;
  result.aicc = n > k + 1 ? result.aic + 2 * k * (k + 1) / (n - k - 1) : missing;
  return result;
}

std::string list(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i)
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  return text;
}

/// What is singular about the fit, in plain words.
std::string singular_message(const std::vector<RandomEffects>& random) {
  std::vector<std::string> parts;
  for (const RandomEffects& term : random) {
    bool named = false;
    for (Index i = 0; i < term.sd.size(); ++i)
      if (term.sd[i] == 0) {
        parts.push_back("the variance of " + term.terms[at(i)] + " by " + term.factor +
                        " is estimated as 0");
        named = true;
      }
    for (Index i = 0; i < term.sd.size(); ++i)
      for (Index j = 0; j < i; ++j)
        if (std::abs(term.correlation(i, j)) > 1 - 1e-6) {
          parts.push_back("the correlation of " + term.terms[at(j)] + " and " + term.terms[at(i)] +
                          " by " + term.factor + " is estimated as " +
                          (term.correlation(i, j) > 0 ? "1" : "-1"));
          named = true;
        }
    if (!named && term.sd.size() > 2)
      parts.push_back("the random effects by " + term.factor +
                      " lie in fewer dimensions than they have");
  }
  return list(parts);
}

OptimizerReport describe_search(const CriterionOptimum& optimum,
                                const std::vector<RandomEffects>& random, bool singular) {
  OptimizerReport report;
  report.converged = optimum.converged;
  report.iterations = optimum.iterations;
  report.evaluations = optimum.evaluations;
  report.gradient_norm =
      optimum.gradient.size() == 0 ? 0 : optimum.gradient.lpNorm<Eigen::Infinity>();
  report.singular = singular;
  report.certificate = optimum.certificate;
  report.message = optimum.converged
                       ? "converged"
                       : "stopped before the optimum was reached; the estimates are those reached";
  if (singular)
    report.message += "; " + singular_message(random) +
                      " (the data support no larger value: a simpler random part fits as well)";
  return report;
}

/// The inverse of a symmetric matrix with diagonal ±1 or 0, directions of curvature 0 or less left
/// out.
MatrixXd inverse_without_null(const MatrixXd& matrix) {
  constexpr double flat = 1e-8;
  const Eigen::LLT<MatrixXd, Eigen::Upper> llt(matrix);
  if (llt.info() == Eigen::Success && least_variance_bound(llt.matrixLLT()) > 10 * flat) {
    const MatrixXd root = inverse_of_upper(llt.matrixLLT());
    return root * root.transpose();
  }
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(matrix);
  const VectorXd inverse =
      solver.eigenvalues().unaryExpr([](double value) { return value > flat ? 1 / value : 0.0; });
  return solver.eigenvectors() * inverse.asDiagonal() * solver.eigenvectors().transpose();
}

/// Twice the inverse of the criterion's Hessian in (θ, σ²), flat directions left out.
MatrixXd covariance_of_parameters(const CovarianceStructure& structure,
                                  const CriterionDerivatives& d, const MatrixXd& jacobian) {
  const Index n = jacobian.rows();
  const MatrixXd half = d.hessian * jacobian;
  MatrixXd hessian(n + 1, n + 1);
  hessian.topLeftCorner(n, n) = structure.curvature(d.gradient);
  hessian.topLeftCorner(n, n).noalias() += jacobian.transpose() * half;
  hessian.col(n).head(n).noalias() = jacobian.transpose() * d.sigma_cross;
  hessian.row(n).head(n) = hessian.col(n).head(n).transpose();
  hessian(n, n) = d.sigma_curvature;
  const VectorXd unit = hessian.diagonal().unaryExpr(
      [](double s) { return s != 0 ? 1 / std::sqrt(std::abs(s)) : 1.0; });
  const auto rescale = [&](MatrixXd& matrix) {
    for (Index j = 0; j <= n; ++j) matrix.col(j).array() *= unit.array() * unit[j];
  };
  rescale(hessian);
  MatrixXd covariance = inverse_without_null(hessian);
  rescale(covariance);
  return 2 * covariance;
}

/// Covariance of (θ, σ²), and how Cov(β) moves with them: with T = (X'V⁻¹X)⁻¹ by −σ²T∂(X'V⁻¹X)T.
CovarianceInformation describe_information(const MixedModel::Data& data,
                                           const CriterionOptimum& optimum) {
  const Index n = data.structure.n_parameters();
  const Index p = data.rank();
  const MatrixXd jacobian = data.structure.jacobian(optimum.theta);
  CovarianceInformation result;
  result.theta = optimum.theta;
  result.parameter_covariance =
      covariance_of_parameters(data.structure, optimum.derivatives, jacobian);
  const MatrixXd root = data.fixed_transform * optimum.value.inverse_root / data.response_scale;
  const MatrixXd spread = root * optimum.value.inverse_root.transpose();
  MatrixXd change(p, p);
  MatrixXd half(p, p);
  result.fixed_gradient.reserve(at(n + 1));
  for (Index t = 0; t < n; ++t) {
    change.setZero();
    for (Index k = 0; k < n; ++k)
      if (jacobian(k, t) != 0)
        change -= jacobian(k, t) * optimum.value.sigma_squared *
                  optimum.derivatives.gram[at(k)].topLeftCorner(p, p);
    half.noalias() = spread * change;
    result.fixed_gradient.emplace_back(half * spread.transpose());
  }
  result.fixed_gradient.emplace_back(root * root.transpose());
  return result;
}

}  // namespace

std::optional<Criterion> parse_criterion(std::string_view text) {
  if (text == "reml") return Criterion::reml;
  if (text == "ml") return Criterion::ml;
  return std::nullopt;
}

VectorXd start_theta(const MixedModel::Data& data) {
  if (data.products->has_moments()) return VectorXd::Zero(data.structure.n_parameters());
  return identity_theta(data.structure);
}

FixedEffects describe_fixed(const MixedModel::Data& data, const ProfiledValue& value) {
  FixedEffects fixed;
  fixed.terms = data.fixed_terms;
  fixed.columns = data.fixed_columns;
  fixed.dropped = data.dropped;
  fixed.estimate =
      data.fixed_transform * value.coefficients / data.response_scale + data.fixed_shift;
  const MatrixXd root = data.fixed_transform * value.inverse_root;
  fixed.covariance =
      value.sigma_squared / (data.response_scale * data.response_scale) * root * root.transpose();
  fixed.standard_error = fixed.covariance.diagonal().cwiseSqrt();
  return fixed;
}

MixedFit describe_fit(const MixedModel::Data& data, const CriterionOptimum& optimum,
                      const FitOptions& options) {
  const std::vector<MatrixXd> factors = data.structure.factors(optimum.theta);
  const double sigma_squared = optimum.value.sigma_squared;
  MixedFit fit;
  fit.fixed = describe_fixed(data, optimum.value);
  Index null = 0;
  for (const TermPlace& term : data.terms)
    fit.random.push_back(describe_term(data, term, factors[at(term.level)], sigma_squared, null));
  for (std::size_t t = 0; t < data.terms.size(); ++t) fit.random[t].levels = data.terms[t].levels;
  if (options.random_effects && !data.terms.empty()) {
    VectorXd combination(data.rank() + 1);
    combination << -optimum.value.coefficients, 1;
    const std::vector<LevelEffects> effects = data.products->effects(factors, combination);
    for (std::size_t t = 0; t < data.terms.size(); ++t)
      add_effects(data, data.terms[t], effects, sigma_squared, fit.random[t]);
  }
  fit.residual.sd = std::sqrt(sigma_squared) / data.response_scale;
  fit.criterion = describe_criterion(data, optimum.value.criterion, options.criterion);
  fit.optimizer = describe_search(optimum, fit.random, null > 0);
  fit.data = {data.observations, data.omitted,
              static_cast<double>(data.observations - data.rank())};
  fit.information = describe_information(data, optimum);
  return fit;
}

MixedFit describe_estimates(const MixedModel::Data& data, const CriterionOptimum& optimum) {
  const std::vector<MatrixXd> factors = data.structure.factors(optimum.theta);
  MixedFit fit;
  fit.fixed.estimate =
      data.fixed_transform * optimum.value.coefficients / data.response_scale + data.fixed_shift;
  Index null = 0;
  for (const TermPlace& term : data.terms)
    fit.random.push_back(
        describe_term(data, term, factors[at(term.level)], optimum.value.sigma_squared, null));
  fit.residual.sd = std::sqrt(optimum.value.sigma_squared) / data.response_scale;
  fit.optimizer.singular = null > 0;
  return fit;
}

MixedFit MixedModel::fit(const FitOptions& options) const {
  if (options.iterations < 0)
    throw InvalidArgument("fit: `iterations` is negative; at least 0 is required");
  const Objective objective(*data_->products, data_->structure, options.criterion,
                            data_->observations);
  const CriterionOptimum optimum =
      minimize_criterion(objective, start_theta(*data_), options.iterations);
  // Without residual variance the search runs away; a model with moments has not looked for that.
  constexpr double far = 1e3;
  if (data_->products->has_moments() && optimum.theta.lpNorm<Eigen::Infinity>() > far)
    require_residual_variance(*data_, unweighted_gram(*data_));
  return describe_fit(*data_, optimum, options);
}

MixedFit fit_mixed_model(const Design& design, const FitOptions& options) {
  return MixedModel(design, options.threads).fit(options);
}

MixedFit refit_mixed_model(Design design, const VectorView& response, const FitOptions& options) {
  require_same_size("refit_mixed_model", "response", response.size(), "design.response",
                    design.response.size());
  design.response = response;
  return fit_mixed_model(design, options);
}

Eigen::VectorXd fitted_values(const Design& design, const MixedFit& fit, bool population) {
  VectorXd fitted =
      design.offset.size() > 0 ? design.offset : VectorXd::Zero(design.response.size());
  for (std::size_t j = 0; j < fit.fixed.columns.size(); ++j)
    fitted += fit.fixed.estimate[static_cast<Index>(j)] * design.fixed.col(fit.fixed.columns[j]);
  if (population) return fitted;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    const MatrixXd& blups = fit.random[t].blups;
    if (blups.rows() != static_cast<Index>(term.levels.size()))
      throw InvalidArgument("fitted_values: `fit` has no BLUPs of " + term.factor +
                            "; fit with random_effects = true");
    for (Index j = 0; j < term.columns.cols(); ++j)
      for (Index i = 0; i < term.columns.rows(); ++i)
        fitted[i] += term.columns(i, j) * blups(term.group[at(i)], j);
  }
  return fitted;
}

}  // namespace rapport
