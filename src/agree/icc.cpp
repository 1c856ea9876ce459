#include <rapport/agree/icc.hpp>
#include <rapport/agree/rating_model.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Mean squares of n subjects by k raters, in McGraw & Wong's names: rows, columns, error, within.
struct MeanSquares {
  double n;
  double k;
  double rows;
  double columns;
  double error;
  double within;
};

MeanSquares mean_squares(double n, double k, double ss_rows, double ss_columns, double ss_error) {
  return {.n = n,
          .k = k,
          .rows = ss_rows / (n - 1),
          .columns = ss_columns / (k - 1),
          .error = ss_error / ((n - 1) * (k - 1)),
          .within = (ss_columns + ss_error) / (n * (k - 1))};
}

MeanSquares mean_squares(const MatrixXd& y) {
  const auto n = static_cast<double>(y.rows());
  const auto k = static_cast<double>(y.cols());
  const VectorXd subject = y.rowwise().mean();
  const double grand = subject.mean();
  double ss_columns = 0;
  double ss_error = 0;
  for (Index j = 0; j < y.cols(); ++j) {
    const double shift = y.col(j).mean() - grand;
    ss_columns += n * shift * shift;
    ss_error += (y.col(j).array() - subject.array() - shift).square().sum();
  }
  return mean_squares(n, k, k * (subject.array() - grand).square().sum(), ss_columns, ss_error);
}

double estimate_of(const MeanSquares& m, IccModel model, IccType type, IccUnit unit) {
  const bool average = unit == IccUnit::average;
  if (model == IccModel::one_way_random)
    return (m.rows - m.within) / (average ? m.rows : m.rows + (m.k - 1) * m.within);
  const double bias = type == IccType::agreement ? m.columns - m.error : 0;
  return (m.rows - m.error) /
         (average ? m.rows + bias / m.n : m.rows + (m.k - 1) * m.error + m.k / m.n * bias);
}

/// From a single rater to the mean of k, Spearman 1910, Brown 1910.
double step_up(double icc, double k) { return k * icc / (1 + (k - 1) * icc); }

/// Satterthwaite's df of a MSC + b MSE (McGraw & Wong, table 7).
double combined_df(const MeanSquares& m, double a, double b) {
  const double columns = a * m.columns;
  const double error = b * m.error;
  const double sum = columns + error;
  return sum * sum / (columns * columns / (m.k - 1) + error * error / ((m.n - 1) * (m.k - 1)));
}

/// The weights of MSC and MSE at an ICC(A,1) of rho (`average`: at an ICC(A,k)).
std::array<double, 2> agreement_weights_at(const MeanSquares& m, double rho, bool average) {
  const double scale = (average ? 1 : m.k) * rho / (m.n * (1 - rho));
  return {scale, 1 + scale * (m.n - 1)};
}

/// Table 7: limits of ICC(1), ICC(C,·) from F = MSR / mean square of error.
ConfidenceInterval consistency_interval(double f, double df1, double df2, double k, IccUnit unit,
                                        double level) {
  const double tail = 0.5 + level / 2;
  const double low = f / fisher_f_quantile(tail, df1, df2);
  const double high = f * fisher_f_quantile(tail, df2, df1);
  if (unit == IccUnit::average) return {1 - 1 / low, 1 - 1 / high, level};
  return {(low - 1) / (low + k - 1), (high - 1) / (high + k - 1), level};
}

/// Table 7: limits of ICC(A,1) and ICC(A,k).
ConfidenceInterval agreement_interval(const MeanSquares& m, double rho, IccUnit unit,
                                      double level) {
  const bool average = unit == IccUnit::average;
  const auto [a, b] = agreement_weights_at(m, rho, false);  // also of ICC(A,k), at its own value
  const double df = combined_df(m, a, b);
  const double tail = 0.5 + level / 2;
  const double f_low = fisher_f_quantile(tail, m.n - 1, df);
  const double f_high = fisher_f_quantile(tail, df, m.n - 1);
  const double rest =
      average ? m.columns - m.error : m.k * m.columns + (m.k * m.n - m.k - m.n) * m.error;
  return {m.n * (m.rows - f_low * m.error) / (f_low * rest + m.n * m.rows),
          m.n * (f_high * m.rows - m.error) / (rest + m.n * f_high * m.rows), level};
}

/// Table 8: tests of ICC = null.
void add_test(IccForm& form, const MeanSquares& m, double null) {
  const bool average = form.unit == IccUnit::average;
  form.df1 = m.n - 1;
  if (form.model != IccModel::one_way_random && form.type == IccType::agreement) {
    const auto [a, b] = agreement_weights_at(m, null, average);
    form.f = m.rows / (a * m.columns + b * m.error);
    form.df2 = combined_df(m, a, b);
  } else {
    const bool one_way = form.model == IccModel::one_way_random;
    const double shrink = average ? 1 - null : (1 - null) / (1 + (m.k - 1) * null);
    form.f = m.rows / (one_way ? m.within : m.error) * shrink;
    form.df2 = one_way ? m.n * (m.k - 1) : (m.n - 1) * (m.k - 1);
  }
  form.p_value = fisher_f_upper_tail(form.f, form.df1, form.df2);
}

struct FormName {
  const char* form;
  const char* name;
  IccModel model;
  IccType type;
  IccUnit unit;
};

constexpr std::array<FormName, 10> form_names = {{
    {"ICC(1,1)", "ICC(1)", IccModel::one_way_random, IccType::agreement, IccUnit::single},
    {"ICC(2,1)", "ICC(A,1)", IccModel::two_way_random, IccType::agreement, IccUnit::single},
    {"ICC(3,1)", "ICC(C,1)", IccModel::two_way_mixed, IccType::consistency, IccUnit::single},
    {"ICC(1,k)", "ICC(k)", IccModel::one_way_random, IccType::agreement, IccUnit::average},
    {"ICC(2,k)", "ICC(A,k)", IccModel::two_way_random, IccType::agreement, IccUnit::average},
    {"ICC(3,k)", "ICC(C,k)", IccModel::two_way_mixed, IccType::consistency, IccUnit::average},
    {"ICC(C,1) case 2", "ICC(C,1)", IccModel::two_way_random, IccType::consistency,
     IccUnit::single},
    {"ICC(C,k) case 2", "ICC(C,k)", IccModel::two_way_random, IccType::consistency,
     IccUnit::average},
    {"ICC(A,1) case 3", "ICC(A,1)", IccModel::two_way_mixed, IccType::agreement, IccUnit::single},
    {"ICC(A,k) case 3", "ICC(A,k)", IccModel::two_way_mixed, IccType::agreement, IccUnit::average},
}};

/// The form that has the same numbers: a mixed model differs from a random one in the words only.
Index same_numbers(std::size_t i) {
  constexpr std::array<Index, 10> same = {0, 1, 2, 3, 4, 5, 2, 5, 1, 4};
  return same.at(i);
}

IccForm named(const FormName& n) {
  return {.form = n.form,
          .name = n.name,
          .model = n.model,
          .type = n.type,
          .unit = n.unit,
          .estimate = missing,
          .f = missing,
          .df1 = missing,
          .df2 = missing,
          .p_value = missing,
          .ci = {}};
}

ConfidenceInterval anova_interval(const IccForm& form, const MeanSquares& m,
                                  const IccOptions& options) {
  const double level = options.confidence_level;
  const bool one_way = form.model == IccModel::one_way_random;
  if (one_way || form.type == IccType::consistency)
    return consistency_interval(m.rows / (one_way ? m.within : m.error), m.n - 1,
                                one_way ? m.n * (m.k - 1) : (m.n - 1) * (m.k - 1), m.k, form.unit,
                                level);
  if (form.unit == IccUnit::single || options.average_interval == IccAverageInterval::mcgraw_wong)
    return agreement_interval(m, form.estimate, form.unit, level);
  const double single = estimate_of(m, form.model, form.type, IccUnit::single);
  const ConfidenceInterval ci = agreement_interval(m, single, IccUnit::single, level);
  return {step_up(ci.lower, m.k), step_up(ci.upper, m.k), level};
}

/// Fills the first six forms by `fill` and copies their numbers to the other four.
template <class Fill>
std::vector<IccForm> all_forms(const Fill& fill) {
  std::vector<IccForm> forms;
  for (std::size_t i = 0; i < form_names.size(); ++i) {
    forms.push_back(named(form_names[i]));
    IccForm& form = forms.back();
    if (i < 6) {
      fill(form);
      continue;
    }
    const IccForm& twin = forms[static_cast<std::size_t>(same_numbers(i))];
    form.estimate = twin.estimate;
    form.f = twin.f;
    form.df1 = twin.df1;
    form.df2 = twin.df2;
    form.p_value = twin.p_value;
    form.ci = twin.ci;
  }
  return forms;
}

void fill_anova(IccResult& r, const MatrixXd& y, const IccOptions& options) {
  const MeanSquares m = mean_squares(y);
  r.method = IccMethod::anova;
  r.components = {(m.rows - m.error) / m.k, (m.columns - m.error) / m.n, m.error};
  r.forms = all_forms([&](IccForm& form) {
    form.estimate = estimate_of(m, form.model, form.type, form.unit);
    add_test(form, m, options.null_value);
    form.ci = anova_interval(form, m, options);
  });
}

/// An ICC of the model with ratios a² = subject / residual and b² = rater / residual, and its
/// derivatives in a and b.
struct RatioIcc {
  double value;
  double in_a;
  double in_b;
};
RatioIcc ratio_icc(double a, double b) {
  const double total = a * a + b * b + 1;
  return {a * a / total, 2 * a * (b * b + 1) / (total * total), -2 * a * a * b / (total * total)};
}

/// ±z on Fisher's scale ½ log((1 + (k − 1)ρ) / (1 − ρ)), on which the ICC's variance is nearly free
/// of ρ (Fisher 1925, section 40).
ConfidenceInterval fisher_interval(double rho, double variance, double k, double level) {
  if (!(variance > 0) || !(rho < 1)) return {.level = level};
  const double slope = k / (2 * (1 + (k - 1) * rho) * (1 - rho));
  const double centre = 0.5 * std::log((1 + (k - 1) * rho) / (1 - rho));
  const ConfidenceInterval z = normal_interval(centre, slope * std::sqrt(variance), level);
  const auto back = [k](double x) { return (std::exp(2 * x) - 1) / (std::exp(2 * x) + k - 1); };
  return {back(z.lower), back(z.upper), level};
}

/// (N − Σ m² / N) / (n − 1), the size that stands for unequal numbers m of ratings.
double average_size(const MatrixXd& y) {
  const VectorXd ratings = (1 - y.array().isNaN().cast<double>()).rowwise().sum().matrix();
  const double total = ratings.sum();
  return (total - ratings.squaredNorm() / total) / static_cast<double>(y.rows() - 1);
}

/// Where the subjects' variance is estimated 0 the delta method fails: the limits of the balanced
/// case from the exact F, with the average number of ratings.
ConfidenceInterval at_boundary(const SubjectTest& test, double size, double level) {
  return consistency_interval(test.f, test.df1, test.df2, size, IccUnit::single, level);
}

void fill_mixed(IccResult& r, const MatrixXd& y, const IccOptions& options) {
  RatingDesign design;
  const Index n = r.n_ratings;
  const double centre = y.array().isNaN().select(0, y.array()).sum() / static_cast<double>(n);
  design.response.resize(n);
  design.fixed = MatrixXd::Ones(n, 1);
  const bool raters_are_more = y.cols() > y.rows();
  Index row = 0;
  for (Index j = 0; j < y.cols(); ++j)
    for (Index i = 0; i < y.rows(); ++i) {
      if (is_missing(y(i, j))) continue;
      design.response[row++] = y(i, j) - centre;
      design.subject.push_back(static_cast<std::int32_t>(i));
      design.rater.push_back(static_cast<std::int32_t>(j));
    }
  RatingDesign crossed = design;
  if (raters_are_more) std::swap(crossed.subject, crossed.rater);
  RatingModel two_way = fit_rating_model(crossed);
  if (raters_are_more) {
    std::swap(two_way.subject, two_way.rater);
    two_way.ratio_covariance = two_way.ratio_covariance.reverse().eval();
  }
  const SubjectTest two_way_test = subject_test(design);
  RatingDesign nested = design;
  nested.rater.clear();
  const RatingModel one_way = fit_rating_model(nested);
  const SubjectTest one_way_test = subject_test(nested);

  r.method = IccMethod::mixed;
  r.components = {two_way.subject, two_way.rater, two_way.residual};
  const auto k = static_cast<double>(r.raters);
  const double mean_size = average_size(y);
  r.forms = all_forms([&](IccForm& form) {
    const bool is_one_way = form.model == IccModel::one_way_random;
    const RatingModel& model = is_one_way ? one_way : two_way;
    const double a = std::sqrt(model.subject / model.residual);
    const double b = form.type == IccType::agreement ? std::sqrt(model.rater / model.residual) : 0;
    const RatioIcc single = ratio_icc(a, b);
    const Eigen::Matrix2d& v = model.ratio_covariance;
    double variance = single.in_a * single.in_a * v(0, 0);
    if (single.in_b != 0)
      variance += single.in_b * single.in_b * v(1, 1) + 2 * single.in_a * single.in_b * v(0, 1);
    ConfidenceInterval ci = fisher_interval(single.value, variance, k, options.confidence_level);
    if (is_missing(ci.lower) && form.type == IccType::consistency)
      ci = at_boundary(two_way_test, mean_size, options.confidence_level);
    if (is_missing(ci.lower) && is_one_way)
      ci = at_boundary(one_way_test, mean_size, options.confidence_level);
    const bool average = form.unit == IccUnit::average;
    form.estimate = average ? step_up(single.value, k) : single.value;
    form.ci =
        average ? ConfidenceInterval{step_up(ci.lower, k), step_up(ci.upper, k), ci.level} : ci;
    if (options.null_value != 0) return;
    const SubjectTest& test = is_one_way ? one_way_test : two_way_test;
    form.f = test.f;
    form.df1 = test.df1;
    form.df2 = test.df2;
    form.p_value = fisher_f_upper_tail(test.f, test.df1, test.df2);
  });
}

/// Subjects and raters with any rating.
MatrixXd rated_part(const MatrixView& ratings) {
  std::vector<Index> rows;
  for (Index i = 0; i < ratings.rows(); ++i)
    if (!ratings.row(i).array().isNaN().all()) rows.push_back(i);
  MatrixXd part(static_cast<Index>(rows.size()), ratings.cols());
  Index columns = 0;
  for (Index j = 0; j < ratings.cols(); ++j)
    if (!ratings.col(j).array().isNaN().all()) part.col(columns++) = pick(ratings.col(j), rows);
  return part.leftCols(columns);
}

MatrixXd complete_part(const MatrixView& ratings) {
  return pick_rows(ratings, complete_rows(ratings));
}

}  // namespace

std::optional<IccAverageInterval> parse_icc_average_interval(std::string_view text) {
  if (text == "spearman-brown") return IccAverageInterval::spearman_brown;
  if (text == "mcgraw-wong") return IccAverageInterval::mcgraw_wong;
  return std::nullopt;
}

IccResult intraclass_correlation(const MatrixView& ratings, const IccOptions& options) {
  require_level("intraclass_correlation", "confidence_level", options.confidence_level);
  if (!(options.null_value >= 0 && options.null_value < 1))
    throw InvalidArgument("intraclass_correlation: `null_value` is " +
                          std::to_string(options.null_value) + "; it must lie in [0, 1)");
  const MatrixXd y = rated_part(ratings);
  if (y.rows() < 2 || y.cols() < 2)
    throw DataError("intraclass_correlation: " + std::to_string(y.rows()) + " subjects and " +
                    std::to_string(y.cols()) +
                    " raters have ratings; at least two of each are required");
  IccResult r{};
  r.raters = y.cols();
  r.n_used = y.rows();
  r.n_omitted = ratings.rows() - y.rows();
  r.n_ratings = y.size() - y.array().isNaN().count();
  if (r.n_ratings == y.size())
    fill_anova(r, y, options);
  else
    fill_mixed(r, y, options);
  r.standard_error_of_measurement =
      std::sqrt(std::max(0.0, r.components.rater + r.components.residual));
  r.smallest_detectable_change = normal_quantile(0.5 + options.confidence_level / 2) *
                                 std::sqrt(2.0) * r.standard_error_of_measurement;
  return r;
}

const IccForm& icc_form(const IccResult& result, std::string_view form) {
  for (const IccForm& one : result.forms)
    if (one.form == form) return one;
  throw InvalidArgument("icc_form: \"" + std::string(form) + "\" is no form; ICC(2,1) is one");
}

double icc_estimate(const MatrixView& ratings, IccModel model, IccType type, IccUnit unit) {
  const MatrixXd y = complete_part(ratings);
  if (y.rows() < 2 || y.cols() < 2) return missing;
  return estimate_of(mean_squares(y), model, type, unit);
}

BootstrapResult icc_bootstrap(const MatrixView& ratings, IccModel model, IccType type, IccUnit unit,
                              Seed seed, const BootstrapOptions& options) {
  MatrixXd y = complete_part(ratings);
  require_at_least("icc_bootstrap", "complete subjects", y.rows(), 2);
  require_at_least("icc_bootstrap", "raters", y.cols(), 2);
  y.array() -= y.mean();
  const Index raters = y.cols();
  const auto k = static_cast<double>(raters);
  // Column i: the ratings of subject i, their sum squared over k, their sum of squares.
  MatrixXd subjects(raters + 2, y.rows());
  subjects.topRows(raters) = y.transpose();
  subjects.row(raters) = (y.rowwise().sum().array().square() / k).transpose();
  subjects.row(raters + 1) = y.rowwise().squaredNorm().transpose();
  return bootstrap(
      y.rows(),
      [&](const std::vector<Index>& rows) {
        const auto drawn = static_cast<double>(rows.size());
        VectorXd total = VectorXd::Zero(raters + 2);
        for (const Index i : rows) total += subjects.col(i);
        const double sum = total.head(raters).sum();
        const double correction = sum * sum / (drawn * k);
        const double ss_rows = total[raters] - correction;
        const double ss_columns = total.head(raters).squaredNorm() / drawn - correction;
        const double ss_error = total[raters + 1] - correction - ss_rows - ss_columns;
        return estimate_of(mean_squares(drawn, k, ss_rows, ss_columns, ss_error), model, type,
                           unit);
      },
      seed, options);
}

}  // namespace rapport
