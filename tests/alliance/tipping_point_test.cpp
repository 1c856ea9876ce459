#include <rapport/alliance/tipping_point.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

/// Two arms; who misses the outcome of session 3 has it imputed in two tables.
struct Study {
  Table given;
  std::vector<Table> imputations;

  Study() {
    constexpr Index patients = 24;
    Eigen::VectorXd patient(3 * patients), session(3 * patients), arm(3 * patients),
        y(3 * patients);
    for (Index p = 0; p < patients; ++p)
      for (Index s = 0; s < 3; ++s) {
        const Index i = 3 * p + s;
        patient[i] = static_cast<double>(p);
        session[i] = static_cast<double>(s + 1);
        arm[i] = static_cast<double>(p % 2);
        y[i] = 10 - 2 * arm[i] * session[i] / 3 + static_cast<double>((i * 7) % 11) / 3;
        if (s == 2 && p % 4 == 1) y[i] = missing;
      }
    y[0] = missing;  // not after dropout
    given.add("patient", patient);
    given.add("session", session);
    given.add("arm", arm);
    given.add("y", y);
    for (int k = 0; k < 2; ++k) {
      Eigen::VectorXd filled = y;
      for (Index i = 0; i < y.size(); ++i)
        if (is_missing(y[i])) filled[i] = 9 + k + static_cast<double>(i % 3);
      imputations.push_back(given);
      imputations.back().set("y", filled);
    }
  }
};

const PanelColumns columns{.patient = "patient", .session = "session", .therapist = ""};

TEST(TippingPoint, RowsAfterDropoutFollowTheLastOutcome) {
  const std::vector<Index> rows = rows_after_dropout(Study().given, columns, "y");
  EXPECT_EQ(rows, (std::vector<Index>{5, 17, 29, 41, 53, 65}));
}

TEST(TippingPoint, EachRowIsTheFitOfShiftedOutcomes) {
  const Study study;
  const std::vector<Index> rows = rows_after_dropout(study.given, columns, "y");
  const std::string formula = "y ~ arm * session + (1 | patient)";
  const TippingPoint tipping =
      tipping_point(study.imputations, "y", rows, formula, "arm:session", {4, 0, 2, 8});
  ASSERT_EQ(tipping.rows.size(), 4U);
  EXPECT_EQ(tipping.rows[1].delta, 2);
  std::vector<Table> shifted = study.imputations;
  for (Table& table : shifted) {
    Eigen::VectorXd y = table.numbers("y");
    for (const Index row : rows) y[row] += 2;
    table.set("y", y);
  }
  const PooledFit fit = fit_imputed(parse_formula(formula), shifted);
  EXPECT_EQ(tipping.rows[1].effect.estimate, fit.fixed.parameters[3].estimate);
  EXPECT_EQ(tipping.rows[1].effect.p_value, fit.fixed.parameters[3].p_value);
  // Outcomes of the treated arm rise with delta, and its effect with them.
  EXPECT_GT(tipping.rows[3].effect.estimate, tipping.rows[0].effect.estimate);
}

TEST(TippingPoint, LiesWherePCrosses) {
  const Study study;
  const std::vector<Index> rows = rows_after_dropout(study.given, columns, "y");
  std::vector<double> deltas;
  for (int d = 0; d <= 40; ++d) deltas.push_back(d);
  const TippingPoint tipping = tipping_point(
      study.imputations, "y", rows, "y ~ arm * session + (1 | patient)", "arm:session", deltas);
  ASSERT_FALSE(std::isnan(tipping.tipping_delta));
  const auto below = static_cast<std::size_t>(tipping.tipping_delta);
  EXPECT_NE(tipping.rows[below].effect.p_value > 0.05,
            tipping.rows[below + 1].effect.p_value > 0.05);
}

TEST(TippingPoint, WrongCallsAreRefused) {
  const Study study;
  const auto run = [&](const std::vector<Index>& rows, const std::string& term,
                       const std::vector<double>& deltas) {
    (void)tipping_point(study.imputations, "y", rows, "y ~ arm + (1 | patient)", term, deltas);
  };
  EXPECT_THROW(run({5}, "session", {0}), InvalidArgument);
  EXPECT_THROW(run({}, "arm", {0}), InvalidArgument);
  EXPECT_THROW(run({5}, "arm", {}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
