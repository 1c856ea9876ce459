#include "reference_grid.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace rapport::detail {
namespace {

double to_number(const std::string& text, std::string_view column) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    throw InvalidArgument("\"" + std::string(column) + "\" is numeric; \"" + text +
                          "\" is not a number");
  return value;
}

/// The levels that an input takes on at `place`.
std::vector<std::string> levels_at(const ModelInput& input, const Place& place) {
  for (const auto& [name, level] : place)
    if (name == input.name) return {level};
  if (!input.levels.empty()) return input.levels;
  return {};
}

void add_column(Table& grid, const ModelInput& input, const std::vector<std::string>& levels,
                Index repeat, Index rows) {
  const auto position = [&](Index row) { return row / repeat % static_cast<Index>(levels.size()); };
  if (!input.numeric) {
    Factor factor{.codes = {}, .levels = levels};
    for (Index i = 0; i < rows; ++i) factor.codes.push_back(static_cast<std::int32_t>(position(i)));
    grid.add(input.name, std::move(factor));
    return;
  }
  Eigen::VectorXd values = Eigen::VectorXd::Constant(rows, input.mean);
  for (Index i = 0; i < rows && !levels.empty(); ++i)
    values[i] = to_number(levels[static_cast<std::size_t>(position(i))], input.name);
  grid.add(input.name, std::move(values));
}

}  // namespace

const ModelInput& ReferenceGrid::input(std::string_view name) const {
  std::vector<std::string> names;
  for (const ModelInput& candidate : design_.frame.inputs) {
    if (candidate.name == name || "factor(" + candidate.name + ")" == name) return candidate;
    names.push_back(candidate.name);
  }
  const std::string near = nearest_name(name, names);
  throw InvalidArgument("\"" + std::string(name) + "\" is not a variable of the fixed effects" +
                        (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

const ModelInput& ReferenceGrid::factor(std::string_view name) const {
  const ModelInput& found = input(name);
  if (found.levels.empty())
    throw InvalidArgument(
        "\"" + found.name +
        "\" is numeric; marginal means need a categorical column (use --factor, or simple slopes)");
  return found;
}

Table ReferenceGrid::table(const Place& place) const {
  Index rows = 1;
  for (const ModelInput& input : design_.frame.inputs)
    rows *= std::max<Index>(1, static_cast<Index>(levels_at(input, place).size()));
  Table grid;
  Index repeat = 1;
  for (const ModelInput& input : design_.frame.inputs) {
    const std::vector<std::string> levels = levels_at(input, place);
    add_column(grid, input, levels, repeat, rows);
    repeat *= std::max<Index>(1, static_cast<Index>(levels.size()));
  }
  if (design_.frame.inputs.empty()) grid.add("(rows)", Eigen::VectorXd::Ones(1));
  return grid;
}

Eigen::VectorXd ReferenceGrid::weights(const Place& place) const {
  return plan_columns(design_.frame, design_.frame.fixed, table(place))
      .colwise()
      .mean()
      .transpose();
}

std::vector<Place> separating_places(const ReferenceGrid& grid, const ModelInput& compared,
                                     std::string_view by) {
  if (by.empty()) return {{}};
  const ModelInput& separating = grid.input(by);
  if (&separating == &compared)
    throw InvalidArgument("\"" + compared.name + "\" cannot separate its own means");
  if (separating.levels.empty()) return {{{separating.name, shortest_decimal(separating.mean)}}};
  return moderator_places(separating, {});
}

/// P of the studentized range for the difference of two among `count` means.
double tukey_p_value(const ContrastEstimate& difference, std::size_t count) {
  if (std::isnan(difference.statistic)) return missing;
  return studentized_range_upper_tail(std::sqrt(2.0) * std::abs(difference.statistic),
                                      static_cast<double>(count), difference.df);
}

/// The places of a moderator: the values asked for, its levels, or its mean and one SD to each
/// side.
std::vector<Place> moderator_places(const ModelInput& moderator,
                                    const std::vector<std::string>& values) {
  std::vector<std::string> texts = values;
  if (texts.empty()) texts = moderator.levels;
  if (texts.empty())
    for (const double step : {-1.0, 0.0, 1.0})
      texts.push_back(shortest_decimal(moderator.mean + step * moderator.sd));
  std::vector<Place> places;
  for (const std::string& text : texts) {
    if (moderator.levels.empty()) {
      (void)to_number(text, moderator.name);
    } else if (std::find(moderator.levels.begin(), moderator.levels.end(), text) ==
               moderator.levels.end()) {
      throw InvalidArgument("\"" + moderator.name + "\" has no level \"" + text + "\"");
    }
    places.push_back({{moderator.name, text}});
  }
  return places;
}

Place with(Place place, const std::string& name, double value) {
  place.emplace_back(name, shortest_decimal(value));
  return place;
}

}  // namespace rapport::detail
