#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/plot.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <gmock/gmock.h>

namespace rapport::report {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

Figure scatter(Index n) {
  RandomStream stream(Seed{7}, 0);
  Points points;
  points.x = Eigen::VectorXd(n);
  points.y = Eigen::VectorXd(n);
  for (Index i = 0; i < n; ++i) {
    points.x[i] = stream.normal();
    points.y[i] = stream.normal();
  }
  Figure figure{.title = "Sessions"};
  figure.layers = {points};
  return figure;
}

TEST(RoundTicks, LieWithinAndAreEvenlySpaced) {
  for (const double lower : {-7.3, 0.0, 0.00012, 1e5})
    for (const double range : {1e-4, 0.7, 9.0, 4321.0}) {
      const std::vector<Tick> ticks = round_ticks(lower, lower + range, 6);
      ASSERT_GE(ticks.size(), 3U);
      ASSERT_LE(ticks.size(), 12U);
      EXPECT_GE(ticks.front().at, lower - range * 1e-9);
      EXPECT_LE(ticks.back().at, lower + range * (1 + 1e-9));
      const double step = ticks[1].at - ticks[0].at;
      for (std::size_t i = 1; i < ticks.size(); ++i) {
        EXPECT_NEAR(ticks[i].at - ticks[i - 1].at, step, 1e-6 * step + 1e-10);
        EXPECT_NE(ticks[i].label, ticks[i - 1].label);
      }
    }
}

TEST(RoundTicks, NegativeNumbersHaveATrueMinusSign) {
  const std::vector<Tick> ticks = round_ticks(-1, 1, 4);
  EXPECT_EQ(ticks.front().label, "−1.0");
  EXPECT_EQ(ticks[2].label, "0.0");
}

TEST(RoundTicks, AreEmptyWithoutARange) {
  EXPECT_TRUE(round_ticks(1, 1).empty());
  EXPECT_TRUE(round_ticks(0, INFINITY).empty());
}

TEST(Svg, IsTheSameInEveryRunAndDiffersBetweenFigures) {
  EXPECT_EQ(to_svg(scatter(50)), to_svg(scatter(50)));
  EXPECT_NE(to_svg(scatter(50)), to_svg(scatter(51)));
}

TEST(Svg, DrawsEveryFinitePoint) {
  Figure figure = scatter(50);
  std::get<Points>(figure.layers[0]).y[3] = NAN;
  EXPECT_EQ(occurrences(to_svg(figure), "<circle"), 49U);
}

TEST(Svg, SamplesLargeDataAndSaysSo) {
  Figure figure = scatter(12000);
  figure.most_points = 500;
  const std::string svg = to_svg(figure);
  EXPECT_EQ(occurrences(svg, "<circle"), 500U);
  EXPECT_THAT(svg, HasSubstr("500 of"));
  EXPECT_THAT(svg, HasSubstr("12,000 points"));
  EXPECT_THAT(to_svg(scatter(50)), Not(HasSubstr("random")));
}

TEST(Svg, EscapesWhateverTheDataAreCalled) {
  Figure figure = scatter(3);
  figure.title = "a <script>alert('x')</script> & \"b\"";
  figure.x.label = "<x>";
  std::get<Points>(figure.layers[0]).label = "</svg>";
  const std::string svg = to_svg(figure);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_EQ(occurrences(svg, "</svg>"), 1U);
  EXPECT_THAT(svg, HasSubstr("&lt;x&gt;"));
}

TEST(Svg, CarriesTitleAndDescriptionForScreenReaders) {
  const std::string svg = to_svg(scatter(3));
  EXPECT_THAT(svg, HasSubstr("role=\"img\""));
  EXPECT_THAT(svg, HasSubstr(">Sessions</title>"));
  EXPECT_THAT(svg, HasSubstr("3 points.</desc>"));
}

TEST(Svg, PlacesLimitsAtTheEdgesOfThePanel) {
  Figure figure{.title = "t"};
  figure.x = {.lower = 0, .upper = 1, .ticks = {{0, "left"}, {1, "right"}}};
  figure.y = {.lower = 0, .upper = 1, .reversed = true};
  figure.layers = {Points{.x = Eigen::Vector2d(0, 1), .y = Eigen::Vector2d(0, 1)}};
  const std::string svg = to_svg(figure);
  const std::size_t clip = svg.find("<clipPath");
  const auto value = [&](const char* name, std::size_t from) {
    const std::size_t at =
        svg.find(std::string(" ") + name + "=\"", from) + std::string(name).size() + 3;
    return std::stod(svg.substr(at));
  };
  const double left = value("x", clip), top = value("y", clip);
  const double right = left + value("width", clip), bottom = top + value("height", clip);
  const std::size_t first = svg.find("<circle"), second = svg.find("<circle", first + 1);
  EXPECT_NEAR(value("cx", first), left, 0.011);
  EXPECT_NEAR(value("cy", first), top, 0.011);
  EXPECT_NEAR(value("cx", second), right, 0.011);
  EXPECT_NEAR(value("cy", second), bottom, 0.011);
}

TEST(Svg, RefusesLayersThatDoNotFit) {
  Figure figure{.title = "t"};
  figure.layers = {Points{.x = Eigen::VectorXd::Zero(2), .y = Eigen::VectorXd::Zero(3)}};
  EXPECT_THROW((void)to_svg(figure), InvalidArgument);
  figure.layers.clear();
  figure.x.lower = 2;
  figure.x.upper = 1;
  EXPECT_THROW((void)to_svg(figure), InvalidArgument);
}

TEST(Svg, DrawsAnEmptyFigure) {
  EXPECT_THAT(to_svg(Figure{.title = "Nothing"}), HasSubstr("Nothing"));
}

TEST(Histogram, CountsEveryFiniteValueOnce) {
  const Figure figure = scatter(1000);
  Eigen::VectorXd values = std::get<Points>(figure.layers[0]).x;
  values[0] = NAN;
  const Bars bars = histogram(values);
  EXPECT_EQ(bars.height.sum(), 999);
  EXPECT_NEAR(bars.left[0], values.tail(999).minCoeff(), 1e-12);
  EXPECT_NEAR(bars.right[bars.right.size() - 1], values.tail(999).maxCoeff(), 1e-9);
  EXPECT_EQ(histogram(Eigen::VectorXd::Constant(5, 2.0)).height.sum(), 5);
  EXPECT_EQ(histogram(Eigen::VectorXd()).height.size(), 0);
}

TEST(Markup, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(escaped_markup("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(escaped_markup("\xE2\x88\x92"), "\xE2\x88\x92");
  EXPECT_EQ(escaped_markup("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escaped_markup(std::string("a\0b", 3)), "a b");
}

TEST(Markup, WritesShortCoordinates) {
  EXPECT_EQ(coordinate(1.0), "1");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(coordinate(12.345), "12.35");
  EXPECT_EQ(coordinate(-3.5), "-3.5");
}

TEST(Markup, WritesPlainDecimals) {
  EXPECT_EQ(plain_decimal(-0.00114, 2), "0.00");
  EXPECT_EQ(plain_decimal(-1.236, 2), "−1.24");
  EXPECT_EQ(plain_decimal(12, 0), "12");
  EXPECT_EQ(plain_decimal(NAN, 2), "–");
}

}  // namespace
}  // namespace rapport::report
