#include <rapport/alliance/pattern_mixture.hpp>
#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

PersonPeriod sessions() {
  return person_period(read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv"),
                       {.patient = "patient",
                        .session = "session",
                        .alliance = "wai_client",
                        .therapist = "",
                        .dropout = "dropped",
                        .completed = ""});
}

const std::string formula = "phq9 ~ session + wai_client + (1 + session | patient)";

double expected(const std::string& quantity, const char* column = "estimate") {
  static const Table values = read_csv(RAPPORT_TEST_DATA "/alliance/pattern_mixture.csv");
  for (Index i = 0; i < values.rows(); ++i)
    if (cell_text(values.column("quantity"), i) == quantity) return values.numbers(column)[i];
  ADD_FAILURE() << quantity;
  return 0;
}

void agrees(const ContrastEstimate& ours, const std::string& name) {
  EXPECT_NEAR(ours.estimate, expected(name), 2e-5) << name;
  EXPECT_NEAR(ours.standard_error, expected(name, "standard_error"), 2e-5) << name;
}

TEST(PatternMixture, AgreesWithLme4AndTheDeltaMethod) {
  const PatternMixture mixture = pattern_mixture(sessions(), formula, {.left_by = {6}});
  ASSERT_EQ(mixture.patterns.size(), 3U);
  for (const DropoutPattern& pattern : mixture.patterns)
    EXPECT_NEAR(pattern.share, expected(pattern.name), 1e-12);
  ASSERT_EQ(mixture.terms.size(), 3U);
  for (const PatternMixtureTerm& term : mixture.terms) {
    for (std::size_t k = 0; k < 3; ++k)
      agrees(term.by_pattern[k], term.term + " " + mixture.patterns[k].name);
    agrees(term.average, term.term + " average");
    agrees(term.ignorable, term.term + " ignorable");
  }
  EXPECT_NEAR(mixture.statistic, expected("chi_square"), 1e-4);
  EXPECT_EQ(mixture.df, 6);
}

TEST(PatternMixture, PatternsWithoutPatientsAreLeftOut) {
  const PatternMixture mixture = pattern_mixture(sessions(), formula, {.left_by = {0, 12}});
  ASSERT_EQ(mixture.patterns.size(), 2U);
  EXPECT_EQ(mixture.patterns[0].name, "left by 12");
}

TEST(PatternMixture, WhatCannotBeEstimatedIsNamed) {
  EXPECT_THAT(
      [] {
        PersonPeriod period = sessions();
        for (std::size_t k = 0; k < period.ends.size(); ++k)
          period.ends[k].end = TreatmentEnd::completed;
        (void)pattern_mixture(period, formula);
      },
      ThrowsMessage<DataError>(HasSubstr("one pattern")));
  // Patients gone after two sessions tell no curve.
  EXPECT_THAT(
      [] {
        (void)pattern_mixture(sessions(), "phq9 ~ session + I(session^2) + (1 | patient)",
                              {.left_by = {2}});
      },
      ThrowsMessage<DataError>(HasSubstr("I(session^2) (left by 2)")));
}

}  // namespace
}  // namespace rapport
