#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/score/alpha_comparison.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// The two examples of the manual of cocron 1.0-1, computed there.
TEST(CompareAlphas, EqualsCocron) {
  const AlphaComparison independent =
      compare_alphas({{0.78, 41, 10}, {0.82, 151, 10}, {0.74, 60, 10}});
  EXPECT_NEAR(independent.statistic, 1.7592905299937964, 1e-12);
  EXPECT_NEAR(independent.p_value, 0.4149300757996319, 1e-12);
  Eigen::MatrixXd r(3, 3);
  r << 1, 0.8, 0.7, 0.8, 1, 0.6, 0.7, 0.6, 1;
  const AlphaComparison dependent =
      compare_dependent_alphas({{0.857, 100, 5}, {0.875, 100, 5}, {0.8, 100, 5}}, r);
  EXPECT_NEAR(dependent.statistic, 7.401267791025611, 1e-12);
  EXPECT_NEAR(dependent.p_value, 0.024707859304046953, 1e-12);
}

/// Persons rated by three raters, one row each, in a scattered order; person 7's second rater left
/// an item out, and person 8 has two raters only.
struct Rated {
  Eigen::MatrixXd items;
  Factor person;
  Factor rater;
};

Rated rated_persons() {
  constexpr Index persons = 60;
  RandomStream stream(Seed{31}, 1);
  Rated out{.items = Eigen::MatrixXd(3 * persons - 1, 4), .person = {}, .rater = {}};
  std::vector<std::string> names;
  std::vector<std::string> raters;
  Index row = 0;
  for (Index p = 0; p < persons; ++p) {
    const double person = stream.normal();
    for (int r = 0; r < 3; ++r) {
      if (p == 8 && r == 2) continue;
      const double view = person + 0.5 * stream.normal();
      for (Index j = 0; j < 4; ++j) out.items(row, j) = view + (1 + r) * 0.6 * stream.normal();
      names.push_back("p" + std::to_string(p));
      raters.push_back(r == 0 ? "client" : r == 1 ? "therapist" : "observer");
      if (p == 7 && r == 1) out.items(row, 2) = missing;
      ++row;
    }
  }
  out.person = make_factor(names);
  out.rater = make_factor(raters);
  return out;
}

/// The rows of the persons whom all rated in full, of one rater, in the order of the persons'
/// levels.
Eigen::MatrixXd rows_of(const Rated& rated, std::int32_t rater) {
  std::vector<Index> rows;
  for (Index p = 0; p < rated.person.level_count(); ++p) {
    const std::string& name = rated.person.levels[static_cast<std::size_t>(p)];
    if (name == "p7" || name == "p8") continue;
    for (Index i = 0; i < rated.items.rows(); ++i)
      if (rated.person.codes[static_cast<std::size_t>(i)] == p &&
          rated.rater.codes[static_cast<std::size_t>(i)] == rater)
        rows.push_back(i);
  }
  return rated.items(rows, Eigen::all);
}

TEST(ReliabilityByRater, IsAlphaOfEachRaterComparedOverTheSamePersons) {
  const Rated rated = rated_persons();
  const RaterReliability result = reliability_by_rater(rated.items, rated.person, rated.rater);
  EXPECT_EQ(result.raters, (std::vector<std::string>{"client", "observer", "therapist"}));
  EXPECT_EQ(result.n_used, 58);
  EXPECT_EQ(result.n_omitted, 2);
  std::vector<AlphaOfGroup> groups;
  Eigen::MatrixXd sums(58, 3);
  for (std::int32_t r = 0; r < 3; ++r) {
    const Eigen::MatrixXd answers = rows_of(rated, r);
    ASSERT_EQ(answers.rows(), 58);
    const double alpha = cronbach_alpha(answers).estimate;
    EXPECT_DOUBLE_EQ(result.alphas[static_cast<std::size_t>(r)].estimate, alpha);
    EXPECT_DOUBLE_EQ(result.r_drop(2, r), reliability(answers).items[2].r_drop);
    groups.push_back({.alpha = alpha, .n = 58, .items = 4});
    sums.col(r) = answers.rowwise().sum();
  }
  sums.rowwise() -= sums.colwise().mean().eval();
  const Eigen::VectorXd lengths = sums.colwise().norm();
  Eigen::MatrixXd correlation(3, 3);
  for (Index a = 0; a < 3; ++a)
    for (Index b = 0; b < 3; ++b)
      correlation(a, b) = sums.col(a).dot(sums.col(b)) / (lengths[a] * lengths[b]);
  EXPECT_TRUE(result.correlation.isApprox(correlation, 1e-12));
  const AlphaComparison test = compare_dependent_alphas(groups, correlation);
  EXPECT_NEAR(result.test.statistic, test.statistic, 1e-9);
  EXPECT_NEAR(result.test.p_value, test.p_value, 1e-9);
  ASSERT_EQ(result.differences.size(), 3U);
  EXPECT_EQ(result.differences[2].first, 1);
  EXPECT_EQ(result.differences[2].second, 2);
  EXPECT_DOUBLE_EQ(result.differences[2].difference, groups[1].alpha - groups[2].alpha);
  EXPECT_DOUBLE_EQ(result.differences[2].test.df, 1);
}

TEST(ReliabilityByRater, RefusesWhatCannotBeCompared) {
  Rated rated = rated_persons();
  EXPECT_THROW((void)reliability_by_rater(rated.items, rated.person,
                                          make_factor(std::vector<std::string>(179, "client"))),
               InvalidArgument);
  EXPECT_THROW((void)reliability_by_rater(rated.items.topRows(10), rated.person, rated.rater),
               InvalidArgument);
  rated.person.codes[3] = rated.person.codes[0];
  EXPECT_THROW((void)reliability_by_rater(rated.items, rated.person, rated.rater), DataError);
}

}  // namespace
}  // namespace rapport
