#include <rapport/alliance/meta_models.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <Eigen/Cholesky>

#include "meta_design.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool restricted(const MetaOptions& options) { return options.estimator == MetaEstimator::reml; }

void require_likelihood(const std::string& function, const MetaOptions& options) {
  require_level(function, "confidence_level", options.confidence_level);
  if (options.estimator != MetaEstimator::reml && options.estimator != MetaEstimator::ml)
    throw InvalidArgument(function + ": `estimator` is " + to_string(options.estimator) +
                          "; this model takes REML or ML");
  if (options.test == MetaTest::knapp_hartung)
    throw InvalidArgument(function + ": `test` is knha; this model takes z or t");
}

/// Minimises −2 log L over θ.
Optimum maximize_likelihood(const MomentsAt& at, MarginalMoments& moments,
                            const MetaOptions& options, const Eigen::VectorXd& start) {
  const auto objective = [&](const Eigen::VectorXd& theta, Derivatives& d) {
    if (at(theta, moments)) {
      minus_twice_log_likelihood(moments, restricted(options), d);
    } else {
      d = {.value = infinity,
           .gradient = Eigen::VectorXd::Zero(theta.size()),
           .hessian = Eigen::MatrixXd::Zero(theta.size(), theta.size())};
    }
  };
  return minimize_newton(objective, start, {.iterations = 300, .gradient_tolerance = 1e-9});
}

double log_likelihood_of(double minus_twice, Index k, Index p, const MetaOptions& options) {
  const auto n = static_cast<double>(restricted(options) ? k - p : k);
  return -0.5 * (minus_twice + n * std::log(2 * std::numbers::pi));
}

std::vector<MetaCoefficient> tested(const std::vector<std::string>& terms,
                                    const Eigen::VectorXd& estimates,
                                    const Eigen::MatrixXd& covariance, double df, double level) {
  std::vector<MetaCoefficient> coefficients;
  for (Index j = 0; j < estimates.size(); ++j)
    coefficients.push_back(meta_coefficient(terms[static_cast<std::size_t>(j)], estimates[j],
                                            std::sqrt(covariance(j, j)), df, level));
  return coefficients;
}

std::vector<Index> all_but_first(Index size) {
  std::vector<Index> positions;
  for (Index j = 1; j < size; ++j) positions.push_back(j);
  return positions;
}

// --- Location and scale
// ------------------------------------------------------------------------------------------------

/// M = diag(v + τ²_i), τ²_i = exp(z_i'α): D_j = diag(τ² z_j), D_jk = diag(τ² z_j z_k).
class ScaleModel {
 public:
  ScaleModel(const Eigen::MatrixXd& u, const Eigen::VectorXd& variance, const Eigen::MatrixXd& z)
      : u_(u), variance_(variance), z_(z) {}

  bool operator()(const Eigen::VectorXd& alpha, MarginalMoments& moments) const {
    moments.clear();
    const Eigen::ArrayXd tau2 = (z_ * alpha).array().exp();
    if (!tau2.allFinite()) return false;
    const Eigen::ArrayXd w = (variance_.array() + tau2).inverse();
    moments.log_determinant = -w.log().sum();
    moments.cross.noalias() = weighted(w);
    for (Index k = 0; k < z_.cols(); ++k) {
      const Eigen::ArrayXd dk = tau2 * z_.col(k).array();
      moments.trace[k] = (w * dk).sum();
      moments.first[static_cast<std::size_t>(k)] = weighted(w.square() * dk);
      for (Index j = 0; j <= k; ++j) {
        const Eigen::ArrayXd dj = tau2 * z_.col(j).array();
        const Eigen::ArrayXd djk = dk * z_.col(j).array();
        const std::size_t pair = MarginalMoments::pair(j, k);
        moments.second[pair] = weighted(w.cube() * dj * dk);
        moments.bend[pair] = weighted(w.square() * djk);
        moments.trace2(j, k) = moments.trace2(k, j) = (w.square() * dj * dk).sum();
        moments.bend_trace(j, k) = moments.bend_trace(k, j) = (w * djk).sum();
      }
    }
    return true;
  }

 private:
  [[nodiscard]] Eigen::MatrixXd weighted(const Eigen::ArrayXd& weights) const {
    return u_.transpose() * weights.matrix().asDiagonal() * u_;
  }

  const Eigen::MatrixXd& u_;
  const Eigen::VectorXd& variance_;
  const Eigen::MatrixXd& z_;
};

/// The scale moderators with a column of ones, orthogonal with mean square 1: Z = Q R.
Orthonormal scale_basis(const MetaData& data, const MatrixView& scale,
                        const std::vector<std::string>& terms) {
  const std::string function = "fit_location_scale";
  require_same_size(function, "effect", data.effect.size(), "scale", scale.rows());
  require_same_size(function, "scale (columns)", scale.cols(), "scale_terms",
                    static_cast<Index>(terms.size()));
  require_at_least(function, "scale (columns)", scale.cols(), 1);
  if (!data.study.empty())
    throw InvalidArgument(function + ": `study` is given; this model has two levels");
  if (data.covariance.size() > 0)
    throw InvalidArgument(function +
                          ": `covariance` is given; this model takes independent effects");
  Eigen::MatrixXd z(scale.rows(), scale.cols() + 1);
  z << Eigen::VectorXd::Ones(scale.rows()), scale;
  Orthonormal basis = orthonormalized(z);
  if (basis.dependent >= 0)
    throw InvalidArgument(function + ": scale moderator \"" +
                          terms[static_cast<std::size_t>(basis.dependent - 1)] +
                          "\" is constant or collinear with those before it; leave it out");
  const double root = std::sqrt(static_cast<double>(scale.rows()));
  basis.q *= root;
  basis.r /= root;
  return basis;
}

// --- Several outcomes
// --------------------------------------------------------------------------------------------------

/// T = LL' by its free elements: the lower triangle of L row by row, or its diagonal alone.
class OutcomeFactor {
 public:
  OutcomeFactor(Index outcomes, OutcomeCovariance structure, double scale)
      : outcomes_(outcomes), scale_(std::sqrt(scale)) {
    for (Index a = 0; a < outcomes; ++a)
      for (Index b = structure == OutcomeCovariance::diagonal ? a : 0; b <= a; ++b)
        free_.emplace_back(a, b);
  }

  [[nodiscard]] Index parameters() const { return static_cast<Index>(free_.size()); }

  [[nodiscard]] Eigen::VectorXd start(double share) const {
    Eigen::VectorXd theta = Eigen::VectorXd::Zero(parameters());
    for (Index j = 0; j < parameters(); ++j)
      if (at(j).first == at(j).second) theta[j] = std::sqrt(share);
    return theta;
  }

  [[nodiscard]] Eigen::MatrixXd factor(const Eigen::VectorXd& theta) const {
    Eigen::MatrixXd l = Eigen::MatrixXd::Zero(outcomes_, outcomes_);
    for (Index j = 0; j < parameters(); ++j) l(at(j).first, at(j).second) = scale_ * theta[j];
    return l;
  }

  /// ∂T/∂θ_j = E L' + L E', E a single `scale` at the element.
  [[nodiscard]] Eigen::MatrixXd derivative(const Eigen::MatrixXd& l, Index j) const {
    Eigen::MatrixXd d = Eigen::MatrixXd::Zero(outcomes_, outcomes_);
    d.row(at(j).first) += scale_ * l.col(at(j).second).transpose();
    d.col(at(j).first) += scale_ * l.col(at(j).second);
    return d;
  }

  /// ∂²T/∂θ_j∂θ_k = E_j E_k' + E_k E_j'.
  [[nodiscard]] Eigen::MatrixXd bend(Index j, Index k) const {
    Eigen::MatrixXd d = Eigen::MatrixXd::Zero(outcomes_, outcomes_);
    if (at(j).second != at(k).second) return d;
    d(at(j).first, at(k).first) += scale_ * scale_;
    d(at(k).first, at(j).first) += scale_ * scale_;
    return d;
  }

 private:
  [[nodiscard]] const std::pair<Index, Index>& at(Index j) const {
    return free_[static_cast<std::size_t>(j)];
  }

  Index outcomes_;
  double scale_;
  std::vector<std::pair<Index, Index>> free_;
};

/// A study's effects, the outcomes they are on, and V.
struct OutcomeStudy {
  std::vector<Index> outcomes;
  Eigen::MatrixXd sampling;
  Eigen::MatrixXd u;
};

/// M_s = V_s + T at the study's outcomes. Bends do not depend on θ.
struct OutcomeModel {
  OutcomeFactor factor;
  std::vector<OutcomeStudy> studies;

  bool operator()(const Eigen::VectorXd& theta, MarginalMoments& moments) const {
    moments.clear();
    const Eigen::MatrixXd l = factor.factor(theta);
    const Eigen::MatrixXd between = l * l.transpose();
    std::vector<Eigen::MatrixXd> derivatives, bends;
    for (Index k = 0; k < factor.parameters(); ++k) {
      derivatives.push_back(factor.derivative(l, k));
      for (Index j = 0; j <= k; ++j) bends.push_back(factor.bend(j, k));
    }
    for (const OutcomeStudy& study : studies) {
      DenseStudy dense{
          .u = study.u,
          .covariance = study.sampling + Eigen::MatrixXd(between(study.outcomes, study.outcomes)),
          .derivatives = {},
          .bends = {}};
      for (const Eigen::MatrixXd& d : derivatives)
        dense.derivatives.push_back(d(study.outcomes, study.outcomes));
      for (const Eigen::MatrixXd& d : bends)
        dense.bends.push_back(d(study.outcomes, study.outcomes));
      if (!accumulate(dense, moments)) return false;
    }
    return true;
  }
};

void require_outcomes(const MetaData& data, const Factor& outcome) {
  const std::string function = "fit_multivariate_meta";
  require_same_size(function, "effect", data.effect.size(), "outcome", outcome.size());
  if (data.study.empty())
    throw InvalidArgument(function + ": `study` is empty; outcomes are grouped by study");
  std::vector<Index> seen(static_cast<std::size_t>(outcome.level_count()), 0);
  for (const std::int32_t code : outcome.codes) {
    if (code < 0)
      throw InvalidArgument(function + ": `outcome` has a missing value; leave those effects out");
    ++seen[static_cast<std::size_t>(code)];
  }
  for (std::size_t level = 0; level < seen.size(); ++level)
    if (seen[level] == 0)
      throw InvalidArgument(function + ": `outcome` has a level \"" + outcome.levels[level] +
                            "\" without effects; leave it out");
  for (const std::vector<Index>& rows : clusters_of(data)) {
    std::vector<bool> present(seen.size(), false);
    for (const Index row : rows) {
      const auto level = static_cast<std::size_t>(outcome.codes[static_cast<std::size_t>(row)]);
      if (present[level])
        throw InvalidArgument(function + ": a study has two effects on \"" + outcome.levels[level] +
                              "\"; the model takes one of each");
      present[level] = true;
    }
  }
}

/// A mean for each outcome, then the moderators.
MetaDesign outcome_design(const MetaData& data, const Factor& outcome) {
  const Index q = outcome.level_count();
  MetaDesign design;
  design.x = Eigen::MatrixXd::Zero(data.effect.size(), q + data.moderators.cols());
  for (Index i = 0; i < data.effect.size(); ++i)
    design.x(i, outcome.codes[static_cast<std::size_t>(i)]) = 1;
  if (data.moderators.cols() > 0) design.x.rightCols(data.moderators.cols()) = data.moderators;
  design.terms = outcome.levels;
  design.terms.insert(design.terms.end(), data.terms.begin(), data.terms.end());
  const Orthonormal basis = orthonormalized(design.x);
  if (basis.dependent >= 0)
    throw InvalidArgument("fit_multivariate_meta: moderator \"" +
                          design.terms[static_cast<std::size_t>(basis.dependent)] +
                          "\" is constant or collinear with those before it; leave it out");
  design.u.resize(data.effect.size(), design.x.cols() + 1);
  design.u << basis.q, data.effect;
  design.r = basis.r;
  design.studies = clusters_of(data);
  return design;
}

OutcomeModel outcome_model(const MetaData& data, const Factor& outcome, const MetaDesign& design,
                           OutcomeCovariance structure, double scale) {
  OutcomeModel model{.factor = OutcomeFactor(outcome.level_count(), structure, scale),
                     .studies = {}};
  for (const std::vector<Index>& rows : design.studies) {
    OutcomeStudy study{.outcomes = {}, .sampling = {}, .u = design.u(rows, Eigen::all)};
    for (const Index row : rows)
      study.outcomes.push_back(outcome.codes[static_cast<std::size_t>(row)]);
    study.sampling = data.covariance.size() > 0 ? Eigen::MatrixXd(data.covariance(rows, rows))
                                                : Eigen::MatrixXd(data.variance(rows).asDiagonal());
    model.studies.push_back(std::move(study));
  }
  return model;
}

/// That the first `outcomes` coefficients are equal.
MetaWaldTest equality_test(const GeneralizedLeastSquares& fit, Index outcomes, double df) {
  if (outcomes < 2)
    return {.name = "outcomes",
            .statistic = missing,
            .numerator_df = 0,
            .denominator_df = df,
            .p_value = missing};
  Eigen::MatrixXd contrasts = Eigen::MatrixXd::Zero(outcomes - 1, fit.coefficients.size());
  std::vector<Index> positions;
  for (Index j = 0; j + 1 < outcomes; ++j) {
    contrasts(j, 0) = -1;
    contrasts(j, j + 1) = 1;
    positions.push_back(j);
  }
  return wald_test("outcomes", contrasts * fit.coefficients,
                   contrasts * fit.covariance * contrasts.transpose(), positions, df);
}

}  // namespace

MetaLocationScaleFit fit_location_scale(const MetaData& data, const MatrixView& scale,
                                        const std::vector<std::string>& scale_terms,
                                        const MetaOptions& options) {
  require_likelihood("fit_location_scale", options);
  const MetaFit plain = fit_meta(data, options);
  const Orthonormal basis = scale_basis(data, scale, scale_terms);
  const MetaDesign design = make_meta_design("fit_location_scale", data);
  const Index k = design.x.rows();
  const Index p = design.x.cols();
  const Index m = basis.q.cols();
  MarginalMoments moments(p + 1, m, false);
  const MomentsAt at = ScaleModel(design.u, data.variance, basis.q);
  Eigen::VectorXd start = Eigen::VectorXd::Zero(m);
  start[0] = std::log(std::max(plain.tau2, 0.1 * data.variance.mean()));
  const Optimum optimum = maximize_likelihood(at, moments, options, start);
  at(optimum.argument, moments);

  const bool normal = options.test == MetaTest::z;
  const GeneralizedLeastSquares location =
      on_scale_of_x(generalized_least_squares(moments), design.r);
  const Eigen::LLT<Eigen::MatrixXd> information(optimum.hessian);
  const Eigen::MatrixXd scale_covariance =
      information.info() == Eigen::Success
          ? Eigen::MatrixXd(2 * information.solve(Eigen::MatrixXd::Identity(m, m)))
          : Eigen::MatrixXd::Constant(m, m, missing);
  const GeneralizedLeastSquares alpha = on_scale_of_x(
      {.coefficients = optimum.argument, .covariance = scale_covariance, .quadratic = 0}, basis.r);
  std::vector<std::string> terms = scale_terms;
  terms.insert(terms.begin(), "(Intercept)");
  const double df = normal ? infinity : static_cast<double>(k - p);
  const double scale_df = normal ? infinity : static_cast<double>(k - m);

  MetaLocationScaleFit fit{};
  fit.location = tested(design.terms, location.coefficients, location.covariance, df,
                        options.confidence_level);
  fit.scale =
      tested(terms, alpha.coefficients, alpha.covariance, scale_df, options.confidence_level);
  fit.location_covariance = location.covariance;
  fit.scale_covariance = alpha.covariance;
  fit.tau2 = (basis.q * optimum.argument).array().exp();
  fit.scale_moderators =
      wald_test("scale", alpha.coefficients, alpha.covariance, all_but_first(m), scale_df);
  fit.log_likelihood = log_likelihood_of(optimum.value, k, p, options);
  fit.likelihood_ratio = std::max(0.0, 2 * (fit.log_likelihood - plain.log_likelihood));
  fit.likelihood_ratio_p = chi_squared_upper_tail(fit.likelihood_ratio, static_cast<double>(m - 1));
  fit.options = options;
  fit.n_used = k;
  fit.iterations = optimum.iterations;
  fit.termination = optimum.termination;
  return fit;
}

MultivariateMetaFit fit_multivariate_meta(const MetaData& data, const Factor& outcome,
                                          OutcomeCovariance structure, const MetaOptions& options) {
  require_likelihood("fit_multivariate_meta", options);
  (void)make_meta_design("fit_multivariate_meta", data);
  require_outcomes(data, outcome);
  const MetaDesign design = outcome_design(data, outcome);
  const Index k = design.x.rows();
  const Index p = design.x.cols();
  const Index outcomes = outcome.level_count();
  if (k <= p)
    throw InvalidArgument("fit_multivariate_meta: there are " + std::to_string(k) +
                          " effects for " + std::to_string(p) +
                          " coefficients; needs at least one effect more");
  const double scale = std::max(
      (data.effect - design.u.leftCols(p) * (design.u.leftCols(p).transpose() * data.effect))
              .squaredNorm() /
          static_cast<double>(k - p),
      1e-3 * data.variance.mean());
  const OutcomeModel model = outcome_model(data, outcome, design, structure, scale);
  const MomentsAt at = [&model](const Eigen::VectorXd& theta, MarginalMoments& moments) {
    return model(theta, moments);
  };
  MarginalMoments moments(p + 1, model.factor.parameters(), false);
  if (!at(Eigen::VectorXd::Zero(model.factor.parameters()), moments))
    throw InvalidArgument(
        "fit_multivariate_meta: `covariance` is not positive definite within a study");
  const double q = generalized_least_squares(moments).quadratic;
  const double share = std::clamp(1 - data.variance.mean() / scale, 0.1, 0.9);
  const Optimum optimum = maximize_likelihood(at, moments, options, model.factor.start(share));
  at(optimum.argument, moments);

  const GeneralizedLeastSquares least = on_scale_of_x(generalized_least_squares(moments), design.r);
  const Eigen::MatrixXd l = model.factor.factor(optimum.argument);
  const auto q_df = static_cast<double>(k - p);
  const double df = options.test == MetaTest::z ? infinity : q_df;
  return {.coefficients = tested(design.terms, least.coefficients, least.covariance, df,
                                 options.confidence_level),
          .covariance = least.covariance,
          .outcomes = outcome.levels,
          .between = l * l.transpose(),
          .correlation = correlation_from_covariance(l * l.transpose()),
          .q = {.statistic = q, .df = q_df, .p_value = chi_squared_upper_tail(q, q_df)},
          .equal_means = equality_test(least, outcomes, df),
          .log_likelihood = log_likelihood_of(optimum.value, k, p, options),
          .options = options,
          .n_used = k,
          .n_studies = static_cast<Index>(design.studies.size()),
          .iterations = optimum.iterations,
          .termination = optimum.termination};
}

}  // namespace rapport
