#include <rapport/agree/dyad.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Cholesky>
#include <Eigen/LU>

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

using Eigen::Matrix2d;
using Eigen::MatrixXd;
using Eigen::Vector2d;
using Eigen::VectorXd;

constexpr double infinite = std::numeric_limits<double>::infinity();

Parameter normal_parameter(std::string name, double estimate, double standard_error, double level) {
  const double statistic = estimate / standard_error;
  return {std::move(name),
          estimate,
          standard_error,
          normal_interval(estimate, standard_error, level),
          statistic,
          infinite,
          normal_p_value(statistic)};
}

/// Centred predictors and outcomes of complete dyads: columns first, second.
struct Dyads {
  MatrixXd predictors;
  MatrixXd outcomes;
  Eigen::RowVector2d predictor_means;
  Eigen::RowVector2d outcome_means;
};

Dyads centred(const MatrixXd& rows) {
  Dyads d;
  d.predictors = rows.leftCols(2);
  d.outcomes = rows.rightCols(2);
  d.predictor_means = d.predictors.colwise().mean();
  d.outcome_means = d.outcomes.colwise().mean();
  d.predictors.rowwise() -= d.predictor_means;
  d.outcomes.rowwise() -= d.outcome_means;
  return d;
}

/// Least squares of both outcomes: column j holds the effects of both predictors on outcome j.
Matrix2d effects_of(const Dyads& d) {
  const Matrix2d gram = d.predictors.transpose() * d.predictors;
  const double determinant = gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(1, 0);
  if (!(determinant > 1e-12 * gram(0, 0) * gram(1, 1))) return Matrix2d::Constant(missing);
  Matrix2d inverse;
  inverse << gram(1, 1), -gram(0, 1), -gram(1, 0), gram(0, 0);
  return inverse / determinant * (d.predictors.transpose() * d.outcomes);
}

/// −2 log likelihood (up to its constants) of the residual covariance with effects equal across
/// roles, at its minimum: Cochrane–Orcutt-like alternation of generalized least squares and the
/// covariance, which climbs the likelihood at every step.
double equal_effects_deviance(const Dyads& d, double n) {
  // Rows stacked as (own, other) for both roles.
  MatrixXd first(d.predictors.rows(), 2);
  MatrixXd second(d.predictors.rows(), 2);
  first << d.predictors.col(0), d.predictors.col(1);
  second << d.predictors.col(1), d.predictors.col(0);
  Matrix2d covariance = Matrix2d::Identity();
  double deviance = infinite;
  for (int iteration = 0; iteration < 500; ++iteration) {
    const Matrix2d w = covariance.inverse();
    const Matrix2d gram = w(0, 0) * first.transpose() * first +
                          w(1, 1) * second.transpose() * second +
                          w(0, 1) * (first.transpose() * second + second.transpose() * first);
    const MatrixXd weighted = d.outcomes * w;
    const Vector2d right =
        first.transpose() * weighted.col(0) + second.transpose() * weighted.col(1);
    const Vector2d effects = gram.inverse() * right;
    MatrixXd residuals = d.outcomes;
    residuals.col(0) -= first * effects;
    residuals.col(1) -= second * effects;
    covariance = residuals.transpose() * residuals / n;
    const double next = n * std::log(covariance.determinant());
    if (deviance - next < 1e-12 * std::abs(next)) return next;
    deviance = next;
  }
  return deviance;
}

/// `own` and `other` are the predictors' positions for this role.
ActorPartnerEffects role_effects(const Dyads& d, const Matrix2d& effects,
                                 const Matrix2d& inverse_gram, const Matrix2d& residual, Index role,
                                 double level) {
  const Index other = 1 - role;
  const double variance = residual(role, role);
  const Matrix2d covariance = variance * inverse_gram;
  const double a = effects(role, role);
  const double p = effects(other, role);
  // d(p/a) = dp / a − p da / a²
  const double k_variance = covariance(other, other) / (a * a) +
                            p * p / (a * a * a * a) * covariance(role, role) -
                            2 * p / (a * a * a) * covariance(role, other);
  return {.intercept =
              d.outcome_means[role] - a * d.predictor_means[role] - p * d.predictor_means[other],
          .actor = normal_parameter("actor", a, std::sqrt(covariance(role, role)), level),
          .partner = normal_parameter("partner", p, std::sqrt(covariance(other, other)), level),
          .k = normal_parameter("k", p / a, std::sqrt(k_variance), level),
          .residual_variance = variance};
}

void bootstrap_k(ActorPartnerResult& r, const MatrixXd& rows, Seed seed,
                 const ActorPartnerOptions& options) {
  MatrixXd k(options.bootstrap, 2);
  parallel_for(options.bootstrap, options.threads, [&](Index replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    const Matrix2d effects =
        effects_of(centred(pick_rows(rows, bootstrap_sample(rows.rows(), stream))));
    k(replicate, 0) = effects(1, 0) / effects(0, 0);
    k(replicate, 1) = effects(0, 1) / effects(1, 1);
  });
  const double tail = 0.5 - options.confidence_level / 2;
  r.first.k.ci = {quantile(k.col(0), tail), quantile(k.col(0), 1 - tail), options.confidence_level};
  r.second.k.ci = {quantile(k.col(1), tail), quantile(k.col(1), 1 - tail),
                   options.confidence_level};
}

Parameter parameter_of(std::string name, const ContrastEstimate& c) {
  return {std::move(name), c.estimate, c.standard_error, c.ci, c.statistic, c.df, c.p_value};
}

}  // namespace

ActorPartnerResult actor_partner_model(const VectorView& first_outcome,
                                       const VectorView& second_outcome,
                                       const VectorView& first_predictor,
                                       const VectorView& second_predictor, Seed seed,
                                       const ActorPartnerOptions& options) {
  const char* function = "actor_partner_model";
  require_level(function, "confidence_level", options.confidence_level);
  const Index total = first_outcome.size();
  require_same_size(function, "first_outcome", total, "second_outcome", second_outcome.size());
  require_same_size(function, "first_outcome", total, "first_predictor", first_predictor.size());
  require_same_size(function, "first_outcome", total, "second_predictor", second_predictor.size());
  MatrixXd all(total, 4);
  all << first_predictor, second_predictor, first_outcome, second_outcome;
  const MatrixXd rows = pick_rows(all, complete_rows(all));
  if (rows.rows() < 5)
    throw DataError("actor_partner_model: " + std::to_string(rows.rows()) +
                    " dyads have all four variables; at least 5 are required");
  const Dyads d = centred(rows);
  const auto n = static_cast<double>(rows.rows());
  const Matrix2d effects = effects_of(d);
  if (effects.hasNaN())
    throw DataError(
        "actor_partner_model: the two predictors determine each other, or one is constant");
  const Matrix2d gram = d.predictors.transpose() * d.predictors;
  const Eigen::LLT<Matrix2d> solver(gram);
  const Matrix2d inverse_gram = solver.solve(Matrix2d::Identity());
  const MatrixXd residuals = d.outcomes - d.predictors * effects;
  const Matrix2d residual = residuals.transpose() * residuals / n;
  ActorPartnerResult r{};
  r.first = role_effects(d, effects, inverse_gram, residual, 0, options.confidence_level);
  r.second = role_effects(d, effects, inverse_gram, residual, 1, options.confidence_level);
  r.residual_covariance = residual(0, 1);
  r.residual_correlation = residual(0, 1) / std::sqrt(residual(0, 0) * residual(1, 1));
  const double free_deviance =
      n * std::log(residual(0, 0) * residual(1, 1) - residual(0, 1) * residual(0, 1));
  r.equality_statistic = std::max(0.0, equal_effects_deviance(d, n) - free_deviance);
  r.equality_df = 2;
  r.equality_p_value = chi_squared_upper_tail(r.equality_statistic, r.equality_df);
  r.n_used = rows.rows();
  r.n_omitted = total - rows.rows();
  if (options.bootstrap > 0) bootstrap_k(r, rows, seed, options);
  return r;
}

namespace {

/// Mean cross-products of (partner's, focal person's) rating between and within focal persons.
struct DyadicSquares {
  Matrix2d between = Matrix2d::Zero();
  Matrix2d within = Matrix2d::Zero();
  Eigen::RowVector2d mean;
  double k = 0;  ///< average number of partners
};

/// `ratings` is dyads × 2.
DyadicSquares dyadic_squares(const MatrixXd& ratings, const ConsecutiveCodes& focal) {
  MatrixXd means = MatrixXd::Zero(focal.count, 2);
  VectorXd sizes = VectorXd::Zero(focal.count);
  for (Index i = 0; i < ratings.rows(); ++i) {
    const std::int32_t f = focal.codes[static_cast<std::size_t>(i)];
    sizes[f] += 1;
    means.row(f) += ratings.row(i);
  }
  means.array().colwise() /= sizes.array();
  DyadicSquares s;
  s.mean = ratings.colwise().mean();
  for (Index f = 0; f < focal.count; ++f) {
    const Eigen::RowVector2d shift = means.row(f) - s.mean;
    s.between += sizes[f] * shift.transpose() * shift;
  }
  for (Index i = 0; i < ratings.rows(); ++i) {
    const Eigen::RowVector2d deviation =
        ratings.row(i) - means.row(focal.codes[static_cast<std::size_t>(i)]);
    s.within += deviation.transpose() * deviation;
  }
  const auto n = static_cast<double>(ratings.rows());
  const auto groups = static_cast<double>(focal.count);
  s.between /= groups - 1;
  s.within /= n - groups;
  s.k = (n - sizes.squaredNorm() / n) / (groups - 1);
  return s;
}

}  // namespace

OneWithManyResult one_with_many(const VectorView& partner_rating, const VectorView& focal_rating,
                                const std::vector<std::int32_t>& focal) {
  const Index total = partner_rating.size();
  require_same_size("one_with_many", "partner_rating", total, "focal_rating", focal_rating.size());
  require_same_size("one_with_many", "partner_rating", total, "focal",
                    static_cast<Index>(focal.size()));
  MatrixXd both(total, 2);
  both << partner_rating, focal_rating;
  std::vector<Index> used = complete_rows(both);
  std::erase_if(used, [&](Index i) { return focal[static_cast<std::size_t>(i)] < 0; });
  const ConsecutiveCodes groups = consecutive_codes(focal, used);
  const auto n = static_cast<Index>(used.size());
  if (groups.count < 2 || n <= groups.count)
    throw DataError(
        "one_with_many: " + std::to_string(n) + " dyads of " + std::to_string(groups.count) +
        " focal persons; at least two focal persons, and one with two partners, are required");
  const DyadicSquares s = dyadic_squares(pick_rows(both, used), groups);
  const Matrix2d component = (s.between - s.within) / s.k;
  const auto correlation = [](double covariance, double a, double b) {
    return a > 0 && b > 0 ? covariance / std::sqrt(a * b) : missing;
  };
  return {.consensus = component(0, 0),
          .partner_uniqueness = s.within(0, 0),
          .assimilation = component(1, 1),
          .focal_uniqueness = s.within(1, 1),
          .generalized_reciprocity = component(0, 1),
          .dyadic_reciprocity = s.within(0, 1),
          .generalized_correlation = correlation(component(0, 1), component(0, 0), component(1, 1)),
          .dyadic_correlation = correlation(s.within(0, 1), s.within(0, 0), s.within(1, 1)),
          .consensus_share = component(0, 0) / (component(0, 0) + s.within(0, 0)),
          .assimilation_share = component(1, 1) / (component(1, 1) + s.within(1, 1)),
          .k = s.k,
          .partner_mean = s.mean[0],
          .focal_mean = s.mean[1],
          .focal_persons = groups.count,
          .n_used = n,
          .n_omitted = total - n};
}

ConvergenceResult dyadic_convergence(const VectorView& x, const VectorView& y,
                                     const VectorView& session,
                                     const std::vector<std::int32_t>& dyad,
                                     double confidence_level) {
  require_level("dyadic_convergence", "confidence_level", confidence_level);
  require_same_size("dyadic_convergence", "x", x.size(), "y", y.size());
  require_same_size("dyadic_convergence", "x", x.size(), "session", session.size());
  require_same_size("dyadic_convergence", "x", x.size(), "dyad", static_cast<Index>(dyad.size()));
  std::vector<Index> rows;
  for (Index i = 0; i < x.size(); ++i)
    if (dyad[static_cast<std::size_t>(i)] >= 0 && !is_missing(x[i]) && !is_missing(y[i]) &&
        !is_missing(session[i]))
      rows.push_back(i);
  const VectorXd difference = pick(x, rows) - pick(y, rows);
  Design design;
  design.fixed.resize(difference.size(), 2);
  design.fixed << VectorXd::Ones(difference.size()), pick(session, rows);
  design.fixed_terms = {"start", "slope"};
  const ConsecutiveCodes dyads = consecutive_codes(dyad, rows);
  design.random.push_back(random_intercept("dyad", dyads));
  ConvergenceResult r{};
  r.dyads = dyads.count;
  r.n_used = difference.size();
  r.n_omitted = x.size() - r.n_used;
  if (r.dyads < 2 || r.n_used < r.dyads + 2)
    throw DataError("dyadic_convergence: " + std::to_string(r.n_used) + " sessions of " +
                    std::to_string(r.dyads) +
                    " dyads; at least two dyads with two sessions each are required");
  const auto fit = [&](const VectorXd& response, Parameter& start, Parameter& slope) {
    design.response = response;
    const MixedModel model(design);
    MixedFit mixed = model.fit({.random_effects = false});
    if (!mixed.fixed.dropped.empty())
      throw DataError(
          "dyadic_convergence: all sessions are the same; at least two different ones are "
          "required");
    const FixedInference inference(model, mixed, DegreesOfFreedom::satterthwaite, confidence_level);
    start = parameter_of("start", inference.contrast(Vector2d(1, 0)));
    slope = parameter_of("slope", inference.contrast(Vector2d(0, 1)));
    return mixed;
  };
  const MixedFit discrepancy =
      fit(difference.cwiseAbs(), r.discrepancy_at_start, r.discrepancy_slope);
  r.discrepancy_dyad_sd = discrepancy.random[0].sd[0];
  r.discrepancy_residual_sd = discrepancy.residual.sd;
  (void)fit(difference, r.difference_at_start, r.difference_slope);
  return r;
}

std::vector<SplitAlliance> split_alliance(const MatrixView& ratings, double threshold) {
  if (!(threshold >= 0)) throw InvalidArgument("split_alliance: `threshold` must be 0 or more");
  std::vector<SplitAlliance> result;
  for (Index i = 0; i < ratings.rows(); ++i) {
    const Moments m = moments(ratings.row(i).transpose());
    const double range = m.maximum - m.minimum;
    result.push_back({.mean = m.mean,
                      .sd = m.sd,
                      .range = range,
                      .split = range > threshold,
                      .members = m.n_used});
  }
  return result;
}

}  // namespace rapport
