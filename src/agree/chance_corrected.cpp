#include <rapport/agree/chance_corrected.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace rapport {
namespace {

using Eigen::ArrayXd;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Subjects with at least `least` ratings, as counts of categories; n × q.
MatrixXd subjects_with(MatrixXd counts, double least) {
  const ArrayXd ratings = counts.rowwise().sum().array();
  if ((ratings >= least).all()) return counts;
  MatrixXd kept((ratings >= least).count(), counts.cols());
  Index row = 0;
  for (Index i = 0; i < counts.rows(); ++i)
    if (ratings[i] >= least) kept.row(row++) = counts.row(i);
  return kept;
}

/// Σ_k r_ik (r*_ik − 1), r* the weighted counts: the agreeing ordered pairs of each subject.
ArrayXd agreeing_pairs(const MatrixXd& counts, const MatrixView& weights) {
  if (weights.isIdentity(0)) return (counts.array() * (counts.array() - 1)).rowwise().sum();
  const MatrixXd weighted = counts * weights.transpose();
  return (counts.array() * (weighted.array() - 1)).rowwise().sum();
}

/// What every coefficient rests on, in the notation of Gwet (2014): r_i ratings of subject i, its
/// weighted share p_a|i of agreeing pairs (0 with fewer than two ratings).
struct Subjects {
  MatrixXd counts;      ///< n × q
  ArrayXd ratings;      ///< r_i ≥ 1
  ArrayXd agreement;    ///< p_a|i
  VectorXd prevalence;  ///< π, the mean over subjects of the shares r_ik / r_i
  double n;
  double n_pairs;  ///< subjects with at least two ratings
  double observed;
};

Subjects summarize(MatrixXd counts, const MatrixView& weights) {
  Subjects s;
  s.counts = subjects_with(std::move(counts), 1);
  s.n = static_cast<double>(s.counts.rows());
  s.ratings = s.counts.rowwise().sum().array();
  const ArrayXd agreeing = agreeing_pairs(s.counts, weights);
  s.agreement = (s.ratings >= 2).select(agreeing / (s.ratings * (s.ratings - 1)), 0);
  s.n_pairs = static_cast<double>((s.ratings >= 2).count());
  s.observed = s.agreement.sum() / s.n_pairs;
  s.prevalence = s.counts.transpose() * (1 / (s.n * s.ratings)).matrix();
  return s;
}

/// Chance agreement, and half of each subject's influence on it (mean 0).
struct Chance {
  double expected;
  ArrayXd deviation;
};

Chance fleiss_chance(const Subjects& s, const MatrixView& weights) {
  const VectorXd weighted = (weights * s.prevalence + weights.transpose() * s.prevalence) / 2;
  const double expected = s.prevalence.dot(weighted);
  return {expected, (s.counts * weighted).array() / s.ratings - expected};
}

Chance gwet_chance(const Subjects& s, const MatrixView& weights) {
  const auto q = static_cast<double>(weights.rows());
  const double scale = weights.sum() / (q * (q - 1));
  const VectorXd rest = (1 - s.prevalence.array()).matrix();
  const double expected = scale * s.prevalence.dot(rest);
  return {expected, scale * (s.counts * rest).array() / s.ratings - expected};
}

Chance uniform_chance(const Subjects& s, const MatrixView& weights) {
  const auto q = static_cast<double>(weights.rows());
  return {weights.sum() / (q * q), ArrayXd::Zero(s.counts.rows())};
}

/// Conger 1980: the mean of Σ w_kl p_gk p_hl over the pairs of different raters g and h, where p_gk
/// is the share of category k among the subjects that rater g rated.
Chance conger_chance(const CodeView& codes, const MatrixView& weights) {
  const Index n = codes.rows();
  const Index q = weights.rows();
  const Index raters = codes.cols();
  MatrixXd margins = MatrixXd::Zero(q, raters);
  ArrayXd rated = ArrayXd::Zero(raters);
  for (Index g = 0; g < raters; ++g) {
    for (Index i = 0; i < n; ++i)
      if (codes(i, g) >= 0) margins(codes(i, g), g) += 1;
    rated[g] = margins.col(g).sum();
    if (rated[g] > 0) margins.col(g) /= rated[g];
  }
  const auto r = static_cast<double>((rated > 0).count());  // a rater without ratings is none
  const VectorXd total = margins.rowwise().sum();
  const MatrixXd symmetric = (weights + weights.transpose()) / 2;
  // Column g: what a rating of g meets in the other raters, category by category.
  const MatrixXd others = symmetric * ((-margins).colwise() + total) / (r * (r - 1));
  Chance chance{margins.cwiseProduct(others).sum(), ArrayXd::Zero(n)};
  for (Index g = 0; g < raters; ++g) {
    const double mean = margins.col(g).dot(others.col(g));
    for (Index i = 0; i < n; ++i)
      if (codes(i, g) >= 0)
        chance.deviation[i] += static_cast<double>(n) / rated[g] * (others(codes(i, g), g) - mean);
  }
  return chance;
}

double coefficient_of(double observed, double expected) {
  return expected < 1 ? (observed - expected) / (1 - expected) : missing;
}

/// Gwet (2014), equations for the variance of each coefficient: the subjects' linearised values.
double subject_variance(const Subjects& s, const Chance& chance, double estimate) {
  const double rest = 1 - chance.expected;
  const ArrayXd own =
      (s.ratings >= 2).select((s.agreement - chance.expected) * (s.n / s.n_pairs) / rest, 0);
  const ArrayXd linear = own - 2 * (1 - estimate) * chance.deviation / rest;
  return (linear - estimate).square().sum() / (s.n * (s.n - 1));
}

bool equal_numbers(const Subjects& s) {
  return s.ratings.size() > 0 && (s.ratings == s.ratings[0]).all();
}

/// Fleiss, Nee & Landis 1979: the standard error of κ when κ = 0, m ratings of every subject.
double fleiss_null_error(const Subjects& s) {
  const ArrayXd p = s.prevalence.array();
  const ArrayXd pq = p * (1 - p);
  const double m = s.ratings[0];
  const double total = pq.sum();
  const double inner = total * total - (pq * (1 - 2 * p)).sum();
  return std::sqrt(2 / (s.n * m * (m - 1)) * std::max(0.0, inner)) / total;
}

/// Each category against the rest is a κ of two categories.
std::vector<CategoryAgreement> categories(const Subjects& s) {
  const bool equal = equal_numbers(s);
  const double m = s.ratings.size() > 0 ? s.ratings[0] : 0;
  std::vector<CategoryAgreement> result;
  for (Index k = 0; k < s.counts.cols(); ++k) {
    const ArrayXd chose = s.counts.col(k).array();
    const ArrayXd rest = s.ratings - chose;
    const ArrayXd agreeing = chose * (chose - 1) + rest * (rest - 1);
    const double observed =
        (s.ratings >= 2).select(agreeing / (s.ratings * (s.ratings - 1)), 0).sum() / s.n_pairs;
    const double p = s.prevalence[k];
    CategoryAgreement c;
    c.proportion = p;
    c.estimate = p > 0 && p < 1 ? (observed - 1 + 2 * p * (1 - p)) / (2 * p * (1 - p)) : missing;
    c.standard_error_null = equal && m >= 2 ? std::sqrt(2 / (s.n * m * (m - 1))) : missing;
    c.statistic = c.estimate / c.standard_error_null;
    c.p_value = normal_p_value(c.statistic);
    result.push_back(c);
  }
  return result;
}

void add_test(ChanceCorrectedResult& r, double level) {
  r.ci = students_t_interval(r.estimate, r.standard_error, r.df, level);
  r.ci.upper = r.ci.upper > 1 ? 1 : r.ci.upper;
  r.statistic = r.estimate / r.standard_error;
  r.p_value = students_t_p_value(r.statistic, r.df);
}

void add_fleiss(ChanceCorrectedResult& r, const Subjects& s, const MatrixView& weights) {
  r.by_category = categories(s);
  const bool unweighted = weights.isIdentity(0);
  r.standard_error_null =
      unweighted && equal_numbers(s) && s.ratings[0] >= 2 ? fleiss_null_error(s) : missing;
  r.statistic = r.estimate / r.standard_error_null;
  r.p_value = normal_p_value(r.statistic);
}

Chance chance_of(AgreementCoefficient coefficient, const Subjects& s, const MatrixView& weights) {
  switch (coefficient) {
    case AgreementCoefficient::percent:
      return {0, ArrayXd::Zero(s.counts.rows())};
    case AgreementCoefficient::fleiss:
    case AgreementCoefficient::scott:
      return fleiss_chance(s, weights);
    case AgreementCoefficient::brennan_prediger:
      return uniform_chance(s, weights);
    case AgreementCoefficient::gwet:
      return gwet_chance(s, weights);
    case AgreementCoefficient::conger:
      break;
  }
  throw InvalidArgument(
      "chance_corrected_agreement: this coefficient needs the raters' codes, not counts");
}

ChanceCorrectedResult finish(AgreementCoefficient coefficient, const Subjects& s,
                             const Chance& chance, const MatrixView& weights, double level) {
  ChanceCorrectedResult r{};
  r.observed = s.observed;
  r.expected = chance.expected;
  r.estimate = coefficient_of(s.observed, chance.expected);
  r.standard_error = std::sqrt(subject_variance(s, chance, r.estimate));
  r.df = s.n - 1;
  r.standard_error_null = missing;
  add_test(r, level);
  if (coefficient == AgreementCoefficient::fleiss) add_fleiss(r, s, weights);
  r.n_used = static_cast<Index>(s.n);
  return r;
}

/// Rows of codes that hold a rating.
Eigen::MatrixXi rated_subjects(const CodeView& codes) {
  const auto rated = (codes.array() >= 0).rowwise().any().eval();
  Eigen::MatrixXi kept(rated.count(), codes.cols());
  Index row = 0;
  for (Index i = 0; i < codes.rows(); ++i)
    if (rated[i]) kept.row(row++) = codes.row(i);
  return kept;
}

/// The jackknife over raters: (r − 1) / r Σ (κ without g − their mean)².
double rater_variance(AgreementCoefficient coefficient, const CodeView& codes,
                      const MatrixView& weights) {
  const Index raters = codes.cols();
  ArrayXd without(raters);
  for (Index g = 0; g < raters; ++g) {
    Eigen::MatrixXi rest(codes.rows(), raters - 1);
    rest << codes.leftCols(g), codes.rightCols(raters - 1 - g);
    without[g] = chance_corrected_agreement(coefficient, rest, weights).estimate;
  }
  const auto r = static_cast<double>(raters);
  return (r - 1) / r * (without - without.mean()).square().sum();
}

void check(const MatrixView& weights, double level) {
  require_level("chance_corrected_agreement", "confidence_level", level);
  require_agreement_weights("chance_corrected_agreement", weights);
}

}  // namespace

ChanceCorrectedResult chance_corrected_agreement_of_counts(AgreementCoefficient coefficient,
                                                           const MatrixView& counts,
                                                           const MatrixView& weights,
                                                           const ChanceCorrectedOptions& options) {
  check(weights, options.confidence_level);
  if (counts.cols() != weights.rows())
    throw InvalidArgument("chance_corrected_agreement: `counts` has " +
                          std::to_string(counts.cols()) + " categories but `weights` are for " +
                          std::to_string(weights.rows()));
  if (options.sample_raters)
    throw InvalidArgument(
        "chance_corrected_agreement: counts do not say who rated; sample_raters needs codes");
  if (!counts.allFinite() || (counts.size() > 0 && counts.minCoeff() < 0))
    throw InvalidArgument(
        "chance_corrected_agreement: `counts` must be numbers of raters, 0 or more");
  if (coefficient == AgreementCoefficient::scott)
    throw InvalidArgument(
        "chance_corrected_agreement: Scott's pi needs the codes of two raters; for counts use "
        "Fleiss");
  const Subjects s = summarize(counts, weights);
  ChanceCorrectedResult r =
      finish(coefficient, s, chance_of(coefficient, s, weights), weights, options.confidence_level);
  r.n_omitted = counts.rows() - r.n_used;
  r.raters = counts.rows() > 0 ? static_cast<Index>(counts.rowwise().sum().maxCoeff()) : 0;
  return r;
}

ChanceCorrectedResult chance_corrected_agreement(AgreementCoefficient coefficient,
                                                 const CodeView& codes, const MatrixView& weights,
                                                 const ChanceCorrectedOptions& options) {
  check(weights, options.confidence_level);
  require_at_least("chance_corrected_agreement", "raters", codes.cols(), 2);
  if (coefficient == AgreementCoefficient::scott && codes.cols() != 2)
    throw InvalidArgument("chance_corrected_agreement: Scott's pi is for two raters, not " +
                          std::to_string(codes.cols()) + "; for more use Fleiss's kappa");
  if (options.sample_raters)
    require_at_least("chance_corrected_agreement", "raters", codes.cols(), 3);
  const Subjects s = summarize(category_counts(codes, weights.rows()), weights);
  const Chance chance = coefficient == AgreementCoefficient::conger
                            ? conger_chance(rated_subjects(codes), weights)
                            : chance_of(coefficient, s, weights);
  ChanceCorrectedResult r = finish(coefficient, s, chance, weights, options.confidence_level);
  r.n_omitted = codes.rows() - r.n_used;
  if (options.sample_raters) {
    r.standard_error = std::sqrt(r.standard_error * r.standard_error +
                                 rater_variance(coefficient, codes, weights));
    add_test(r, options.confidence_level);
  }
  r.raters = codes.cols();
  return r;
}

PercentAgreementResult percent_agreement(const MatrixView& ratings,
                                         const PercentAgreementOptions& options) {
  require_level("percent_agreement", "confidence_level", options.confidence_level);
  require_at_least("percent_agreement", "raters", ratings.cols(), 2);
  if (!(options.tolerance >= 0))
    throw InvalidArgument("percent_agreement: `tolerance` is " + std::to_string(options.tolerance) +
                          "; it must be 0 or more");
  Index used = 0;
  Index agreed = 0;
  for (Index i = 0; i < ratings.rows(); ++i) {
    if (ratings.row(i).array().isNaN().any()) continue;
    ++used;
    if (ratings.row(i).maxCoeff() - ratings.row(i).minCoeff() <= options.tolerance) ++agreed;
  }
  if (used == 0)
    throw InvalidArgument(
        "percent_agreement: no subject was rated by every rater; at least one is required");
  const auto n = static_cast<double>(used);
  const double p = static_cast<double>(agreed) / n;
  const double z = normal_quantile(0.5 + options.confidence_level / 2);
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {
      .estimate = p,
      .standard_error = std::sqrt(p * (1 - p) / n),
      .ci = {std::max(0.0, centre - half), std::min(1.0, centre + half), options.confidence_level},
      .raters = ratings.cols(),
      .n_used = used,
      .n_omitted = ratings.rows() - used};
}

}  // namespace rapport
