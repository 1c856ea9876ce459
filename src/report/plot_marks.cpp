#include <rapport/base/random.hpp>
#include <rapport/report/markup.hpp>

#include "plot_panel.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace rapport::report::detail {

std::string attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + coordinate(value) + "\"";
}
std::string attribute(const char* name, const std::string& value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}

std::string pair_of(double x, double y) { return coordinate(x) + "," + coordinate(y); }

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

std::string with_thousands(Index value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

namespace {

constexpr int series_count = 6;

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

std::string sampling_notice(Index drawn, Index all, const char* what) {
  return drawn < all ? " A random " + with_thousands(drawn) + " of " + with_thousands(all) + " " +
                           what + " are drawn."
                     : "";
}

std::string series_class(int series) {
  return "rp-s" + std::to_string(((series % series_count) + series_count) % series_count);
}

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

/// Draws layers into a panel and remembers what has to be said about them.
class Artist {
 public:
  Artist(const Figure& figure, const PlotPanel& panel) : figure_(figure), panel_(panel) {}

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
  const PlotPanel& panel_;
  std::string notice_;
};

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

}  // namespace

DrawnLayers draw_layers(const Figure& figure, const PlotPanel& panel) {
  Artist artist(figure, panel);
  DrawnLayers drawn;
  for (const Layer& layer : figure.layers)
    drawn.markup += std::visit([&](const auto& one) { return artist(one); }, layer);
  drawn.notice = artist.notice();
  return drawn;
}

PlotLegend legend_of(const Figure& figure, double left, double right, double top) {
  PlotLegend legend;
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

}  // namespace rapport::report::detail
