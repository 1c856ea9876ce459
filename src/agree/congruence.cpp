#include <rapport/agree/congruence.hpp>
#include <rapport/agree/rating_model.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/QR>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index term_count = 6;

/// The rows that have all variables.
template <class... Views>
std::vector<Index> rows_with_all(Index n, const Views&... views) {
  std::vector<Index> rows;
  for (Index i = 0; i < n; ++i)
    if ((!is_missing(views[i]) && ...)) rows.push_back(i);
  return rows;
}

MatrixXd surface_terms(const VectorXd& x, const VectorXd& y) {
  MatrixXd terms(x.size(), term_count);
  terms << VectorXd::Ones(x.size()), x, y, x.cwiseAbs2(), x.cwiseProduct(y), y.cwiseAbs2();
  return terms;
}

/// Rows a1 … a5 as combinations of b0 … b5.
Eigen::Matrix<double, 5, 6> surface_contrasts() {
  Eigen::Matrix<double, 5, 6> c;
  c << 0, 1, 1, 0, 0, 0,  //
      0, 0, 0, 1, 1, 1,   //
      0, 1, -1, 0, 0, 0,  //
      0, 0, 0, 1, -1, 1,  //
      0, 0, 0, 1, 0, -1;
  return c;
}

struct Shape {
  double x;
  double y;
  double first_intercept;
  double first_slope;
  double second_intercept;
  double second_slope;
  Eigen::Vector2d eigenvalues;

  [[nodiscard]] VectorXd vector() const {
    VectorXd v(6);
    v << x, y, first_intercept, first_slope, second_intercept, second_slope;
    return v;
  }
};

/// Edwards & Parry (1993): the stationary point solves the gradient, the principal axes pass
/// through it along the eigenvectors of the quadratic part. The slope is written so that no
/// difference of nearly equal numbers is divided.
Shape shape_of(const VectorXd& b) {
  const double gap = b[5] - b[3];
  const double root = std::hypot(gap, b[4]);
  const double determinant = 4 * b[3] * b[5] - b[4] * b[4];
  Shape s{};
  s.x = (b[2] * b[4] - 2 * b[1] * b[5]) / determinant;
  s.y = (b[1] * b[4] - 2 * b[2] * b[3]) / determinant;
  s.first_slope = gap > 0 ? (gap + root) / b[4] : b[4] / (root - gap);
  s.second_slope = gap > 0 ? -b[4] / (gap + root) : (gap - root) / b[4];
  s.first_intercept = s.y - s.first_slope * s.x;
  s.second_intercept = s.y - s.second_slope * s.x;
  s.eigenvalues = {(b[3] + b[5] + root) / 2, (b[3] + b[5] - root) / 2};
  return s;
}

void add_shape(ResponseSurfaceResult& r, const VectorXd& b) {
  const Shape s = shape_of(b);
  const MatrixXd jacobian =
      numerical_jacobian([](const VectorXd& at) { return shape_of(at).vector(); }, b);
  const VectorXd error = (jacobian * r.covariance * jacobian.transpose()).diagonal().cwiseSqrt();
  r.stationary_x = s.x;
  r.stationary_y = s.y;
  r.stationary_x_standard_error = error[0];
  r.stationary_y_standard_error = error[1];
  r.first = {s.first_intercept, s.first_slope, error[2], error[3]};
  r.second = {s.second_intercept, s.second_slope, error[4], error[5]};
  r.eigenvalues = s.eigenvalues;
}

Parameter tested(std::string name, double estimate, double standard_error, double df,
                 double level) {
  const double statistic = estimate / standard_error;
  return {std::move(name),
          estimate,
          standard_error,
          students_t_interval(estimate, standard_error, df, level),
          statistic,
          df,
          students_t_p_value(statistic, df)};
}

struct LeastSquares {
  VectorXd coefficients;
  MatrixXd unscaled;  ///< (X'X)⁻¹
  double residual;    ///< sum of squares
  bool full_rank;
};

LeastSquares least_squares(const MatrixXd& x, const VectorXd& z) {
  // Columns of very different size (1, x, x²) are brought to length 1, so that rank can be told.
  const VectorXd size = x.colwise().norm().transpose();
  LeastSquares fit{VectorXd::Constant(x.cols(), missing), {}, missing, false};
  if (!(size.minCoeff() > 0)) return fit;
  const MatrixXd scaled = x * size.cwiseInverse().asDiagonal();
  const Eigen::HouseholderQR<MatrixXd> qr(scaled);
  const MatrixXd upper = qr.matrixQR().topRows(x.cols()).triangularView<Eigen::Upper>();
  fit.full_rank = upper.diagonal().cwiseAbs().minCoeff() > 1e-10;
  if (!fit.full_rank) return fit;
  const VectorXd rotated = qr.householderQ().transpose() * z;
  const VectorXd b = upper.triangularView<Eigen::Upper>().solve(rotated.head(x.cols()));
  fit.coefficients = b.cwiseQuotient(size);
  const MatrixXd inverse =
      size.cwiseInverse().asDiagonal() *
      MatrixXd(upper.triangularView<Eigen::Upper>().solve(MatrixXd::Identity(x.cols(), x.cols())));
  fit.unscaled = inverse * inverse.transpose();
  fit.residual = rotated.tail(x.rows() - x.cols()).squaredNorm();
  return fit;
}

[[noreturn]] void refuse_rank() {
  throw DataError(
      "response_surface: the terms 1, x, y, x^2, xy, y^2 depend linearly on each other; x and y "
      "each need three or more "
      "values, and must not determine each other");
}

void fit_least_squares(ResponseSurfaceResult& r, const MatrixXd& terms, const VectorXd& z,
                       double level) {
  const LeastSquares fit = least_squares(terms, z);
  if (!fit.full_rank) refuse_rank();
  const auto n = static_cast<double>(z.size());
  r.df1 = term_count - 1;
  r.df2 = n - term_count;
  r.residual_sd = std::sqrt(fit.residual / r.df2);
  r.covariance = r.residual_sd * r.residual_sd * fit.unscaled;
  const double total = (z.array() - z.mean()).square().sum();
  r.r_squared = 1 - fit.residual / total;
  r.adjusted_r_squared = 1 - (1 - r.r_squared) * (n - 1) / r.df2;
  r.f = (total - fit.residual) / r.df1 / (fit.residual / r.df2);
  r.patient_sd = missing;
  for (Index j = 0; j < term_count; ++j)
    r.coefficients.push_back(tested("b" + std::to_string(j), fit.coefficients[j],
                                    std::sqrt(r.covariance(j, j)), r.df2, level));
  const Eigen::Matrix<double, 5, 6> contrasts = surface_contrasts();
  for (Index j = 0; j < contrasts.rows(); ++j) {
    const VectorXd c = contrasts.row(j).transpose();
    r.surface.push_back(tested("a" + std::to_string(j + 1), c.dot(fit.coefficients),
                               std::sqrt(c.dot(r.covariance * c)), r.df2, level));
  }
  add_shape(r, fit.coefficients);
}

Parameter parameter_of(std::string name, const ContrastEstimate& c) {
  return {std::move(name), c.estimate, c.standard_error, c.ci, c.statistic, c.df, c.p_value};
}

/// The same with a random intercept of the patient.
void fit_random_intercept(ResponseSurfaceResult& r, const MatrixXd& terms, const VectorXd& z,
                          const ConsecutiveCodes& patients, double level) {
  Design design;
  design.response = z;
  design.fixed = terms;
  for (Index j = 0; j < term_count; ++j) design.fixed_terms.push_back("b" + std::to_string(j));
  design.random.push_back(random_intercept("patient", patients));
  const MixedModel model(design);
  const MixedFit fit = model.fit({.random_effects = false});
  if (!fit.fixed.dropped.empty()) refuse_rank();
  const FixedInference inference(model, fit, DegreesOfFreedom::satterthwaite, level);
  r.covariance = fit.fixed.covariance;
  r.residual_sd = fit.residual.sd;
  r.patient_sd = fit.random[0].sd[0];
  r.r_squared = r.adjusted_r_squared = r.f = r.df1 = r.df2 = missing;
  for (Index j = 0; j < term_count; ++j)
    r.coefficients.push_back(
        parameter_of("b" + std::to_string(j), inference.contrast(VectorXd::Unit(term_count, j))));
  const Eigen::Matrix<double, 5, 6> contrasts = surface_contrasts();
  for (Index j = 0; j < contrasts.rows(); ++j)
    r.surface.push_back(parameter_of("a" + std::to_string(j + 1),
                                     inference.contrast(contrasts.row(j).transpose())));
  add_shape(r, fit.fixed.estimate);
}

void check_lengths(const VectorView& outcome, const VectorView& x, const VectorView& y) {
  require_same_size("response_surface", "outcome", outcome.size(), "x", x.size());
  require_same_size("response_surface", "outcome", outcome.size(), "y", y.size());
}

/// Means of `values` within groups, spread over the rows.
VectorXd group_means(const VectorXd& values, const ConsecutiveCodes& groups) {
  VectorXd sum = VectorXd::Zero(groups.count);
  VectorXd count = VectorXd::Zero(groups.count);
  for (Index i = 0; i < values.size(); ++i) {
    sum[groups.codes[static_cast<std::size_t>(i)]] += values[i];
    count[groups.codes[static_cast<std::size_t>(i)]] += 1;
  }
  VectorXd means(values.size());
  for (Index i = 0; i < values.size(); ++i) {
    const std::int32_t g = groups.codes[static_cast<std::size_t>(i)];
    means[i] = sum[g] / count[g];
  }
  return means;
}

/// All parameters of a surface in one vector; NaN where the terms are dependent.
VectorXd all_parameters(const VectorXd& b) {
  VectorXd v(17);
  v << b, surface_contrasts() * b, shape_of(b).vector();
  return v;
}

}  // namespace

ResponseSurfaceResult response_surface(const VectorView& outcome, const VectorView& x,
                                       const VectorView& y, const ResponseSurfaceOptions& options) {
  require_level("response_surface", "confidence_level", options.confidence_level);
  check_lengths(outcome, x, y);
  const bool multilevel = !options.patient.empty();
  if (multilevel)
    require_same_size("response_surface", "outcome", outcome.size(), "patient",
                      static_cast<Index>(options.patient.size()));
  std::vector<Index> rows = rows_with_all(outcome.size(), outcome, x, y);
  if (multilevel)
    std::erase_if(rows, [&](Index i) { return options.patient[static_cast<std::size_t>(i)] < 0; });
  if (rows.size() <= term_count)
    throw DataError("response_surface: " + std::to_string(rows.size()) +
                    " rows have all variables; more than 6 are required");
  ResponseSurfaceResult r{};
  r.centre = options.centre;
  r.n_used = static_cast<Index>(rows.size());
  r.n_omitted = outcome.size() - r.n_used;
  const MatrixXd terms =
      surface_terms(pick(x, rows).array() - options.centre, pick(y, rows).array() - options.centre);
  const VectorXd z = pick(outcome, rows);
  if (!multilevel) {
    fit_least_squares(r, terms, z, options.confidence_level);
    return r;
  }
  fit_random_intercept(r, terms, z, consecutive_codes(options.patient, rows),
                       options.confidence_level);
  return r;
}

SurfaceBootstrap response_surface_bootstrap(const VectorView& outcome, const VectorView& x,
                                            const VectorView& y, Seed seed,
                                            const SurfaceBootstrapOptions& options) {
  require_level("response_surface_bootstrap", "confidence_level", options.confidence_level);
  require_at_least("response_surface_bootstrap", "replicates", options.replicates, 2);
  check_lengths(outcome, x, y);
  const std::vector<Index> rows = rows_with_all(outcome.size(), outcome, x, y);
  const MatrixXd terms =
      surface_terms(pick(x, rows).array() - options.centre, pick(y, rows).array() - options.centre);
  const VectorXd z = pick(outcome, rows);
  const LeastSquares fit = least_squares(terms, z);
  if (static_cast<Index>(rows.size()) <= term_count || !fit.full_rank) refuse_rank();
  std::vector<std::vector<Index>> clusters;
  if (!options.cluster.empty()) {
    require_same_size("response_surface_bootstrap", "outcome", outcome.size(), "cluster",
                      static_cast<Index>(options.cluster.size()));
    for (const Index i : rows)
      if (options.cluster[static_cast<std::size_t>(i)] < 0)
        throw InvalidArgument(
            "response_surface_bootstrap: `cluster` is missing on a row that has all variables");
    const ConsecutiveCodes groups = consecutive_codes(options.cluster, rows);
    clusters.resize(static_cast<std::size_t>(groups.count));
    for (std::size_t i = 0; i < rows.size(); ++i)
      clusters[static_cast<std::size_t>(groups.codes[i])].push_back(static_cast<Index>(i));
  }
  SurfaceBootstrap result;
  result.names = {"b0",           "b1",
                  "b2",           "b3",
                  "b4",           "b5",
                  "a1",           "a2",
                  "a3",           "a4",
                  "a5",           "stationary_x",
                  "stationary_y", "first_intercept",
                  "first_slope",  "second_intercept",
                  "second_slope"};
  result.estimate = all_parameters(fit.coefficients);
  result.replicates.resize(options.replicates, result.estimate.size());
  parallel_for(options.replicates, options.threads, [&](Index replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    const std::vector<Index> drawn = clusters.empty() ? bootstrap_sample(z.size(), stream)
                                                      : cluster_bootstrap_sample(clusters, stream);
    const LeastSquares one = least_squares(pick_rows(terms, drawn), pick(z, drawn));
    result.replicates.row(replicate) = all_parameters(one.coefficients).transpose();
  });
  result.standard_error.resize(result.estimate.size());
  for (Index j = 0; j < result.estimate.size(); ++j) {
    const VectorXd column =
        result.replicates.col(j).array().isFinite().select(result.replicates.col(j), missing);
    result.standard_error[j] = std::sqrt(variance(column));
    result.ci.push_back({quantile(column, 0.5 - options.confidence_level / 2),
                         quantile(column, 0.5 + options.confidence_level / 2),
                         options.confidence_level});
  }
  return result;
}

double pooled_mean(const VectorView& x, const VectorView& y) {
  require_same_size("pooled_mean", "x", x.size(), "y", y.size());
  const std::vector<Index> rows = rows_with_all(x.size(), x, y);
  if (rows.empty())
    throw DataError("pooled_mean: no row holds both ratings; a mean of both needs one at least");
  return (pick(x, rows).mean() + pick(y, rows).mean()) / 2;
}

TruthAndBiasResult truth_and_bias(const VectorView& judgment, const VectorView& truth,
                                  const VectorView& bias, const std::vector<std::int32_t>& patient,
                                  const TruthAndBiasOptions& options) {
  require_level("truth_and_bias", "confidence_level", options.confidence_level);
  require_same_size("truth_and_bias", "judgment", judgment.size(), "truth", truth.size());
  require_same_size("truth_and_bias", "judgment", judgment.size(), "bias", bias.size());
  require_same_size("truth_and_bias", "judgment", judgment.size(), "patient",
                    static_cast<Index>(patient.size()));
  std::vector<Index> rows = rows_with_all(judgment.size(), judgment, truth, bias);
  std::erase_if(rows, [&](Index i) { return patient[static_cast<std::size_t>(i)] < 0; });
  if (rows.size() < 5)
    throw DataError("truth_and_bias: " + std::to_string(rows.size()) +
                    " rows have all variables; at least 5 are required");
  RatingDesign design;
  const ConsecutiveCodes patients = consecutive_codes(patient, rows);
  design.subject = patients.codes;
  const VectorXd t = pick(truth, rows);
  const VectorXd b = pick(bias, rows);
  const bool grand = options.centre == TruthCentre::grand;
  const VectorXd truth_centre =
      grand ? VectorXd::Constant(t.size(), t.mean()) : group_means(t, patients);
  const VectorXd bias_centre =
      grand ? VectorXd::Constant(b.size(), b.mean()) : group_means(b, patients);
  design.response = pick(judgment, rows) - truth_centre;
  design.fixed.resize(t.size(), 3);
  design.fixed << VectorXd::Ones(t.size()), t - truth_centre, b - bias_centre;
  const RatingModel model =
      fit_rating_model(design, {.reml = options.reml, .compound_symmetry = true});
  const double df = static_cast<double>(rows.size()) - 3;
  // Under ML the variance is scaled to the divisor n − 3, as t on n − 3 supposes.
  const double scale = options.reml ? 1 : static_cast<double>(rows.size()) / df;
  const auto parameter = [&](std::string name, Index j) {
    return tested(std::move(name), model.coefficients[j], std::sqrt(scale * model.covariance(j, j)),
                  df, options.confidence_level);
  };
  const double total = model.subject + model.residual;
  return {.direction_bias = parameter("direction_bias", 0),
          .truth_force = parameter("truth_force", 1),
          .bias_force = parameter("bias_force", 2),
          .truth_mean = t.mean(),
          .bias_mean = b.mean(),
          .sigma = std::sqrt(total),
          .correlation = model.subject / total,
          .log_likelihood = model.log_likelihood,
          .patients = patients.count,
          .n_used = t.size(),
          .n_omitted = judgment.size() - t.size()};
}

}  // namespace rapport
