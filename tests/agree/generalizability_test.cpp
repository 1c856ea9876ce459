#include <rapport/agree/generalizability.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"

namespace rapport {
namespace {

double variance_of(const GeneralizabilityResult& r, const std::string& source) {
  for (const VarianceSource& one : r.components)
    if (one.source == source) return one.variance;
  ADD_FAILURE() << source;
  return missing;
}

double mean_square_of(const GeneralizabilityResult& r, const std::string& source) {
  for (const VarianceSource& one : r.components)
    if (one.source == source) return one.mean_square;
  ADD_FAILURE() << source;
  return missing;
}

// Eρ² of k raters is ICC(3,k), Φ is ICC(2,k); mean squares printed by Shrout & Fleiss (1979).
TEST(Generalizability, OfOneFacetIsTheIcc) {
  const GeneralizabilityResult g = generalizability_study(agree_data::shrout_fleiss());
  EXPECT_NEAR(mean_square_of(g, "subject"), 11.24, 5e-3);
  EXPECT_NEAR(mean_square_of(g, "rater"), 32.49, 5e-3);
  EXPECT_NEAR(mean_square_of(g, "residual"), 1.02, 5e-3);
  const IccResult icc = intraclass_correlation(agree_data::shrout_fleiss());
  EXPECT_NEAR(g.observed.generalizability, icc_form(icc, "ICC(3,k)").estimate, 1e-12);
  EXPECT_NEAR(g.observed.dependability, icc_form(icc, "ICC(2,k)").estimate, 1e-12);
  EXPECT_NEAR(decision_study(g, 1).dependability, icc_form(icc, "ICC(2,1)").estimate, 1e-12);
}

/// Ratings with known effects: the sums of squares are those of the effects.
TEST(Generalizability, OfTwoFacetsFindsItsEffects) {
  // y = subject + rater + occasion + subject × rater, each effect summing to 0 where it should
  const Eigen::Vector3d p(-2, 0, 2);
  const Eigen::Vector2d r(-1, 1);
  const Eigen::Vector2d o(-0.5, 0.5);
  Eigen::MatrixXd y(3, 4);
  for (Index i = 0; i < 3; ++i)
    for (Index a = 0; a < 2; ++a)
      for (Index b = 0; b < 2; ++b) y(i, b * 2 + a) = 10 + p[i] + r[a] + o[b] + 0.3 * p[i] * r[a];
  const GeneralizabilityResult g = generalizability_study(y, 2, 2, false);
  EXPECT_NEAR(mean_square_of(g, "subject"), 4 * 8 / 2.0, 1e-12);
  EXPECT_NEAR(mean_square_of(g, "rater"), 6 * 2 / 1.0, 1e-12);
  EXPECT_NEAR(mean_square_of(g, "occasion"), 6 * 0.5, 1e-12);
  EXPECT_NEAR(mean_square_of(g, "subject:rater"), 2 * 0.09 * 8 * 2 / 2, 1e-12);
  EXPECT_NEAR(mean_square_of(g, "subject:occasion"), 0, 1e-12);
  EXPECT_NEAR(mean_square_of(g, "residual"), 0, 1e-12);
}

TEST(Generalizability, NestedJoinsRaterAndItsInteraction) {
  RandomStream stream(Seed{1}, 0);
  Eigen::MatrixXd y(10, 6);
  for (Index i = 0; i < y.size(); ++i) y(i) = stream.normal();
  const GeneralizabilityResult crossed = generalizability_study(y, 3, 2, false);
  const GeneralizabilityResult nested = generalizability_study(y, 3, 2, true);
  // SS(r:o) = SS(r) + SS(ro); df 4 = 2 + 2
  EXPECT_NEAR(4 * mean_square_of(nested, "rater:occasion"),
              2 * mean_square_of(crossed, "rater") + 2 * mean_square_of(crossed, "rater:occasion"),
              1e-10);
  EXPECT_NEAR(mean_square_of(nested, "subject"), mean_square_of(crossed, "subject"), 1e-12);
  const double ms_p = mean_square_of(nested, "subject");
  EXPECT_NEAR(variance_of(nested, "subject"),
              (ms_p - mean_square_of(nested, "subject:occasion")) / 6, 1e-12);
  // Brennan (2001): the relative error of p × (r:o)
  const Decision d = decision_study(nested, 4, 5);
  EXPECT_NEAR(d.relative_error,
              variance_of(nested, "subject:occasion") / 5 + variance_of(nested, "residual") / 20,
              1e-12);
}

/// 4 subjects × 3 raters × 2 occasions × 3 items, integers by a rule.
Eigen::MatrixXd ratings_of_items() {
  Eigen::MatrixXd y(4, 18);
  for (int s = 1; s <= 4; ++s)
    for (int r = 1; r <= 3; ++r)
      for (int o = 1; o <= 2; ++o)
        for (int i = 1; i <= 3; ++i)
          y(s - 1, r - 1 + 3 * (o - 1 + 2 * (i - 1))) =
              (7 * s + 3 * r * r + 5 * o * s + 2 * i * r + s * r * o * i) % 11;
  return y;
}

// R 4.2: anova(lm(y ~ s * r * o * i)).
TEST(Generalizability, OfThreeFacetsIsTheAnalysisOfVariance) {
  const GeneralizabilityResult g =
      generalizability_study(ratings_of_items(), {.raters = 3, .occasions = 2, .items = 3});
  const std::vector<std::pair<std::string, double>> expected = {
      {"subject", 7.203703703703721},
      {"rater", 0.263888888888893},
      {"occasion", 9.388888888888903},
      {"item", 13.180555555555545},
      {"subject:rater", 22.523148148148149},
      {"subject:occasion", 2.092592592592592},
      {"subject:item", 3.884259259259260},
      {"rater:occasion", 0.430555555555559},
      {"rater:item", 9.972222222222222},
      {"occasion:item", 0.430555555555555},
      {"subject:rater:occasion", 3.023148148148148},
      {"subject:rater:item", 17.787037037037042},
      {"subject:occasion:item", 15.245370370370372},
      {"rater:occasion:item", 5.472222222222204},
      {"residual", 8.675925925925940}};
  ASSERT_EQ(g.components.size(), expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_EQ(g.components[k].source, expected[k].first);
    EXPECT_NEAR(g.components[k].mean_square, expected[k].second, 1e-12) << expected[k].first;
  }
  // Expected mean squares of Brennan (2001), chapter 3.
  EXPECT_NEAR(variance_of(g, "subject"), 0.337962962962963, 1e-12);
  EXPECT_NEAR(variance_of(g, "rater:item"), -0.576388888888885, 1e-12);
  const auto v = [&](const char* source) { return variance_of(g, source); };
  const Decision d = decision_study(g, 4, 5, 6);
  const double relative = v("subject:rater") / 4 + v("subject:occasion") / 5 +
                          v("subject:item") / 6 + v("subject:rater:occasion") / 20 +
                          v("subject:rater:item") / 24 + v("subject:occasion:item") / 30 +
                          v("residual") / 120;
  EXPECT_NEAR(d.relative_error, relative, 1e-12);
  EXPECT_NEAR(d.absolute_error,
              relative + v("rater") / 4 + v("occasion") / 5 + v("item") / 6 +
                  v("rater:occasion") / 20 + v("rater:item") / 24 + v("occasion:item") / 30 +
                  v("rater:occasion:item") / 120,
              1e-12);
}

// The study of the items' means: its mean squares are those of the larger one over the items.
TEST(Generalizability, OfItemMeansIsPartOfThreeFacets) {
  const Eigen::MatrixXd y = ratings_of_items();
  const Eigen::MatrixXd mean = (y.leftCols(6) + y.middleCols(6, 6) + y.rightCols(6)) / 3;
  const GeneralizabilityResult small = generalizability_study(mean, 3, 2, false);
  const GeneralizabilityResult large =
      generalizability_study(y, {.raters = 3, .occasions = 2, .items = 3});
  for (const VarianceSource& one : small.components) {
    const std::string source = one.source == "residual" ? "subject:rater:occasion" : one.source;
    EXPECT_NEAR(mean_square_of(large, source), 3 * one.mean_square, 1e-12) << source;
  }
  EXPECT_THROW((void)generalizability_study(y, {.raters = 3, .occasions = 2, .items = 2}),
               InvalidArgument);
}

TEST(Generalizability, LongRatingsFindTheirPlaces) {
  // Raters a, b on occasion 1 and c, d on occasion 2.
  const Factor subject =
      make_factor(std::vector<std::string>{"s", "s", "s", "s", "t", "t", "t", "t"});
  const Factor rater =
      make_factor(std::vector<std::string>{"a", "b", "c", "d", "a", "b", "c", "d"});
  const Factor occasion =
      make_factor(std::vector<std::string>{"1", "1", "2", "2", "1", "1", "2", "2"});
  const Eigen::VectorXd rating{{1, 2, 3, 4, 5, 6, 7, 8}};
  const FacetRatings f = facet_ratings(subject, rater, occasion, rating, true);
  EXPECT_EQ(f.raters, 2);
  EXPECT_EQ(f.occasions, 2);
  EXPECT_EQ(f.ratings, (Eigen::MatrixXd{{1, 2, 3, 4}, {5, 6, 7, 8}}));
  const FacetRatings crossed = facet_ratings(subject, rater, occasion, rating, false);
  EXPECT_EQ(crossed.ratings.cols(), 8);
  EXPECT_THROW((void)facet_ratings(subject, rater, make_factor(std::vector<std::string>(8, "1")),
                                   Eigen::VectorXd{{1, 2, 3, 4, 5, 6, 7, 8}}.head(7), true),
               InvalidArgument);
  const Factor twice =
      make_factor(std::vector<std::string>{"a", "a", "c", "d", "a", "b", "c", "d"});
  EXPECT_THROW((void)facet_ratings(subject, twice, occasion, rating, false), DataError);
}

TEST(Generalizability, ReachesATarget) {
  const GeneralizabilityResult g = generalizability_study(agree_data::shrout_fleiss());
  const Index raters = raters_for_target(g, 0.8, true);
  EXPECT_GE(decision_study(g, static_cast<double>(raters)).dependability, 0.8);
  EXPECT_LT(decision_study(g, static_cast<double>(raters - 1)).dependability, 0.8);
  EXPECT_THROW((void)raters_for_target(g, 1.2, true), InvalidArgument);
  EXPECT_THROW((void)decision_study(g, 0), InvalidArgument);
}

TEST(Generalizability, OmitsIncompleteSubjects) {
  Eigen::MatrixXd y(7, 4);
  y << agree_data::shrout_fleiss(), Eigen::RowVector4d(1, 2, missing, 4);
  const GeneralizabilityResult g = generalizability_study(y);
  EXPECT_EQ(g.n_omitted, 1);
  EXPECT_NEAR(g.observed.dependability,
              generalizability_study(agree_data::shrout_fleiss()).observed.dependability, 1e-14);
  EXPECT_THROW((void)generalizability_study(y.topRows(1)), DataError);
}

}  // namespace
}  // namespace rapport
