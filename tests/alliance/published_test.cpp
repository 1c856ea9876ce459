// Published data sets and the numbers that lme4 (R 4.2.2) and the papers give for them.

#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/session_order.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/mixed/summary.hpp>
#include <rapport/score/change.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

Table reference(const std::string& name) {
  return read_csv(std::string(RAPPORT_TEST_DATA) + "/" + name);
}

/// BDI over weeks of cognitive behaviour therapy in the ENRICHD trial; values by lme4 on R 4.2.2.
Table enrichd() {
  Table table = reference("alliance/enrichd_bdi.csv");
  let(table, "wk = time / 7");
  let(table, "log_wk = log(time / 7 + 1)");
  return table;
}

TEST(Enrichd, LinearCourseByReml) {
  const FittedModel model("BDI ~ wk + (wk | ID)", enrichd());
  EXPECT_EQ(model.fit().data.observations, 7117);
  EXPECT_NEAR(model.effect("(Intercept)").estimate, 14.819704, 5e-5);
  EXPECT_NEAR(model.effect("(Intercept)").standard_error, 0.30584373, 5e-5);
  EXPECT_NEAR(model.effect("wk").estimate, -0.440705, 5e-6);
  EXPECT_NEAR(model.effect("wk").standard_error, 0.01543339, 5e-7);
  const Eigen::MatrixXd& covariance = model.fit().random[0].covariance;
  EXPECT_NEAR(covariance(0, 0), 46.446624, 0.02);  // lme4 stops a little early here
  EXPECT_NEAR(covariance(1, 1), 0.090919, 2e-5);
  EXPECT_NEAR(covariance(0, 1), -0.991755, 1e-3);
  EXPECT_NEAR(model.fit().residual.sd * model.fit().residual.sd, 19.672168, 5e-4);
  EXPECT_NEAR(model.fit().criterion.log_likelihood, -21920.73, 5e-3);
}

TEST(Enrichd, LogarithmicCourseByMl) {
  const MixedSummary fit = analyse_mixed_model(parse_formula("BDI ~ log_wk + wk + (wk | ID)"),
                                               enrichd(), {.criterion = Criterion::ml});
  EXPECT_NEAR(fit.fixed[0].estimate, 18.656633, 5e-5);
  EXPECT_NEAR(fit.fixed[1].estimate, -4.342798, 5e-5);
  EXPECT_NEAR(fit.fixed[2].estimate, 0.073409, 5e-6);
  EXPECT_NEAR(fit.fit.criterion.log_likelihood, -21434.66, 5e-3);
}

TEST(Enrichd, IsAStudyOfTheOutcomeAlone) {
  StudyColumns columns{.patient = "ID", .session = "time", .outcome = "BDI"};
  const Table unique = without_repeated_sessions(enrichd(), columns, RepeatedSessions::keep_first);
  const Table numbered = with_session_numbers(unique, columns);
  columns.session = "session_number";
  const StudyAnalysis study = analyse_study(numbered, columns);
  ASSERT_TRUE(study.growth && study.change);
  EXPECT_EQ(study.growth->n_patients, 557);
  EXPECT_EQ(study.growth->n_sessions, 6964);
  EXPECT_LT(study.growth->rate.ci.upper, 0) << "patients improve";
  EXPECT_FALSE(study.disaggregation || study.ruptures || study.early);
}

/// Beat the Blues (Proudfoot et al. 2003); the model and values of Everitt & Hothorn's handbook.
TEST(BeatTheBlues, RandomInterceptByMl) {
  const Table table = reference("mixed/btheb_long.csv");
  const MixedSummary fit = analyse_mixed_model(
      parse_formula("bdi ~ bdi_pre + month + treatment + drug + length + (1 | subject)"), table,
      {.criterion = Criterion::ml});
  const auto effect = [&](const std::string& part) {
    for (std::size_t k = 0; k < fit.fixed.size(); ++k)
      if (fit.fit.fixed.terms[k].find(part) != std::string::npos) return fit.fixed[k].estimate;
    return missing;
  };
  EXPECT_NEAR(effect("bdi_pre"), 0.6396762, 5e-6);
  EXPECT_NEAR(effect("month"), -0.7047648, 5e-6);
  EXPECT_NEAR(std::abs(effect("treatment")), 2.3290826, 5e-6);
  EXPECT_NEAR(std::abs(effect("drug")), 2.8249524, 5e-6);
  EXPECT_NEAR(std::abs(effect("length")), 0.1970794, 5e-6);
  EXPECT_NEAR(fit.fit.criterion.log_likelihood, -935.746, 5e-4);
}

/// Jacobson & Truax (1991): couples' adjustment, r = .88.
TEST(Jacobson1989, ReliableChange) {
  const Table table = reference("alliance/jacobson_1989.csv");
  const Factor time = table.factor("time");
  std::vector<double> pre, post;
  for (Index i = 0; i < table.rows(); ++i)
    (time.levels[static_cast<std::size_t>(time.codes[static_cast<std::size_t>(i)])] == "pre" ? pre
                                                                                             : post)
        .push_back(table.numbers("das")[i]);
  const auto vector_of = [](const std::vector<double>& x) {
    return Eigen::VectorXd(
        Eigen::Map<const Eigen::VectorXd>(x.data(), static_cast<Index>(x.size())));
  };
  const ChangeResult change =
      reliable_change(vector_of(pre), vector_of(post), 0.88, Direction::better);
  EXPECT_NEAR(change.standard_error_difference, 5.7934, 5e-5);
  EXPECT_EQ(change.counts.recovered + change.counts.improved, 19);
  EXPECT_EQ(change.counts.deteriorated, 1);
}

}  // namespace
}  // namespace rapport
