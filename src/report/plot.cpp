#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/plot.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace rapport::report {
namespace {

constexpr double font_size = 12;
constexpr double small_font = 11;
constexpr double title_font = 15;
constexpr double line_height = 1.35;
constexpr double edge = 8;  // around everything
constexpr int series_count = 6;

// --- Limits
// ------------------------------------------------------------------------------------------------------------

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

struct Extent {
  Limits x;
  Limits y;

  void operator()(const Points& layer) { both(layer.x, layer.y); }
  void operator()(const Line& layer) { both(layer.x, layer.y); }
  void operator()(const Polygon& layer) { both(layer.x, layer.y); }
  void operator()(const Band& layer) {
    both(layer.x, layer.lower);
    y.include(layer.upper);
  }
  void operator()(const ErrorBars& layer) {
    Limits& along = layer.horizontal ? x : y;
    along.include(layer.lower);
    along.include(layer.upper);
    (layer.horizontal ? y : x).include(layer.at);
  }
  void operator()(const Bars& layer) {
    both(layer.left, layer.height);
    x.include(layer.right);
    y.include(0);
  }
  void operator()(const Rule& layer) { (layer.horizontal ? y : x).include(layer.at); }
  void operator()(const Note&) {}

 private:
  void both(const Eigen::VectorXd& at_x, const Eigen::VectorXd& at_y) {
    x.include(at_x);
    y.include(at_y);
  }
};

/// The limits asked for, or those of the data with a twentieth of room on either side.
Limits settled(const Axis& axis, const Limits& data, const char* name) {
  Limits limits = data;
  if (!(limits.lower <= limits.upper)) limits = {.lower = 0, .upper = 1};
  double room = (limits.upper - limits.lower) / 20;
  if (room == 0) room = std::max(std::abs(limits.lower) / 20, 0.5);
  limits.lower = std::isnan(axis.lower) ? limits.lower - room : axis.lower;
  limits.upper = std::isnan(axis.upper) ? limits.upper + room : axis.upper;
  if (!(limits.lower < limits.upper) || !std::isfinite(limits.upper - limits.lower))
    throw InvalidArgument(std::string("to_svg: the limits of `") + name +
                          "` do not rise; lower must be less than upper, both finite");
  return limits;
}

// --- Checks and sampling
// -----------------------------------------------------------------------------------------------

struct CheckSizes {
  void operator()(const Points& layer) const {
    require_same_size("to_svg", "points.x", layer.x.size(), "points.y", layer.y.size());
    if (layer.size.size() > 0)
      require_same_size("to_svg", "points.x", layer.x.size(), "points.size", layer.size.size());
  }
  void operator()(const Line& layer) const {
    require_same_size("to_svg", "line.x", layer.x.size(), "line.y", layer.y.size());
  }
  void operator()(const Polygon& layer) const {
    require_same_size("to_svg", "polygon.x", layer.x.size(), "polygon.y", layer.y.size());
  }
  void operator()(const Band& layer) const {
    require_same_size("to_svg", "band.x", layer.x.size(), "band.lower", layer.lower.size());
    require_same_size("to_svg", "band.x", layer.x.size(), "band.upper", layer.upper.size());
  }
  void operator()(const ErrorBars& layer) const {
    require_same_size("to_svg", "error_bars.at", layer.at.size(), "error_bars.lower",
                      layer.lower.size());
    require_same_size("to_svg", "error_bars.at", layer.at.size(), "error_bars.upper",
                      layer.upper.size());
  }
  void operator()(const Bars& layer) const {
    require_same_size("to_svg", "bars.left", layer.left.size(), "bars.right", layer.right.size());
    require_same_size("to_svg", "bars.left", layer.left.size(), "bars.height", layer.height.size());
  }
  void operator()(const Rule&) const {}
  void operator()(const Note&) const {}
};

/// All of 0 … n − 1, or `most` of them drawn without replacement, ascending (Knuth's algorithm S);
/// always the same ones.
std::vector<Index> sampled(Index n, Index most) {
  std::vector<Index> kept;
  RandomStream stream(Seed{1}, static_cast<std::uint64_t>(n));
  for (Index i = 0; i < n; ++i) {
    const Index wanted = most - static_cast<Index>(kept.size());
    if (n <= most || stream.below(n - i) < wanted) kept.push_back(i);
  }
  return kept;
}

/// The stretches of a line between its gaps, each as [first, last).
std::vector<std::pair<Index, Index>> unbroken(const Line& line) {
  std::vector<std::pair<Index, Index>> runs;
  Index first = 0;
  for (Index i = 0; i <= line.x.size(); ++i) {
    if (i < line.x.size() && std::isfinite(line.x[i]) && std::isfinite(line.y[i])) continue;
    if (i > first) runs.emplace_back(first, i);
    first = i + 1;
  }
  return runs;
}

std::string with_thousands(Index value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string sampling_notice(Index drawn, Index all, const char* what) {
  return drawn < all ? " A random " + with_thousands(drawn) + " of " + with_thousands(all) + " " +
                           what + " are drawn."
                     : "";
}

// --- Text
// --------------------------------------------------------------------------------------------------------------

/// Lines of at most `width` pixels, broken at blanks.
std::vector<std::string> wrapped(const std::string& text, double width, double size) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t blank = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, blank - at);
    at = blank + 1;
    if (word.empty()) continue;
    const std::string longer = line.empty() ? word : line + ' ' + word;
    if (!line.empty() && text_width(longer) * size > width) {
      lines.push_back(line);
      line = word;
    } else {
      line = longer;
    }
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

double widest(const std::vector<Tick>& ticks, const std::string& heading) {
  double width = text_width(heading);
  for (const Tick& tick : ticks) width = std::max(width, text_width(tick.label));
  return width * font_size;
}

/// FNV-1a of what is drawn: an id that differs between the figures of a page and is the same in
/// every run.
std::string content_id(const std::string& content) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::array<char, 17> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16);
  return "rp" + std::string(digits.data(), end.ptr);
}

std::string series_class(int series) {
  return "rp-s" + std::to_string(((series % series_count) + series_count) % series_count);
}

// --- The panel and its marks
// -------------------------------------------------------------------------------------------

/// Where things stand, in pixels.
struct Panel {
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

std::string attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + coordinate(value) + "\"";
}
std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

std::string pair_of(double x, double y) { return coordinate(x) + "," + coordinate(y); }

/// The marker of a series at a pixel: circle, square, triangle, diamond, saltire, cross, each about
/// as large to the eye.
std::string marker(int series, double x, double y, double radius) {
  const double r = radius;
  const auto path = [](const std::string& d) { return "<path d=\"" + d + "\"/>"; };
  switch (((series % series_count) + series_count) % series_count) {
    case 1:
      return "<rect" + attribute("x", x - 0.88 * r) + attribute("y", y - 0.88 * r) +
             attribute("width", 1.76 * r) + attribute("height", 1.76 * r) + "/>";
    case 2:
      return path("M" + pair_of(x, y - 1.2 * r) + "L" + pair_of(x + 1.1 * r, y + 0.8 * r) + "L" +
                  pair_of(x - 1.1 * r, y + 0.8 * r) + "Z");
    case 3:
      return path("M" + pair_of(x, y - 1.25 * r) + "L" + pair_of(x + 1.25 * r, y) + "L" +
                  pair_of(x, y + 1.25 * r) + "L" + pair_of(x - 1.25 * r, y) + "Z");
    case 4:
      return path("M" + pair_of(x - r, y - r) + "L" + pair_of(x + r, y + r) + "M" +
                  pair_of(x - r, y + r) + "L" + pair_of(x + r, y - r));
    case 5:
      return path("M" + pair_of(x - 1.2 * r, y) + "L" + pair_of(x + 1.2 * r, y) + "M" +
                  pair_of(x, y - 1.2 * r) + "L" + pair_of(x, y + 1.2 * r));
    default:
      return "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", r) + "/>";
  }
}

std::string text_element(double x, double y, const std::string& text, const char* kind,
                         Anchor anchor) {
  const char* anchors[] = {"start", "middle", "end"};
  return "<text" + attribute("x", x) + attribute("y", y) + attribute("class", kind) +
         attribute("text-anchor", anchors[static_cast<int>(anchor)]) + ">" + escaped_markup(text) +
         "</text>\n";
}

std::string straight(double x1, double y1, double x2, double y2, const std::string& kind) {
  return "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
         attribute("y2", y2) + attribute("class", kind) + "/>";
}

/// Draws layers into a panel and remembers what has to be said about them.
class Artist {
 public:
  Artist(const Figure& figure, const Panel& panel) : figure_(figure), panel_(panel) {}

  std::string operator()(const Points& layer) {
    std::vector<Index> shown;
    for (Index i = 0; i < layer.x.size(); ++i)
      if (panel_.holds(layer.x[i], layer.y[i])) shown.push_back(i);
    const auto all = static_cast<Index>(shown.size());
    const std::vector<Index> kept = sampled(all, figure_.most_points);
    notice_ += sampling_notice(static_cast<Index>(kept.size()), all, "points");
    const double largest = layer.size.size() > 0 ? layer.size.maxCoeff() : 1;
    std::string out = "<g class=\"rp-points " + series_class(layer.series) +
                      (layer.hollow ? " rp-hollow" : "") + (kept.size() > 150 ? " rp-many" : "") +
                      "\">";
    for (const Index k : kept) {
      const Index i = shown[static_cast<std::size_t>(k)];
      const double radius =
          layer.size.size() > 0
              ? std::max(1.5, 8 * std::sqrt(std::max(layer.size[i], 0.0) / largest))
              : 3.5;
      out += marker(layer.series, panel_.at_x(layer.x[i]), panel_.at_y(layer.y[i]), radius);
    }
    return out + "</g>\n";
  }

  std::string operator()(const Line& layer) {
    const std::vector<std::pair<Index, Index>> runs = unbroken(layer);
    const auto all = static_cast<Index>(runs.size());
    const std::vector<Index> kept = sampled(all, figure_.most_lines);
    notice_ += sampling_notice(static_cast<Index>(kept.size()), all, "lines");
    std::string out = "<g class=\"rp-line " + series_class(layer.series) +
                      (layer.faint ? " rp-faint" : "") + "\">";
    for (const Index k : kept) out += polyline(layer, runs[static_cast<std::size_t>(k)]);
    return out + "</g>\n";
  }

  std::string operator()(const Band& layer) {
    std::string forth, back;
    for (Index i = 0; i < layer.x.size(); ++i) {
      if (!std::isfinite(layer.x[i]) || !std::isfinite(layer.lower[i]) ||
          !std::isfinite(layer.upper[i]))
        continue;
      const double x = panel_.at_x(layer.x[i]);
      forth += (forth.empty() ? "M" : "L") + pair_of(x, panel_.at_y(layer.upper[i]));
      back.insert(0, "L" + pair_of(x, panel_.at_y(layer.lower[i])));
    }
    if (forth.empty()) return "";
    return "<path class=\"rp-band " + series_class(layer.series) + "\" d=\"" + forth + back +
           "Z\"/>\n";
  }

  std::string operator()(const ErrorBars& layer) {
    std::string out = "<g class=\"rp-bar " + series_class(layer.series) + "\">";
    const std::vector<Index> kept = sampled(layer.at.size(), figure_.most_points);
    notice_ += sampling_notice(static_cast<Index>(kept.size()), layer.at.size(), "intervals");
    for (const Index i : kept)
      if (std::isfinite(layer.lower[i]) && std::isfinite(layer.upper[i]) &&
          std::isfinite(layer.at[i]))
        out += interval(layer.at[i], layer.lower[i], layer.upper[i], layer.horizontal);
    return out + "</g>\n";
  }

  std::string operator()(const Bars& layer) {
    std::string out = "<g class=\"rp-area " + series_class(layer.series) + "\">";
    for (Index i = 0; i < layer.left.size(); ++i) {
      const double x1 = panel_.at_x(layer.left[i]), x2 = panel_.at_x(layer.right[i]);
      const double y1 = panel_.at_y(layer.height[i]), y2 = panel_.at_y(0);
      if (!std::isfinite(x1 + x2 + y1)) continue;
      out += "<rect" + attribute("x", std::min(x1, x2)) + attribute("y", std::min(y1, y2)) +
             attribute("width", std::abs(x2 - x1)) + attribute("height", std::abs(y2 - y1)) + "/>";
    }
    return out + "</g>\n";
  }

  std::string operator()(const Polygon& layer) {
    std::string d;
    for (Index i = 0; i < layer.x.size(); ++i)
      d += (d.empty() ? "M" : "L") + pair_of(panel_.at_x(layer.x[i]), panel_.at_y(layer.y[i]));
    return "<path class=\"rp-area " + series_class(layer.series) + "\"" +
           attribute("fill-opacity", layer.shade) + " d=\"" + d + "Z\"/>\n";
  }

  std::string operator()(const Rule& layer) {
    const std::string kind = layer.dashed ? "rp-rule rp-dashed" : "rp-rule";
    if (layer.horizontal)
      return straight(panel_.left, panel_.at_y(layer.at), panel_.right, panel_.at_y(layer.at),
                      kind) +
             "\n";
    return straight(panel_.at_x(layer.at), panel_.top, panel_.at_x(layer.at), panel_.bottom, kind) +
           "\n";
  }

  std::string operator()(const Note& layer) {
    return text_element(panel_.at_x(layer.x), panel_.at_y(layer.y), layer.text, "rp-note",
                        layer.anchor);
  }

  [[nodiscard]] const std::string& notice() const { return notice_; }

 private:
  [[nodiscard]] std::string polyline(const Line& layer, const std::pair<Index, Index>& run) {
    const Index length = run.second - run.first;
    const Index stride = std::max<Index>(1, length / (2 * std::max<Index>(figure_.most_points, 1)));
    if (stride > 1) notice_ += " Every " + std::to_string(stride) + "th point of a line is drawn.";
    std::string points;
    for (Index i = run.first; i < run.second; i += stride)
      points +=
          (points.empty() ? "" : " ") + pair_of(panel_.at_x(layer.x[i]), panel_.at_y(layer.y[i]));
    return "<polyline points=\"" + points + "\"/>";
  }

  /// A bar with caps; an end outside the panel becomes an arrow at its edge.
  [[nodiscard]] std::string interval(double at, double lower, double upper, bool horizontal) const {
    const Limits& limits = horizontal ? panel_.x : panel_.y;
    if (upper < limits.lower || lower > limits.upper) return "";
    const auto place = [&](double along, double across) {
      const double middle = horizontal ? panel_.at_y(at) : panel_.at_x(at);
      return horizontal ? pair_of(along, middle + across) : pair_of(middle + across, along);
    };
    const auto pixel = [&](double value) {
      return horizontal ? panel_.at_x(value) : panel_.at_y(value);
    };
    const double a = pixel(std::max(lower, limits.lower)), b = pixel(std::min(upper, limits.upper));
    const double inward = b > a ? 5 : -5;
    const auto end = [&](double along, bool outside, double step) {
      return outside ? "M" + place(along + step, -3.5) + "L" + place(along, 0) + "L" +
                           place(along + step, 3.5)
                     : "M" + place(along, -3) + "L" + place(along, 3);
    };
    return "<path d=\"M" + place(a, 0) + "L" + place(b, 0) + end(a, lower < limits.lower, inward) +
           end(b, upper > limits.upper, -inward) + "\"/>";
  }

  const Figure& figure_;
  const Panel& panel_;
  std::string notice_;
};

// --- The legend
// --------------------------------------------------------------------------------------------------------

struct LegendEntry {
  std::string label;
  std::string symbol;  ///< drawn around (10, 0), 20 pixels wide
};

struct LegendSymbol {
  LegendEntry operator()(const Points& layer) const {
    return {layer.label, "<g class=\"rp-points " + series_class(layer.series) +
                             (layer.hollow ? " rp-hollow" : "") + "\">" +
                             marker(layer.series, 10, 0, 3.5) + "</g>"};
  }
  LegendEntry operator()(const Line& layer) const {
    return {layer.label, "<g class=\"rp-line " + series_class(layer.series) +
                             "\"><polyline points=\"0,0 20,0\"/></g>"};
  }
  LegendEntry operator()(const Band& layer) const {
    return {layer.label, "<path class=\"rp-band " + series_class(layer.series) +
                             "\" d=\"M0,-5L20,-5L20,5L0,5Z\"/>"};
  }
  LegendEntry operator()(const Bars& layer) const {
    return {layer.label, "<path class=\"rp-area " + series_class(layer.series) +
                             "\" d=\"M3,-5L17,-5L17,5L3,5Z\"/>"};
  }
  LegendEntry operator()(const Polygon& layer) const {
    return {layer.label, "<path class=\"rp-area " + series_class(layer.series) + "\"" +
                             attribute("fill-opacity", layer.shade) +
                             " d=\"M3,-5L17,-5L17,5L3,5Z\"/>"};
  }
  LegendEntry operator()(const ErrorBars&) const { return {}; }
  LegendEntry operator()(const Rule&) const { return {}; }
  LegendEntry operator()(const Note&) const { return {}; }
};

struct Legend {
  std::string markup;
  double height = 0;
};

/// Entries side by side, broken into rows, from `top` down.
Legend legend_of(const Figure& figure, double left, double right, double top) {
  Legend legend;
  double x = left;
  double y = top + 10;
  for (const Layer& layer : figure.layers) {
    const LegendEntry entry = std::visit(LegendSymbol{}, layer);
    if (entry.label.empty()) continue;
    const double width = 26 + text_width(entry.label) * font_size + 16;
    if (x > left && x + width > right) {
      x = left;
      y += 20;
    }
    legend.markup += "<g transform=\"translate(" + pair_of(x, y) + ")\">" + entry.symbol + "</g>" +
                     text_element(x + 26, y + 4, entry.label, "rp-label", Anchor::start);
    legend.height = y + 12 - top;
    x += width;
  }
  return legend;
}

// --- Axes
// --------------------------------------------------------------------------------------------------------------

std::string x_axis(const Axis& axis, const std::vector<Tick>& ticks, const Panel& panel,
                   bool grid) {
  std::string out;
  for (const Tick& tick : ticks) {
    if (tick.at < panel.x.lower || tick.at > panel.x.upper) continue;
    const double x = panel.at_x(tick.at);
    if (grid) out += straight(x, panel.top, x, panel.bottom, "rp-grid");
    out += straight(x, panel.bottom, x, panel.bottom + 4, "rp-axis");
    out += text_element(x, panel.bottom + 17, tick.label, "rp-label", Anchor::middle);
  }
  out += straight(panel.left, panel.bottom, panel.right, panel.bottom, "rp-axis");
  return out + text_element((panel.left + panel.right) / 2, panel.bottom + 36, axis.label,
                            "rp-title", Anchor::middle);
}

std::string y_axis(const Axis& axis, const std::vector<Tick>& ticks, const Panel& panel) {
  std::string out;
  for (const Tick& tick : ticks) {
    if (tick.at < panel.y.lower || tick.at > panel.y.upper) continue;
    const double y = panel.at_y(tick.at);
    if (axis.grid) out += straight(panel.left, y, panel.right, y, "rp-grid");
    out += text_element(panel.left - 7, y + 4, tick.label, "rp-label", Anchor::end);
  }
  if (axis.label.empty()) return out;
  const double middle = (panel.top + panel.bottom) / 2;
  return out + "<text class=\"rp-title\" text-anchor=\"middle\" transform=\"translate(14," +
         coordinate(middle) + ") rotate(-90)\">" + escaped_markup(axis.label) + "</text>\n";
}

std::string described(const Figure& figure) {
  if (!figure.description.empty()) return figure.description;
  Index points = 0;
  for (const Layer& layer : figure.layers)
    if (const auto* drawn = std::get_if<Points>(&layer)) points += drawn->x.size();
  std::string text = figure.title + ".";
  if (!figure.x.label.empty()) text += " Horizontal: " + figure.x.label + ".";
  if (!figure.y.label.empty()) text += " Vertical: " + figure.y.label + ".";
  if (points > 0) text += " " + with_thousands(points) + " points.";
  return text;
}

struct Block {
  std::string markup;
  double bottom = 0;
};

Block paragraph(const std::string& text, double left, double right, double top, double size,
                const char* kind) {
  Block block{.markup = {}, .bottom = top};
  for (const std::string& line : wrapped(text, right - left, size)) {
    block.bottom += size * line_height;
    block.markup +=
        text_element(left, block.bottom - size * (line_height - 1), line, kind, Anchor::start);
  }
  return block;
}

/// Where a figure's columns stand: labels, panel, labels.
struct Layout {
  Panel panel;  ///< without its top and bottom, which depend on the lines of title and legend
  std::vector<Tick> x_ticks;
  std::vector<Tick> y_ticks;
  double width = 0;
};

Layout across(const Figure& figure) {
  Extent extent;
  for (const Layer& layer : figure.layers) {
    std::visit(CheckSizes{}, layer);
    std::visit([&](const auto& drawn) { extent(drawn); }, layer);
  }
  Layout layout;
  Panel& panel = layout.panel;
  panel.x = settled(figure.x, extent.x, "x");
  panel.y = settled(figure.y, extent.y, "y");
  panel.x_reversed = figure.x.reversed;
  panel.y_reversed = figure.y.reversed;
  const auto ticks_of = [](const Axis& axis, const Limits& limits, double count) {
    return axis.ticks.empty() ? round_ticks(limits.lower, limits.upper, static_cast<int>(count))
                              : axis.ticks;
  };
  layout.y_ticks = ticks_of(figure.y, panel.y, std::max(3.0, figure.height / 60));
  const double right_labels =
      figure.right.empty() ? 6 : widest(figure.right, figure.right_heading) + 10;
  panel.left =
      edge + (figure.y.label.empty() ? 0 : 20) + widest(layout.y_ticks, figure.left_heading) + 8;
  panel.right = std::max(figure.width - edge - right_labels, panel.left + 60);
  layout.x_ticks = ticks_of(figure.x, panel.x, std::max(2.0, (panel.right - panel.left) / 80));
  layout.width = panel.right + right_labels + edge;
  return layout;
}

/// The labels to the right of the panel, and the headings of both sides.
std::string side_labels(const Figure& figure, const Panel& panel, double right) {
  std::string out;
  for (const Tick& tick : figure.right)
    out += text_element(right, panel.at_y(tick.at) + 4, tick.label, "rp-label", Anchor::end);
  if (!figure.left_heading.empty())
    out += text_element(edge, panel.top - 7, figure.left_heading, "rp-title", Anchor::start);
  if (!figure.right_heading.empty())
    out += text_element(right, panel.top - 7, figure.right_heading, "rp-title", Anchor::end);
  return out;
}

std::string opening(const Figure& figure, const std::string& id, double width, double height,
                    bool with_style) {
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rp-figure\" role=\"img\"" +
                    attribute("viewBox", "0 0 " + coordinate(width) + " " + coordinate(height)) +
                    attribute("width", width) + attribute("height", height) +
                    attribute("aria-labelledby", id + "t " + id + "d") + ">\n";
  out += "<title id=\"" + id + "t\">" + escaped_markup(figure.title) + "</title>\n";
  out += "<desc id=\"" + id + "d\">" + escaped_markup(described(figure)) + "</desc>\n";
  if (with_style)
    out += "<style>" + figure_style() +
           ".rp-figure{background:#ffffff;background:var(--rp-paper)}</style>\n";
  return out;
}

std::string clip_path(const Panel& panel, const std::string& id) {
  return "<clipPath id=\"" + id + "c\"><rect" + attribute("x", panel.left) +
         attribute("y", panel.top) + attribute("width", panel.right - panel.left) +
         attribute("height", panel.bottom - panel.top) + "/></clipPath>\n";
}

}  // namespace

std::vector<Tick> round_ticks(double lower, double upper, int count) {
  if (!(lower < upper) || count < 1 || !std::isfinite(upper - lower)) return {};
  const double raw = (upper - lower) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = (lead <= 1.5 ? 1 : lead <= 3.5 ? 2 : lead <= 7.5 ? 5 : 10) * power;
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  std::vector<Tick> ticks;
  for (double multiple = std::ceil(lower / step - 1e-9); multiple * step <= upper + step * 1e-9;
       ++multiple) {
    const double at = multiple == 0 ? 0 : multiple * step;
    std::array<char, 400> buffer{};
    const bool plain = std::abs(at) < 1e6 && decimals <= 6;
    const auto end = plain ? std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                           std::abs(at), std::chars_format::fixed, decimals)
                           : std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                           std::abs(at), std::chars_format::general, 6);
    ticks.push_back({.at = at, .label = (at < 0 ? "−" : "") + std::string(buffer.data(), end.ptr)});
  }
  return ticks;
}

Bars histogram(const VectorView& values, int series) {
  std::vector<double> kept;
  for (const double value : values)
    if (std::isfinite(value)) kept.push_back(value);
  Bars bars{.left = {}, .right = {}, .height = {}, .series = series, .label = {}};
  if (kept.empty()) return bars;
  std::sort(kept.begin(), kept.end());
  const auto n = kept.size();
  const double range = kept.back() - kept.front();
  const double quartiles = kept[(3 * n) / 4 == n ? n - 1 : (3 * n) / 4] - kept[n / 4];
  const double ideal = 2 * quartiles / std::cbrt(static_cast<double>(n));
  const double bins =
      ideal > 0 ? std::ceil(range / ideal) : std::ceil(std::sqrt(static_cast<double>(n)));
  const auto count = static_cast<Index>(std::clamp(bins, 1.0, 60.0));
  const double width = range > 0 ? range / static_cast<double>(count) : 1;
  const double start = range > 0 ? kept.front() : kept.front() - 0.5;
  bars.left = start + width * Eigen::ArrayXd::LinSpaced(count, 0, static_cast<double>(count - 1));
  bars.right = bars.left.array() + width;
  bars.height = Eigen::VectorXd::Zero(count);
  for (const double value : kept)
    ++bars.height[std::clamp<Index>(static_cast<Index>((value - start) / width), 0, count - 1)];
  return bars;
}

const std::string& figure_style() {
  static const std::string style =
      R"(:root{--rp-ink:#1d2126;--rp-muted:#59616b;--rp-grid:#e3e6ea;--rp-paper:#ffffff;
--rp-c0:#1f4e8c;--rp-c1:#c24d33;--rp-c2:#1f9486;--rp-c3:#8d5aa5;--rp-c4:#9a7200;--rp-c5:#6d7580}
@media screen and (prefers-color-scheme:dark){:root{--rp-ink:#e8eaed;--rp-muted:#a6adb6;--rp-grid:#363c44;--rp-paper:#16191d;
--rp-c0:#85b7ee;--rp-c1:#f2957d;--rp-c2:#62d2c2;--rp-c3:#cda3e2;--rp-c4:#e6bd4f;--rp-c5:#a9b1bc}}
.rp-figure{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;font-size:12px}
.rp-figure text{fill:#1d2126;fill:var(--rp-ink)}
.rp-figure .rp-heading{font-size:15px;font-weight:600}
.rp-figure .rp-title{font-weight:600}
.rp-figure .rp-label,.rp-figure .rp-note{font-variant-numeric:tabular-nums}
.rp-figure .rp-caption{font-size:11px;fill:#59616b;fill:var(--rp-muted)}
.rp-figure .rp-grid{stroke:#e3e6ea;stroke:var(--rp-grid);stroke-width:1}
.rp-figure .rp-axis{stroke:#59616b;stroke:var(--rp-muted);stroke-width:1}
.rp-figure .rp-rule{stroke:#59616b;stroke:var(--rp-muted);stroke-width:1.2}
.rp-figure .rp-dashed{stroke-dasharray:4 3}
.rp-figure .rp-s0{color:#1f4e8c;color:var(--rp-c0)}.rp-figure .rp-s1{color:#c24d33;color:var(--rp-c1)}
.rp-figure .rp-s2{color:#1f9486;color:var(--rp-c2)}.rp-figure .rp-s3{color:#8d5aa5;color:var(--rp-c3)}
.rp-figure .rp-s4{color:#9a7200;color:var(--rp-c4)}.rp-figure .rp-s5{color:#6d7580;color:var(--rp-c5)}
.rp-figure .rp-points{fill:currentColor;stroke:currentColor;stroke-width:1.2}
.rp-figure .rp-hollow{fill:#ffffff;fill:var(--rp-paper)}
.rp-figure .rp-many{fill-opacity:.25;stroke-opacity:.3}
.rp-figure .rp-line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}
.rp-figure .rp-line.rp-faint{stroke-width:.8;stroke-opacity:.35}
.rp-figure .rp-line.rp-s1{stroke-dasharray:7 3}.rp-figure .rp-line.rp-s2{stroke-dasharray:2 3}
.rp-figure .rp-line.rp-s3{stroke-dasharray:9 3 2 3}.rp-figure .rp-line.rp-s4{stroke-dasharray:5 2 1 2 1 2}
.rp-figure .rp-line.rp-s5{stroke-dasharray:12 4}.rp-figure .rp-line.rp-faint{stroke-dasharray:none}
.rp-figure .rp-band{fill:currentColor;fill-opacity:.18}
.rp-figure .rp-bar{fill:none;stroke:currentColor;stroke-width:1.3}
.rp-figure .rp-area{fill:currentColor;stroke:currentColor;stroke-opacity:.6;stroke-width:.6}
)";
  return style;
}

std::string to_svg(const Figure& figure, bool with_style) {
  Layout layout = across(figure);
  const double right = layout.width - edge;
  const Block title = paragraph(figure.title, edge, right, edge, title_font, "rp-heading");
  const Legend legend = legend_of(figure, edge, right, title.bottom + 6);
  const bool headings = !figure.left_heading.empty() || !figure.right_heading.empty();
  Panel& panel = layout.panel;
  panel.top = title.bottom + 6 + (legend.height > 0 ? legend.height + 4 : 0) + (headings ? 20 : 6);
  panel.bottom = std::max(figure.height - 48, panel.top + 60);

  Artist artist(figure, panel);
  std::string layers;
  for (const Layer& layer : figure.layers)
    layers += std::visit([&](const auto& drawn) { return artist(drawn); }, layer);
  const std::string body =
      title.markup + legend.markup + x_axis(figure.x, layout.x_ticks, panel, figure.x.grid) +
      y_axis(figure.y, layout.y_ticks, panel) + side_labels(figure, panel, right);
  const Block caption =
      paragraph(figure.caption + artist.notice(), edge, right,
                panel.bottom + (figure.x.label.empty() ? 24 : 44), small_font, "rp-caption");
  const std::string id = content_id(body + layers);
  return opening(figure, id, layout.width, caption.bottom + edge, with_style) +
         clip_path(panel, id) + body + "<g clip-path=\"url(#" + id + "c)\">\n" + layers + "</g>\n" +
         caption.markup + "</svg>\n";
}

}  // namespace rapport::report
