#include <rapport/base/error.hpp>
#include <rapport/report/markup.hpp>

#include "plot_panel.hpp"
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace rapport::report {
namespace {

using namespace detail;

constexpr double small_font = 11;
constexpr double title_font = 15;
constexpr double line_height = 1.35;
constexpr double edge = 8;  // around everything

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

std::string x_axis(const Axis& axis, const std::vector<Tick>& ticks, const PlotPanel& panel,
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

std::string y_axis(const Axis& axis, const std::vector<Tick>& ticks, const PlotPanel& panel) {
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
  PlotPanel panel;  ///< without its top and bottom, which depend on the lines of title and legend
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
  PlotPanel& panel = layout.panel;
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
std::string side_labels(const Figure& figure, const PlotPanel& panel, double right) {
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

std::string clip_path(const PlotPanel& panel, const std::string& id) {
  return "<clipPath id=\"" + id + "c\"><rect" + attribute("x", panel.left) +
         attribute("y", panel.top) + attribute("width", panel.right - panel.left) +
         attribute("height", panel.bottom - panel.top) + "/></clipPath>\n";
}

}  // namespace

std::string to_svg(const Figure& figure, bool with_style) {
  Layout layout = across(figure);
  const double right = layout.width - edge;
  const Block title = paragraph(figure.title, edge, right, edge, title_font, "rp-heading");
  const PlotLegend legend = legend_of(figure, edge, right, title.bottom + 6);
  const bool headings = !figure.left_heading.empty() || !figure.right_heading.empty();
  PlotPanel& panel = layout.panel;
  panel.top = title.bottom + 6 + (legend.height > 0 ? legend.height + 4 : 0) + (headings ? 20 : 6);
  panel.bottom = std::max(figure.height - 48, panel.top + 60);

  const DrawnLayers layers = draw_layers(figure, panel);
  const std::string body =
      title.markup + legend.markup + x_axis(figure.x, layout.x_ticks, panel, figure.x.grid) +
      y_axis(figure.y, layout.y_ticks, panel) + side_labels(figure, panel, right);
  const Block caption =
      paragraph(figure.caption + layers.notice, edge, right,
                panel.bottom + (figure.x.label.empty() ? 24 : 44), small_font, "rp-caption");
  const std::string id = content_id(body + layers.markup);
  return opening(figure, id, layout.width, caption.bottom + edge, with_style) +
         clip_path(panel, id) + body + "<g clip-path=\"url(#" + id + "c)\">\n" + layers.markup +
         "</g>\n" + caption.markup + "</svg>\n";
}

}  // namespace rapport::report
