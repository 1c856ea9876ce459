#pragma once

#include <rapport/report/plot.hpp>

#include <limits>
#include <string>

/// What the parts of a figure's drawing share. Not public.
namespace rapport::report::detail {

inline constexpr double font_size = 12;

/// The least and the greatest of the finite values seen.
struct Limits {
  double lower = std::numeric_limits<double>::infinity();
  double upper = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    lower = std::min(lower, value);
    upper = std::max(upper, value);
  }
  void include(const Eigen::VectorXd& values) {
    for (const double value : values) include(value);
  }
};

/// Where things stand, in pixels.
struct PlotPanel {
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  Limits x;
  Limits y;
  bool x_reversed = false;
  bool y_reversed = false;

  [[nodiscard]] double at_x(double value) const {
    const double share = (value - x.lower) / (x.upper - x.lower);
    return left + (x_reversed ? 1 - share : share) * (right - left);
  }
  [[nodiscard]] double at_y(double value) const {
    const double share = (value - y.lower) / (y.upper - y.lower);
    return bottom - (y_reversed ? 1 - share : share) * (bottom - top);
  }
  [[nodiscard]] bool holds(double value_x, double value_y) const {
    return value_x >= x.lower && value_x <= x.upper && value_y >= y.lower && value_y <= y.upper;
  }
};

// SVG in small: attributes, a pair of coordinates, text, a straight line.
[[nodiscard]] std::string attribute(const char* name, double value);
[[nodiscard]] std::string attribute(const char* name, const std::string& value);
[[nodiscard]] std::string pair_of(double x, double y);
[[nodiscard]] std::string text_element(double x, double y, const std::string& text,
                                       const char* kind, Anchor anchor);
[[nodiscard]] std::string straight(double x1, double y1, double x2, double y2,
                                   const std::string& kind);
/// "12,345".
[[nodiscard]] std::string with_thousands(Index value);

/// The layers of a figure as SVG, and what has to be said about them (sampled points or lines).
struct DrawnLayers {
  std::string markup;
  std::string notice;
};
[[nodiscard]] DrawnLayers draw_layers(const Figure& figure, const PlotPanel& panel);

/// The legend: entries side by side, broken into rows.
struct PlotLegend {
  std::string markup;
  double height = 0;
};
[[nodiscard]] PlotLegend legend_of(const Figure& figure, double left, double right, double top);

}  // namespace rapport::report::detail
