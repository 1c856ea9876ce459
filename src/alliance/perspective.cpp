#include <rapport/alliance/perspective.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/moments.hpp>

#include <Eigen/Cholesky>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace rapport {
namespace {

struct RatingTerms {
  std::string within;
  std::string between;
};

RatingTerms rating_terms(const StudyColumns& columns, const std::string& rating) {
  const std::string inside = quoted_name(rating) + ", " + quoted_name(columns.patient) + ")";
  return {.within = "within(" + inside, .between = "between(" + inside};
}

/// R² of the outcome (row 0) by the predictors whose bits stand in `subset`.
double explained(const MatrixView& r, std::uint32_t subset) {
  std::vector<Index> chosen;
  for (Index j = 1; j < r.rows(); ++j)
    if ((subset >> (j - 1)) & 1U) chosen.push_back(j);
  const Eigen::MatrixXd among = r(chosen, chosen);
  const Eigen::VectorXd with = r(chosen, 0);
  const Eigen::LLT<Eigen::MatrixXd> factor(among);
  if (factor.info() != Eigen::Success) return missing;
  return factor.matrixL().solve(with).squaredNorm();
}

/// |S|! (k − 1 − |S|)! / k!: the share of orders in which exactly S stands before a predictor.
double order_weight(Index before, Index k) {
  double weight = 1.0 / static_cast<double>(k);
  for (Index i = 1; i <= before; ++i)
    weight *= static_cast<double>(i) / static_cast<double>(k - before - 1 + i);
  return weight;
}

RelativeImportance importance_of(const Eigen::MatrixXd& complete, const std::vector<Index>& rows) {
  return relative_importance(
      correlation_from_covariance(covariance_matrix(complete(rows, Eigen::all))));
}

}  // namespace

RelativeImportance relative_importance(const MatrixView& correlations) {
  const Index k = correlations.rows() - 1;
  require_same_size("relative_importance", "rows", correlations.rows(), "columns",
                    correlations.cols());
  if (k < 1 || k > 12)
    throw InvalidArgument("relative_importance: `correlations` has " + std::to_string(k) +
                          " predictors; 1 to 12 are required");
  const std::uint32_t subsets = 1U << static_cast<unsigned>(k);
  std::vector<double> r_squared(subsets, 0.0);
  for (std::uint32_t s = 1; s < subsets; ++s) r_squared[s] = explained(correlations, s);
  RelativeImportance result{.r_squared = r_squared[subsets - 1],
                            .shares = Eigen::VectorXd::Zero(k)};
  for (Index j = 0; j < k; ++j) {
    const std::uint32_t own = 1U << static_cast<unsigned>(j);
    for (std::uint32_t s = 0; s < subsets; ++s)
      if ((s & own) == 0)
        result.shares[j] += order_weight(std::popcount(s), k) * (r_squared[s | own] - r_squared[s]);
  }
  return result;
}

RatingComparison compare_ratings(const Table& table, const std::string& outcome,
                                 const std::vector<StudyRater>& raters,
                                 const std::vector<std::string>& columns, Seed seed,
                                 const BootstrapOptions& options) {
  std::vector<std::string> names = {outcome};
  names.insert(names.end(), columns.begin(), columns.end());
  const Eigen::MatrixXd all = table.matrix(names);
  std::vector<Index> complete;
  for (Index i = 0; i < all.rows(); ++i)
    if (!all.row(i).array().isNaN().any()) complete.push_back(i);
  const Eigen::MatrixXd used = all(complete, Eigen::all);
  std::vector<Index> rows(complete.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<Index>(i);
  if (used.rows() < static_cast<Index>(raters.size()) + 3)
    throw DataError("only " + std::to_string(used.rows()) + " patients have `" + outcome +
                    "` and a rating by everyone");
  const Eigen::MatrixXd r = correlation_from_covariance(covariance_matrix(used));
  RatingComparison result{.outcome = outcome,
                          .columns = columns,
                          .ratings = {},
                          .differences = {},
                          .r_squared = relative_importance(r).r_squared,
                          .n_used = used.rows()};
  for (std::size_t k = 0; k < raters.size(); ++k) {
    const auto j = static_cast<Index>(k);
    result.ratings.push_back({.rater = raters[k],
                              .correlation = r(0, j + 1),
                              .share = bootstrap(
                                  used.rows(),
                                  [&](const std::vector<Index>& sample) {
                                    return importance_of(used, sample).shares[j];
                                  },
                                  seed, options)});
    for (std::size_t i = 0; i < k; ++i)
      result.differences.push_back(
          {.first = raters[i].name,
           .second = raters[k].name,
           .correlations = compare_overlapping(used.col(0), used.col(static_cast<Index>(i) + 1),
                                               used.col(j + 1),
                                               {.confidence_level = options.confidence_level})});
  }
  return result;
}

std::string perspective_formula(const StudyColumns& columns, bool random_slope) {
  const StudyTerms terms = study_terms(columns, random_slope);
  std::string within;
  std::string between;
  for (const StudyRater& rater : raters_of(columns)) {
    const RatingTerms rating = rating_terms(columns, rater.column);
    within += " + " + rating.within;
    between += " + " + rating.between;
  }
  return terms.outcome + " ~ " + terms.session + within + between + " + " + terms.random;
}

PerspectiveComparison compare_perspectives(const FittedModel& model, const Table& table,
                                           const StudyColumns& columns) {
  const Factor patient = table.factor(columns.patient);
  const auto sd = [&](const StudyRater& rater) {
    return moments(within_group(table.numbers(rater.column), patient)).sd;
  };
  const std::vector<StudyRater> raters = raters_of(columns);
  PerspectiveComparison result;
  for (std::size_t k = 0; k < raters.size(); ++k) {
    const RatingTerms own = rating_terms(columns, raters[k].column);
    result.raters.push_back({.rater = raters[k],
                             .within = model.effect(own.within),
                             .between = model.effect(own.between)});
    for (std::size_t i = 0; i < k; ++i)
      result.contrasts.push_back(
          {.first = raters[i].name,
           .second = raters[k].name,
           .standardized =
               model.combination({{rating_terms(columns, raters[i].column).within, sd(raters[i])},
                                  {own.within, -sd(raters[k])}})});
  }
  return result;
}

}  // namespace rapport
