#pragma once

#include <rapport/base/eigen.hpp>

#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// A small figure library that writes SVG. A figure is a value: two axes and layers drawn in order.
/// Layers name a *series* (0, 1, 2, …), which the house's style turns into a colour, a marker and a
/// dash that differ together, so that a figure can be read in grey, on paper, and on a light or a
/// dark screen.
namespace rapport::report {

/// A tick with its label.
struct Tick {
  double at = 0;
  std::string label = {};
};

/// One axis. Limits that are NaN come from the data, with room; ticks that are empty are chosen (1,
/// 2 or 5 × 10ⁿ apart).
struct Axis {
  std::string label = {};
  double lower = std::numeric_limits<double>::quiet_NaN();
  double upper = std::numeric_limits<double>::quiet_NaN();
  std::vector<Tick> ticks = {};
  bool reversed = false;  ///< the lower limit stands right, or at the top
  bool grid = true;
};

/// A marker at each (x, y). `size`, when given, holds a marker's area relative to the others, as
/// weights do.
struct Points {
  Eigen::VectorXd x = {};
  Eigen::VectorXd y = {};
  int series = 0;
  std::string label = {};  ///< in the legend; empty: not there
  Eigen::VectorXd size = {};
  bool hollow = false;
};

/// A polyline through the points in order; NaN in x or y breaks it.
struct Line {
  Eigen::VectorXd x = {};
  Eigen::VectorXd y = {};
  int series = 0;
  std::string label = {};
  bool faint = false;  ///< thin and pale: one of many
};

/// The area between `lower` and `upper` over x: a confidence band.
struct Band {
  Eigen::VectorXd x = {};
  Eigen::VectorXd lower = {};
  Eigen::VectorXd upper = {};
  int series = 0;
  std::string label = {};
};

/// An interval from `lower` to `upper` at each `at`; horizontal ones stand at y = at.
struct ErrorBars {
  Eigen::VectorXd at = {};
  Eigen::VectorXd lower = {};
  Eigen::VectorXd upper = {};
  int series = 0;
  bool horizontal = false;
};

/// Rectangles from 0 to `height` over [left, right]: a histogram.
struct Bars {
  Eigen::VectorXd left = {};
  Eigen::VectorXd right = {};
  Eigen::VectorXd height = {};
  int series = 0;
  std::string label = {};
};

/// A filled polygon: a summary's diamond, a region of significance. `shade` in (0, 1] is its
/// opacity.
struct Polygon {
  Eigen::VectorXd x = {};
  Eigen::VectorXd y = {};
  int series = 0;
  std::string label = {};
  double shade = 1;
};

/// A straight line across the whole panel.
struct Rule {
  double at = 0;
  bool horizontal = false;
  bool dashed = true;
};

enum class Anchor { start, middle, end };

/// Text in the panel.
struct Note {
  double x = 0;
  double y = 0;
  std::string text = {};
  Anchor anchor = Anchor::start;
};

using Layer = std::variant<Points, Line, Band, ErrorBars, Bars, Polygon, Rule, Note>;

/// A figure. Its title should say what the data show, and `description` is read to those who cannot
/// see it (empty: made from the title, the axes and the counts).
struct Figure {
  std::string title = {};
  std::string description = {};
  std::string caption = {};  ///< under the figure: what is drawn, from how many
  Axis x = {};
  Axis y = {};
  std::vector<Layer> layers = {};
  std::vector<Tick> right =
      {};  ///< labels to the right of the panel, by y: the numbers of a forest plot
  std::string left_heading = {};   ///< over the labels of the y axis
  std::string right_heading = {};  ///< over the labels to the right
  double width = 640;              ///< pixels at the figure's own size; it scales with the page
  double height = 400;
  Index most_points = 2000;  ///< of one layer; a larger one is sampled, and the caption says so
  Index most_lines = 200;    ///< unbroken lines of one layer; the same
};

/// The figure as SVG text, deterministic, with its own style unless a page brings `figure_style()`.
/// Throws InvalidArgument if a layer's vectors differ in length or the limits of an axis do not
/// rise. Points that are not finite are left out.
[[nodiscard]] std::string to_svg(const Figure& figure, bool with_style = true);

/// The style sheet that figures share: series, ink and grid as CSS variables for light, dark and
/// print.
[[nodiscard]] const std::string& figure_style();

/// The ends and the steps of about `count` round ticks that lie within [lower, upper].
[[nodiscard]] std::vector<Tick> round_ticks(double lower, double upper, int count = 6);

/// Centres, counts and edges for a histogram of the values that are finite (Freedman & Diaconis
/// 1981, at most 60 bars).
[[nodiscard]] Bars histogram(const VectorView& values, int series = 0);

}  // namespace rapport::report
