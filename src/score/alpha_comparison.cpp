#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/alpha_comparison.hpp>

#include <cmath>
#include <string>

namespace rapport {
namespace {

void require_groups(const std::vector<AlphaOfGroup>& groups) {
  require_at_least("compare_alphas", "groups", static_cast<Index>(groups.size()), 2);
  for (const AlphaOfGroup& group : groups)
    if (!(group.alpha < 1) || group.items < 2 || group.n < 2)
      throw InvalidArgument(
          "compare_alphas: `groups` holds an α of 1, fewer than 2 items or fewer than 2 persons");
}

/// (1 − α)^(−1/3) is nearly normal (Hakstian & Whalen 1976).
double transformed(const AlphaOfGroup& group) { return 1 / std::cbrt(1 - group.alpha); }

/// The large-sample covariance of two transformed α (Woodruff & Feldt 1986).
double transformed_covariance(const AlphaOfGroup& a, const AlphaOfGroup& b, double r) {
  const auto effective = [](const AlphaOfGroup& g) {
    return static_cast<double>(g.n) * static_cast<double>(g.items - 1) /
           static_cast<double>(g.items + 1);
  };
  return 2 * r * r * transformed(a) * transformed(b) /
         (9 * (std::sqrt(effective(a) * effective(b)) - 1));
}

AlphaComparison comparison(const std::vector<AlphaOfGroup>& groups, double variance) {
  const auto m = static_cast<double>(groups.size());
  double centre = 0;
  for (const AlphaOfGroup& group : groups) centre += transformed(group) / m;
  double squares = 0;
  for (const AlphaOfGroup& group : groups)
    squares += (transformed(group) - centre) * (transformed(group) - centre);
  const double statistic = squares / variance;
  return {.statistic = statistic, .df = m - 1, .p_value = chi_squared_upper_tail(statistic, m - 1)};
}

/// The rows of each person (rows) by each rater (columns), −1 where there is none or an item is
/// missing.
using Cells = Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic>;
Cells complete_cells(const MatrixView& items, const Factor& person, const Factor& rater) {
  Cells cells = Cells::Constant(person.level_count(), rater.level_count(), -1);
  std::vector<bool> seen(static_cast<std::size_t>(cells.size()), false);
  for (Index i = 0; i < items.rows(); ++i) {
    const Index p = person.codes[static_cast<std::size_t>(i)];
    const Index r = rater.codes[static_cast<std::size_t>(i)];
    if (p < 0 || r < 0) continue;
    const auto cell = static_cast<std::size_t>(p * cells.cols() + r);
    if (seen[cell])
      throw DataError("reliability_by_rater: \"" + person.levels[static_cast<std::size_t>(p)] +
                      "\" has two rows by rater \"" + rater.levels[static_cast<std::size_t>(r)] +
                      "\"; each rater takes one");
    seen[cell] = true;
    if (!items.row(i).hasNaN()) cells(p, r) = i;
  }
  return cells;
}

/// The cells of the persons whom every rater rated in full.
Cells rated_by_all(const Cells& cells) {
  std::vector<Index> persons;
  for (Index p = 0; p < cells.rows(); ++p)
    if (cells.row(p).minCoeff() >= 0) persons.push_back(p);
  return cells(persons, Eigen::all);
}

/// Each pair of raters compared as the whole is.
std::vector<AlphaDifference> differences_of(const std::vector<AlphaOfGroup>& groups,
                                            const Eigen::MatrixXd& correlation) {
  std::vector<AlphaDifference> out;
  for (Index a = 0; a < correlation.rows(); ++a)
    for (Index b = a + 1; b < correlation.rows(); ++b) {
      const AlphaOfGroup& first = groups[static_cast<std::size_t>(a)];
      const AlphaOfGroup& second = groups[static_cast<std::size_t>(b)];
      const std::vector<Index> pair{a, b};
      out.push_back({.first = a,
                     .second = b,
                     .difference = first.alpha - second.alpha,
                     .test = compare_dependent_alphas({first, second}, correlation(pair, pair))});
    }
  return out;
}

}  // namespace

AlphaComparison compare_alphas(const std::vector<AlphaOfGroup>& groups) {
  require_groups(groups);
  double variance = 0;
  for (const AlphaOfGroup& group : groups)
    variance += transformed_covariance(group, group, 1) / static_cast<double>(groups.size());
  return comparison(groups, variance);
}

AlphaComparison compare_dependent_alphas(const std::vector<AlphaOfGroup>& groups,
                                         const MatrixView& correlation) {
  require_groups(groups);
  const auto m = static_cast<double>(groups.size());
  require_same_size("compare_dependent_alphas", "correlation", correlation.rows(), "groups",
                    static_cast<Index>(groups.size()));
  require_same_size("compare_dependent_alphas", "correlation", correlation.cols(), "groups",
                    static_cast<Index>(groups.size()));
  double variance = 0;
  double covariance = 0;
  for (std::size_t i = 0; i < groups.size(); ++i)
    for (std::size_t j = 0; j < groups.size(); ++j) {
      const double s = transformed_covariance(
          groups[i], groups[j], correlation(static_cast<Index>(i), static_cast<Index>(j)));
      (i == j ? variance : covariance) += s;
    }
  return comparison(groups, variance / m - covariance / (m * (m - 1)));
}

RaterReliability reliability_by_rater(const MatrixView& items, const Factor& person,
                                      const Factor& rater, const ReliabilityOptions& options) {
  require_same_size("reliability_by_rater", "items", items.rows(), "person", person.size());
  require_same_size("reliability_by_rater", "items", items.rows(), "rater", rater.size());
  require_at_least("reliability_by_rater", "rater", rater.level_count(), 2);
  const Cells cells = rated_by_all(complete_cells(items, person, rater));
  const Index n = cells.rows();
  if (n < 3)
    throw DataError("reliability_by_rater: " + std::to_string(n) +
                    " persons were rated in full by every rater; at least 3 are required");
  RaterReliability out{.raters = rater.levels,
                       .alphas = {},
                       .r_drop = Eigen::MatrixXd(items.cols(), cells.cols()),
                       .correlation = {},
                       .test = {},
                       .differences = {},
                       .n_used = n,
                       .n_omitted = person.level_count() - n};
  Eigen::MatrixXd totals(n, cells.cols());
  std::vector<AlphaOfGroup> groups;
  for (Index r = 0; r < cells.cols(); ++r) {
    const std::vector<Index> rows(cells.col(r).begin(), cells.col(r).end());
    const Eigen::MatrixXd answers = items(rows, Eigen::all);
    const ReliabilityResult result = reliability(answers, options);
    out.alphas.push_back(result.alpha);
    for (Index j = 0; j < items.cols(); ++j)
      out.r_drop(j, r) = result.items[static_cast<std::size_t>(j)].r_drop;
    totals.col(r) = answers.rowwise().sum();
    groups.push_back({.alpha = result.alpha.estimate, .n = n, .items = items.cols()});
  }
  out.correlation = correlation_from_covariance(covariance_matrix(totals));
  out.test = compare_dependent_alphas(groups, out.correlation);
  out.differences = differences_of(groups, out.correlation);
  return out;
}

}  // namespace rapport
