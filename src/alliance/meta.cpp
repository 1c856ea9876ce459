#include <rapport/alliance/meta.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include "meta_design.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool by_likelihood(MetaEstimator estimator) {
  return estimator == MetaEstimator::reml || estimator == MetaEstimator::ml;
}

void require_options(const MetaData& data, const MetaOptions& options) {
  require_level("fit_meta", "confidence_level", options.confidence_level);
  if (data.study.empty()) return;
  if (options.estimator != MetaEstimator::fixed && !by_likelihood(options.estimator))
    throw InvalidArgument("fit_meta: `estimator` is " + to_string(options.estimator) +
                          "; three levels take REML, ML or FE");
  if (options.test == MetaTest::knapp_hartung)
    throw InvalidArgument("fit_meta: `test` is knha; three levels take z or t");
}

/// The moments at fixed variances, and what two-level estimators need of them.
class TwoLevel {
 public:
  TwoLevel(const MetaDesign& design, const MomentsAt& at, Index parameters)
      : p_(design.u.cols() - 1), at_(at), moments_(design.u.cols(), parameters, true) {}

  /// Q(τ²) = (y − Xβ)'W(y − Xβ), W = 1/(v + τ²), and its slope.
  struct Heterogeneity {
    double q;
    double slope;
    double trace_of_p;  ///< tr P, P = W − WX(X'WX)⁻¹X'W
  };
  Heterogeneity operator()(double tau2) {
    theta_[0] = tau2;
    at_(theta_, moments_);
    const GeneralizedLeastSquares fit = generalized_least_squares(moments_);
    Eigen::VectorXd w(p_ + 1);
    w << -fit.coefficients, 1;
    const Eigen::MatrixXd& first = moments_.first.back();
    return {.q = fit.quadratic,
            .slope = -w.dot(first * w),
            .trace_of_p =
                moments_.trace[0] - fit.covariance.cwiseProduct(first.topLeftCorner(p_, p_)).sum()};
  }

  /// The τ² ≥ 0 at which Q is `target`; 0 where it is less even there. Q falls and is convex:
  /// Newton never overshoots.
  double tau2_where_q_is(double target) {
    double tau2 = 0;
    for (int iteration = 0; iteration < 200; ++iteration) {
      const Heterogeneity here = (*this)(tau2);
      const double step = (target - here.q) / here.slope;
      if (!(step > 1e-15 * tau2)) break;
      tau2 += step;
    }
    return tau2;
  }

 private:
  Index p_;
  const MomentsAt& at_;
  MarginalMoments moments_;
  Eigen::VectorXd theta_ = Eigen::VectorXd::Zero(1);
};

/// The τ² of an estimator with a closed form or a scalar equation.
double moment_estimate(MetaEstimator estimator, const MetaData& data, const MetaDesign& design,
                       TwoLevel& model) {
  const auto k = static_cast<double>(data.effect.size());
  const auto p = static_cast<double>(design.x.cols());
  const Eigen::MatrixXd q = design.u.leftCols(design.x.cols());
  const double unweighted = data.effect.squaredNorm() - (q.transpose() * data.effect).squaredNorm();
  switch (estimator) {
    case MetaEstimator::dersimonian_laird: {
      const auto fixed = model(0);
      return (fixed.q - (k - p)) / fixed.trace_of_p;
    }
    case MetaEstimator::hunter_schmidt:
      return (model(0).q - k) / data.variance.cwiseInverse().sum();
    case MetaEstimator::hedges:
      return (unweighted -
              (data.variance.array() * (1 - q.rowwise().squaredNorm().array())).sum()) /
             (k - p);
    case MetaEstimator::sidik_jonkman: {
      const double start = (data.effect.array() - data.effect.mean()).square().mean();
      return start * model(start).q / (k - p);
    }
    case MetaEstimator::paule_mandel:
    case MetaEstimator::empirical_bayes:
      return model.tau2_where_q_is(k - p);
    case MetaEstimator::fixed:
    case MetaEstimator::reml:
    case MetaEstimator::ml:
      break;
  }
  return 0;
}

struct Variances {
  Eigen::VectorXd theta;
  Index iterations = 0;
  Termination termination = Termination::converged;
};

/// −2 log L in s, where θ_j = s_j² · scale: variances stay at or above 0, and one that is 0 there
/// is a smooth minimum.
class LikelihoodOfSds {
 public:
  LikelihoodOfSds(const MomentsAt& at, bool restricted, double scale, MarginalMoments& moments)
      : at_(at), restricted_(restricted), scale_(scale), moments_(moments) {}

  [[nodiscard]] Eigen::VectorXd theta(const Eigen::VectorXd& s) const {
    return scale_ * s.array().square();
  }

  void operator()(const Eigen::VectorXd& s, Derivatives& d) {
    if (!at_(theta(s), moments_)) {
      d = {.value = infinity,
           .gradient = Eigen::VectorXd::Zero(s.size()),
           .hessian = Eigen::MatrixXd::Zero(s.size(), s.size())};
      return;
    }
    minus_twice_log_likelihood(moments_, restricted_, d);
    const Eigen::VectorXd slope = 2 * scale_ * s;
    d.hessian.array() *= (slope * slope.transpose()).array();
    d.hessian.diagonal() += 2 * scale_ * d.gradient;
    d.gradient.array() *= slope.array();
  }

 private:
  const MomentsAt& at_;
  bool restricted_;
  double scale_;
  MarginalMoments& moments_;
};

/// A variance that is as likely at 0 is 0.
void settle_on_boundary(LikelihoodOfSds& likelihood, Eigen::VectorXd& s, double value) {
  for (Index j = 0; j < s.size(); ++j) {
    Eigen::VectorXd without = s;
    without[j] = 0;
    Derivatives there;
    likelihood(without, there);
    if (there.value <= value + 1e-10) {
      s = without;
      value = there.value;
    }
  }
}

Variances likelihood_estimate(const MetaData& data, const MetaDesign& design, const MomentsAt& at,
                              bool restricted) {
  const Index parameters = design.studies.empty() ? 1 : 2;
  const Index p = design.x.cols();
  const double spread =
      (data.effect.squaredNorm() - (design.u.leftCols(p).transpose() * data.effect).squaredNorm()) /
      static_cast<double>(data.effect.size() - p);
  const double scale = std::max(spread, 1e-3 * data.variance.mean());
  const double excess = std::clamp(1 - data.variance.mean() / scale, 0.1, 0.9);
  MarginalMoments moments(design.u.cols(), parameters, true);
  LikelihoodOfSds likelihood(at, restricted, scale, moments);
  const Eigen::VectorXd start =
      Eigen::VectorXd::Constant(parameters, std::sqrt(excess / static_cast<double>(parameters)));
  Optimum optimum =
      minimize_newton([&](const Eigen::VectorXd& s, Derivatives& d) { likelihood(s, d); }, start,
                      {.iterations = 200, .gradient_tolerance = 1e-10});
  settle_on_boundary(likelihood, optimum.argument, optimum.value);
  return {.theta = likelihood.theta(optimum.argument),
          .iterations = optimum.iterations,
          .termination = optimum.termination};
}

/// −2 log L with one variance held and the other, if there is one, at its best.
class ProfileOfVariance {
 public:
  ProfileOfVariance(const MomentsAt& at, bool restricted, MarginalMoments& moments,
                    const Eigen::VectorXd& estimates, Index held)
      : held_(held),
        scale_(std::max(estimates.maxCoeff(), 1e-8)),
        likelihood_(at, restricted, scale_, moments),
        s_((estimates / scale_).cwiseSqrt()) {}

  double operator()(double variance) {
    s_[held_] = std::sqrt(variance / scale_);
    if (s_.size() == 1) return value_at(s_).value;
    const Index other = 1 - held_;
    const auto of_other = [&](const Eigen::VectorXd& x, Derivatives& d) {
      Eigen::VectorXd s = s_;
      s[other] = x[0];
      const Derivatives both = value_at(s);
      d.value = both.value;
      d.gradient = both.gradient.segment(other, 1);
      d.hessian = both.hessian.block(other, other, 1, 1);
    };
    const Eigen::VectorXd start = Eigen::VectorXd::Constant(1, std::max(std::abs(s_[other]), 0.1));
    const Optimum best =
        minimize_newton(of_other, start, {.iterations = 200, .gradient_tolerance = 1e-10});
    s_[other] = best.argument[0];
    return std::min(best.value, value_without(other));
  }

 private:
  Derivatives value_at(const Eigen::VectorXd& s) {
    Derivatives d;
    likelihood_(s, d);
    return d;
  }

  double value_without(Index other) {
    Eigen::VectorXd s = s_;
    s[other] = 0;
    return value_at(s).value;
  }

  Index held_;
  double scale_;
  LikelihoodOfSds likelihood_;
  Eigen::VectorXd s_;
};

Variances estimate_variances(const MetaData& data, const MetaDesign& design, const MomentsAt& at,
                             MetaEstimator estimator) {
  if (by_likelihood(estimator))
    return likelihood_estimate(data, design, at, estimator == MetaEstimator::reml);
  const Index parameters = design.studies.empty() ? 1 : 2;
  if (estimator == MetaEstimator::fixed) return {.theta = Eigen::VectorXd::Zero(parameters)};
  TwoLevel model(design, at, parameters);
  return {.theta = Eigen::VectorXd::Constant(
              1, std::max(0.0, moment_estimate(estimator, data, design, model)))};
}

/// I² and H² against the variance of a typical effect, (k − p)/tr P at τ² = 0 (Higgins & Thompson
/// 2002).
void add_heterogeneity(MetaFit& fit, const MarginalMoments& fixed, Index p) {
  const GeneralizedLeastSquares least = generalized_least_squares(fixed);
  const double df = static_cast<double>(fit.n_used - p);
  fit.q = {.statistic = least.quadratic,
           .df = df,
           .p_value = chi_squared_upper_tail(least.quadratic, df)};
  const double trace_of_p =
      fixed.trace[fixed.parameters() - 1] -
      least.covariance.cwiseProduct(fixed.first.back().topLeftCorner(p, p)).sum();
  const double typical = df / trace_of_p;
  double total = 0;
  for (const MetaVariance& level : fit.variances) total += level.variance;
  for (MetaVariance& level : fit.variances) level.i2 = 100 * level.variance / (total + typical);
  if (fit.options.estimator == MetaEstimator::fixed) {
    fit.i2 = 100 * std::max(0.0, (fit.q.statistic - df) / fit.q.statistic);
    fit.h2 = fit.q.statistic / df;
  } else {
    fit.i2 = 100 * total / (total + typical);
    fit.h2 = total / typical + 1;
  }
  if (fit.variances.size() > 1) fit.h2 = missing;
}

double quantile_of(const MetaOptions& options, double df) {
  const double p = 0.5 + options.confidence_level / 2;
  return std::isinf(df) ? normal_quantile(p) : students_t_quantile(p, df);
}

void add_tests(MetaFit& fit, const MetaData& data, const Eigen::VectorXd& coefficients, double df) {
  const Index p = coefficients.size();
  if (p == 1) return;
  std::vector<Index> all;
  for (Index j = 1; j < p; ++j) all.push_back(j);
  fit.moderators = wald_test("moderators", coefficients, fit.covariance, all, df);
  const std::vector<std::string>& owner =
      data.moderator_of.empty() ? data.terms : data.moderator_of;
  for (std::size_t j = 0; j < owner.size();) {
    std::vector<Index> own;
    const std::string& name = owner[j];
    for (; j < owner.size() && owner[j] == name; ++j) own.push_back(static_cast<Index>(j) + 1);
    fit.by_moderator.push_back(wald_test(name, coefficients, fit.covariance, own, df));
  }
}

void add_prediction(MetaFit& fit, double df) {
  if (fit.coefficients.size() > 1 || fit.options.estimator == MetaEstimator::fixed) return;
  const double sd = std::sqrt(fit.covariance(0, 0) + study_variance(fit) + effect_variance(fit));
  const double reach = quantile_of(fit.options, df) * sd;
  const double estimate = fit.coefficients[0].estimate;
  fit.prediction_interval =
      ConfidenceInterval{estimate - reach, estimate + reach, fit.options.confidence_level};
}

void add_likelihood(MetaFit& fit, const MarginalMoments& moments, Index p) {
  const bool restricted = fit.options.estimator == MetaEstimator::reml;
  Derivatives d;
  minus_twice_log_likelihood(moments, restricted, d);
  const auto n = static_cast<double>(restricted ? fit.n_used - p : fit.n_used);
  fit.log_likelihood = -0.5 * (d.value + n * std::log(2 * std::numbers::pi));
  const auto estimated = static_cast<double>(p) + (fit.options.estimator == MetaEstimator::fixed
                                                       ? 0
                                                       : static_cast<double>(fit.variances.size()));
  fit.aic = -2 * fit.log_likelihood + 2 * estimated;
  fit.bic = -2 * fit.log_likelihood + std::log(n) * estimated;
  fit.tau2_standard_error = missing;
  if (!by_likelihood(fit.options.estimator) || fit.variances.size() > 1) return;
  double information = moments.trace2(0, 0) / 2;  // ½ tr(WW), or ½ tr(PP)
  if (restricted) {
    const Eigen::MatrixXd covariance = generalized_least_squares(moments).covariance;
    const Eigen::MatrixXd first = covariance * moments.first[0].topLeftCorner(p, p);
    information += -covariance.cwiseProduct(moments.second[0].topLeftCorner(p, p)).sum() +
                   first.cwiseProduct(first.transpose()).sum() / 2;
  }
  fit.tau2_standard_error = 1 / std::sqrt(information);
}

}  // namespace

std::optional<MetaEstimator> parse_meta_estimator(std::string_view text) {
  for (const MetaEstimator estimator :
       {MetaEstimator::fixed, MetaEstimator::reml, MetaEstimator::ml,
        MetaEstimator::dersimonian_laird, MetaEstimator::paule_mandel, MetaEstimator::sidik_jonkman,
        MetaEstimator::hunter_schmidt, MetaEstimator::hedges, MetaEstimator::empirical_bayes}) {
    std::string name = to_string(estimator);
    for (char& c : name) c = static_cast<char>(c - 'A' + 'a');
    if (name == text) return estimator;
  }
  return std::nullopt;
}

std::string to_string(MetaEstimator estimator) {
  switch (estimator) {
    case MetaEstimator::fixed:
      return "FE";
    case MetaEstimator::reml:
      return "REML";
    case MetaEstimator::ml:
      return "ML";
    case MetaEstimator::dersimonian_laird:
      return "DL";
    case MetaEstimator::paule_mandel:
      return "PM";
    case MetaEstimator::sidik_jonkman:
      return "SJ";
    case MetaEstimator::hunter_schmidt:
      return "HS";
    case MetaEstimator::hedges:
      return "HE";
    case MetaEstimator::empirical_bayes:
      return "EB";
  }
  throw InvalidArgument("to_string: not a MetaEstimator");
}

std::optional<MetaTest> parse_meta_test(std::string_view text) {
  for (const MetaTest test : {MetaTest::z, MetaTest::t, MetaTest::knapp_hartung})
    if (to_string(test) == text) return test;
  return std::nullopt;
}

std::string to_string(MetaTest test) {
  switch (test) {
    case MetaTest::z:
      return "z";
    case MetaTest::t:
      return "t";
    case MetaTest::knapp_hartung:
      return "knha";
  }
  throw InvalidArgument("to_string: not a MetaTest");
}

double study_variance(const MetaFit& fit) {
  return fit.variances.size() > 1 ? fit.variances[0].variance : 0;
}

double effect_variance(const MetaFit& fit) { return fit.variances.back().variance; }

MetaFit fit_meta(const MetaData& data, const MetaOptions& options) {
  require_options(data, options);
  const MetaDesign design = make_meta_design("fit_meta", data);
  const Index k = design.x.rows();
  const Index p = design.x.cols();
  const MomentsAt at = nested_moments(data, design);
  const Variances variances = estimate_variances(data, design, at, options.estimator);
  MarginalMoments moments(p + 1, variances.theta.size(), true);
  if (!at(Eigen::VectorXd::Zero(variances.theta.size()), moments))
    throw InvalidArgument("fit_meta: `covariance` is not positive definite within a study");

  MetaFit fit{};
  fit.options = options;
  fit.n_used = k;
  fit.n_studies = static_cast<Index>(design.studies.empty() ? static_cast<std::size_t>(k)
                                                            : design.studies.size());
  fit.n_omitted = data.n_omitted;
  fit.iterations = variances.iterations;
  fit.termination = variances.termination;
  if (!design.studies.empty())
    fit.variances.push_back({.level = "study", .variance = variances.theta[0], .i2 = missing});
  fit.variances.push_back(
      {.level = "effect", .variance = variances.theta[variances.theta.size() - 1], .i2 = missing});
  fit.tau2 = design.studies.empty() ? variances.theta[0] : missing;
  fit.at_boundary = options.estimator != MetaEstimator::fixed && variances.theta.minCoeff() == 0;
  add_heterogeneity(fit, moments, p);

  at(variances.theta, moments);
  const GeneralizedLeastSquares least = on_scale_of_x(generalized_least_squares(moments), design.r);
  const double df = options.test == MetaTest::z ? infinity : static_cast<double>(k - p);
  fit.covariance = least.covariance;
  if (options.test == MetaTest::knapp_hartung)
    fit.covariance *= least.quadratic / static_cast<double>(k - p);
  for (Index j = 0; j < p; ++j)
    fit.coefficients.push_back(
        meta_coefficient(design.terms[static_cast<std::size_t>(j)], least.coefficients[j],
                         std::sqrt(fit.covariance(j, j)), df, options.confidence_level));
  add_tests(fit, data, least.coefficients, df);
  add_prediction(fit, df);
  add_likelihood(fit, moments, p);
  return fit;
}

ConfidenceInterval tau2_interval(const MetaData& data, double confidence_level) {
  require_level("tau2_interval", "confidence_level", confidence_level);
  if (!data.study.empty())
    throw InvalidArgument(
        "tau2_interval: `study` is given; the Q-profile interval is of two levels");
  const MetaDesign design = make_meta_design("tau2_interval", data);
  const MomentsAt at = nested_moments(data, design);
  TwoLevel model(design, at, 1);
  const auto df = static_cast<double>(design.x.rows() - design.x.cols());
  const double tail = (1 - confidence_level) / 2;
  return {model.tau2_where_q_is(chi_squared_quantile(1 - tail, df)),
          model.tau2_where_q_is(chi_squared_quantile(tail, df)), confidence_level};
}

std::vector<ConfidenceInterval> variance_intervals(const MetaData& data, const MetaFit& fit) {
  if (!by_likelihood(fit.options.estimator))
    throw InvalidArgument("variance_intervals: `fit` is by " + to_string(fit.options.estimator) +
                          "; profile likelihood takes REML or ML");
  const MetaDesign design = make_meta_design("variance_intervals", data);
  const MomentsAt at = nested_moments(data, design);
  const auto levels = static_cast<Index>(fit.variances.size());
  const bool restricted = fit.options.estimator == MetaEstimator::reml;
  MarginalMoments moments(design.u.cols(), levels, true);
  Eigen::VectorXd estimates(levels);
  for (Index j = 0; j < levels; ++j)
    estimates[j] = fit.variances[static_cast<std::size_t>(j)].variance;

  std::vector<ConfidenceInterval> intervals;
  for (Index j = 0; j < levels; ++j) {
    ProfileOfVariance profile(at, restricted, moments, estimates, j);
    const double bound =
        profile(estimates[j]) + chi_squared_quantile(fit.options.confidence_level, 1);
    const auto beyond = [&](double variance) { return profile(variance) - bound; };
    double reach = std::max(2 * estimates[j], data.variance.mean());
    for (int doubling = 0; doubling < 60 && beyond(reach) < 0; ++doubling) reach *= 2;
    intervals.push_back({beyond(0) <= 0 ? 0 : find_root(beyond, 0, estimates[j], 1e-12).argument,
                         find_root(beyond, estimates[j], reach, 1e-12).argument,
                         fit.options.confidence_level});
  }
  return intervals;
}

}  // namespace rapport
