#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/mixed/summary.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

TEST(MixedSummary, HoldsOneRowATermAndWaldIntervals) {
  const MixedSummary summary = analyse_mixed_model(
      parse_formula("phq9 ~ session * treatment + (1 | therapist/patient)"), panel());
  ASSERT_EQ(summary.fixed.size(), 4U);
  ASSERT_EQ(summary.intervals.size(), 4U);
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_EQ(summary.intervals[j].parameter, summary.fit.fixed.terms[j]);
    EXPECT_EQ(summary.intervals[j].ci.lower, summary.fixed[j].ci.lower);
    EXPECT_EQ(summary.fixed[j].estimate, summary.fit.fixed.estimate[static_cast<Index>(j)]);
  }
  EXPECT_THAT(summary.groups, ElementsAre(std::pair<std::string, Index>("therapist", 15),
                                          std::pair<std::string, Index>("therapist:patient", 120)));
  ASSERT_EQ(summary.tests.size(), 3U);
  EXPECT_EQ(summary.tests[2].term, "session:treatment");
  // One coefficient: F is t².
  EXPECT_NEAR(summary.tests[2].test.statistic,
              summary.fixed[3].statistic * summary.fixed[3].statistic, 1e-9);
  EXPECT_THAT(summary.warnings, IsEmpty());
}

TEST(MixedSummary, WithoutRandomTermsIsLeastSquares) {
  // y = 1, 2, 4 on x = 0, 1, 2: b = 1.5, a = 5/6, residual sum of squares 1/6.
  const Table table = parse_csv("x,y\n0,1\n1,2\n2,4\n");
  const MixedSummary summary = analyse_mixed_model(parse_formula("y ~ x"), table);
  EXPECT_NEAR(summary.fixed[0].estimate, 5.0 / 6, 1e-12);
  EXPECT_NEAR(summary.fixed[1].estimate, 1.5, 1e-12);
  EXPECT_NEAR(summary.fixed[1].standard_error, std::sqrt(1.0 / 6 / 2), 1e-12);
  EXPECT_NEAR(summary.fixed[1].df, 1, 1e-9);
  EXPECT_NEAR(summary.explained.marginal, summary.explained.conditional, 1e-15);
}

TEST(MixedSummary, SaysWhatWasDroppedAndLeftOut) {
  Table table = panel();
  let(table, "double = 2 * session");
  const MixedSummary summary = analyse_mixed_model(
      parse_formula("phq9 ~ session + double + wai_therapist + (1 | patient)"), table);
  ASSERT_GE(summary.warnings.size(), 2U);
  EXPECT_THAT(summary.warnings[0], HasSubstr("double"));
  EXPECT_THAT(summary.warnings.back(), HasSubstr("wai_therapist: "));
}

TEST(MixedSummary, DoubtsACategoricalColumnOfNumbers) {
  const Table table = parse_csv("y,x\n1,1\n3,2\n2,3\n5,4\n4,n/a\n6,1\n7,2\n1,3\n");
  const MixedSummary summary = analyse_mixed_model(parse_formula("y ~ x"), table);
  ASSERT_EQ(summary.warnings.size(), 1U);
  EXPECT_THAT(summary.warnings[0], HasSubstr("because of \"n/a\""));
}

TEST(MixedSummary, SaysInPlainWordsThatAVarianceIsZero) {
  const Table table = parse_csv("g,y\na,1\na,2\na,3\nb,3\nb,2\nb,1\nc,2\nc,1\nc,3\n");
  const MixedSummary summary = analyse_mixed_model(parse_formula("y ~ 1 + (1 | g)"), table);
  ASSERT_EQ(summary.warnings.size(), 1U);
  EXPECT_THAT(summary.warnings[0], HasSubstr("g"));
  EXPECT_TRUE(summary.fit.optimizer.singular);
}

}  // namespace
}  // namespace rapport
