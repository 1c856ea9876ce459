#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/saved_fit.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

const Table& panel() {
  static const Table table = read_csv(RAPPORT_TEST_DATA "/alliance/simulated_panel.csv");
  return table;
}

SavedFit reread(const SavedFit& saved) {
  return saved_fit_from_json(parse_json(to_json(saved).dump()));
}

class SavedFits : public testing::TestWithParam<const char*> {};

TEST_P(SavedFits, PredictWhatTheFitPredicts) {
  const Design design = make_design(parse_formula(GetParam()), panel());
  const MixedFit fit = fit_mixed_model(design);
  const SavedFit saved = reread(make_saved_fit(design, fit));
  Table rows = panel().select({0, 40, 600, 1100});
  const Predictions before = predict(design, fit, rows);
  const Predictions after = predict(saved, rows);
  EXPECT_EQ(before.estimate, after.estimate);
  EXPECT_TRUE(before.standard_error.allFinite());
  EXPECT_EQ(before.standard_error, after.standard_error);
  EXPECT_EQ(before.prediction_upper, after.prediction_upper);
  Factor strangers = rows.factor("patient");
  strangers.levels[0] = "stranger";
  rows.set("patient", strangers);
  EXPECT_EQ(predict(design, fit, rows).standard_error, predict(saved, rows).standard_error);
  const SavedFit small = reread(make_saved_fit(design, fit, false));
  EXPECT_EQ(before.estimate, predict(small, panel().select({0, 40, 600, 1100})).estimate);
  EXPECT_TRUE(predict(small, rows).standard_error.array().isNaN().all());
  const Predictions population_before = predict(design, fit, rows, {.population = true});
  const Predictions population_after = predict(saved, rows, {.population = true});
  EXPECT_EQ(population_before.estimate, population_after.estimate);
  EXPECT_EQ(population_before.standard_error, population_after.standard_error);
}

INSTANTIATE_TEST_SUITE_P(
    Formulas, SavedFits,
    testing::Values(
        "phq9 ~ session + (1 + session | patient)",
        "phq9 ~ poly(session, 2) * treatment + ns(wai_client, df = 3) + (1 | therapist/patient)",
        "phq9 ~ scale(wai_client) + I(session - mean(session)) + (session || patient)",
        "phq9 ~ session + treatment + (1 + session | patient) + (1 | therapist) + (1 | session)"));

TEST(SavedFit, KeepsWeights) {
  const Design design = make_design(parse_formula("phq9 ~ session + (1 | patient)"), panel(),
                                    {.weights = "1 + session"});
  const MixedFit fit = fit_mixed_model(design);
  const Table rows = panel().select({0, 40, 600});
  EXPECT_EQ(predict(design, fit, rows).standard_error,
            predict(reread(make_saved_fit(design, fit)), rows).standard_error);
}

TEST(SavedFit, KeepsEveryNumber) {
  const Design design =
      make_design(parse_formula("phq9 ~ session * treatment + (1 + session | patient)"), panel());
  const MixedFit fit = fit_mixed_model(design);
  const MixedFit same = reread(make_saved_fit(design, fit)).fit;
  EXPECT_EQ(same.fixed.covariance, fit.fixed.covariance);
  EXPECT_EQ(same.random[0].conditional_covariance, fit.random[0].conditional_covariance);
  EXPECT_EQ(same.random[0].levels, fit.random[0].levels);
  EXPECT_EQ(same.criterion.value, fit.criterion.value);
  EXPECT_EQ(same.optimizer.message, fit.optimizer.message);
  EXPECT_EQ(same.data.residual_df, fit.data.residual_df);
  // Satterthwaite's degrees of freedom need nothing but the fit.
  const Eigen::VectorXd unit = Eigen::VectorXd::Unit(4, 1);
  EXPECT_EQ(FixedInference(fit).contrast(unit).df, FixedInference(same).contrast(unit).df);
}

TEST(SavedFit, RefusesWhatItCannotRead) {
  const Design design = make_design(parse_formula("phq9 ~ session + (1 | patient)"), panel());
  const Json json = to_json(make_saved_fit(design, fit_mixed_model(design)));
  Json other = json;
  other.set("rapport_fit", 2);
  EXPECT_THROW((void)saved_fit_from_json(other), InvalidArgument);
  EXPECT_THROW((void)saved_fit_from_json(parse_json("{}")), InvalidArgument);
  EXPECT_THROW((void)saved_fit_from_json(parse_json("{\"rapport_fit\": 1, \"frame\": {}}")),
               InvalidArgument);
  EXPECT_THROW((void)make_saved_fit(Design{}, MixedFit{}), InvalidArgument);
  Json broken = json;
  Json equations = json.at("equations");
  equations.set("rows", Json::array());
  broken.set("equations", equations);
  EXPECT_THROW((void)saved_fit_from_json(broken), InvalidArgument);
}

}  // namespace
}  // namespace rapport
