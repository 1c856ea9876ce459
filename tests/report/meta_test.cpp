#include <rapport/report/meta.hpp>

#include <gtest/gtest.h>

#include "alliance/meta_reference.hpp"
#include <cmath>
#include <gmock/gmock.h>

namespace rapport::report {
namespace {

using testing::HasSubstr;
using testing::Not;

MetaReport molloy_report() {
  MetaReport report{.data = test::molloy(), .correlations = true};
  report.fit = fit_meta(report.data);
  report.tau2_interval = tau2_interval(report.data);
  report.bias = meta_bias(report.data);
  report.leave_one_out = leave_one_out(report.data, *report.fit);
  report.influence = meta_influence(report.data, *report.fit);
  report.blups = meta_blups(report.data, *report.fit);
  return report;
}

template <class Wanted>
std::vector<Wanted> layers_of(const Figure& figure) {
  std::vector<Wanted> found;
  for (const Layer& layer : figure.layers)
    if (const auto* wanted = std::get_if<Wanted>(&layer)) found.push_back(*wanted);
  return found;
}

TEST(MetaJson, HasTheContractsMembers) {
  const Json json = to_json(molloy_report());
  EXPECT_EQ(json.at("k").number(), 16);
  EXPECT_EQ(json.at("method").string(), "REML");
  const Json& mean = json.at("coefficients").items()[0];
  EXPECT_NEAR(mean.at("estimate").number(), test::metafor("molloy.REML.z.b"), 1e-7);
  EXPECT_EQ(mean.find("df"), nullptr);
  EXPECT_NEAR(json.at("tau2_interval").at("upper").number(), test::metafor("molloy.qprofile", 1),
              1e-8);
  EXPECT_NEAR(json.at("correlation").at("estimate").number(),
              std::tanh(test::metafor("molloy.REML.z.b")), 1e-7);
  EXPECT_EQ(json.at("bias").at("trim_fill").at("side").string(), "left");
  EXPECT_EQ(json.at("leave_one_out").items().size(), 16U);
  EXPECT_EQ(json.at("leave_one_out").items()[2].at("label").string(), "Bruce et al.");
}

TEST(MetaJson, ThreeLevelsHaveVarianceComponentsInPlaceOfTau2) {
  MetaReport report{.data = test::assink()};
  report.fit = fit_meta(report.data, {.test = MetaTest::t});
  const Json json = to_json(report);
  EXPECT_EQ(json.find("tau2"), nullptr);
  EXPECT_EQ(json.find("h2"), nullptr);
  EXPECT_EQ(json.at("variance_components").items()[0].at("factor").string(), "study");
  EXPECT_EQ(json.at("coefficients").items()[0].at("df").number(), 99);
}

TEST(ForestPlot, ShowsEveryEffectAsACorrelation) {
  const MetaReport report = molloy_report();
  const Figure figure = forest_plot(report);
  const auto points = layers_of<Points>(figure);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].x.size(), 16);
  EXPECT_NEAR(points[0].x[0], 0.187, 1e-12);  // the table's own r
  EXPECT_EQ(layers_of<Polygon>(figure).size(), 1U);
  const auto bars = layers_of<ErrorBars>(figure);
  ASSERT_EQ(bars.size(), 2U);  // the effects', and the prediction interval
  EXPECT_NEAR(bars[1].lower[0], std::tanh(test::metafor("molloy.REML.z.pi", 0)), 1e-6);
  EXPECT_THAT(to_svg(figure), HasSubstr("Wiebe"));
  EXPECT_THAT(figure.title, HasSubstr("Pooled r = 0.15 [0.09, 0.21] over 16 effects"));
}

TEST(ForestPlot, DrawsManyEffectsAsThinLinesInAscendingOrder) {
  MetaReport report;
  report.data.effect = Eigen::VectorXd::LinSpaced(400, 1, 0);
  report.data.variance = Eigen::VectorXd::Constant(400, 0.02);
  report.fit = fit_meta(report.data);
  const Figure figure = forest_plot(report);
  EXPECT_LT(figure.height, 1200);
  const Points points = layers_of<Points>(figure)[0];
  EXPECT_EQ(points.x.size(), 400);
  EXPECT_NEAR(points.x[0], 0, 1e-12);
  EXPECT_EQ(layers_of<Line>(figure).size(), 1U);
}

TEST(ForestPlot, GroupsEffectsByACategoricalModerator) {
  MetaReport report{.data = test::bcg({"alloc"})};
  report.fit = fit_meta(report.data);
  report.subgroup = read_csv(test::meta_path("bcg.csv")).factor("alloc");
  report.subgroup_name = "alloc";
  const Figure figure = forest_plot(report);
  EXPECT_EQ(layers_of<Polygon>(figure).size(), 3U);
  EXPECT_EQ(layers_of<Points>(figure)[0].x.size(), 13);
  EXPECT_THAT(to_svg(figure), HasSubstr("alloc: systematic"));
}

TEST(FunnelPlot, ShowsWhatTrimAndFillAdds) {
  const auto points = layers_of<Points>(funnel_plot(molloy_report()));
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[1].x.size(), 2);
}

TEST(BaujatPlot, ContributionsAddUpToQ) {
  const MetaReport report = molloy_report();
  EXPECT_NEAR(layers_of<Points>(baujat_plot(report))[0].x.sum(), test::metafor("molloy.REML.z.q"),
              1e-9);
}

TEST(BubblePlot, DrawsTheModelsLine) {
  MetaReport report{.data = test::bcg({"ablat", "year"})};
  report.fit = fit_meta(report.data);
  const Line line = layers_of<Line>(bubble_plot(report, 0))[0];
  const double slope = (line.y[59] - line.y[0]) / (line.x[59] - line.x[0]);
  EXPECT_NEAR(slope, test::metafor("bcg.mods.REML.b", 1), 1e-7);
  EXPECT_THROW((void)bubble_plot(report, 2), InvalidArgument);
}

TEST(MetaPage, TellsTheResultAndTheMethods) {
  const std::string html = to_html(meta_page(molloy_report(), "molloy2014.csv"));
  EXPECT_THAT(html, HasSubstr("Over 16 effects the pooled effect is 0.150"));
  EXPECT_THAT(html, HasSubstr("no evidence against bias"));
  EXPECT_THAT(html, HasSubstr("random-effects model fitted by REML"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace rapport::report
