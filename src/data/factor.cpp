#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace rapport {
namespace {

[[noreturn]] void not_listed(const std::string& value, const std::vector<std::string>& levels) {
  std::string listed;
  for (const std::string& level : levels) listed += (listed.empty() ? "" : ", ") + level;
  throw DataError("the value \"" + value + "\" is not among the levels given (" + listed +
                  "); add it or drop its rows");
}

std::vector<std::string> distinct_sorted(const std::vector<std::string>& values) {
  std::vector<std::string> levels;
  std::unordered_map<std::string, int> seen;
  for (const std::string& value : values)
    if (!value.empty() && seen.emplace(value, 0).second) levels.push_back(value);
  std::sort(levels.begin(), levels.end());
  return levels;
}

}  // namespace

std::string shortest_decimal(double value) {
  if (std::isnan(value)) return "NA";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

Factor make_factor(const std::vector<std::string>& values, const std::vector<std::string>& levels) {
  Factor factor{.codes = {}, .levels = levels.empty() ? distinct_sorted(values) : levels};
  std::unordered_map<std::string, std::int32_t> code;
  for (const std::string& level : factor.levels)
    code.emplace(level, static_cast<std::int32_t>(code.size()));
  factor.codes.reserve(values.size());
  for (const std::string& value : values) {
    const auto found = value.empty() ? code.end() : code.find(value);
    if (found == code.end() && !value.empty()) not_listed(value, levels);
    factor.codes.push_back(found == code.end() ? -1 : found->second);
  }
  return factor;
}

Factor make_factor(const VectorView& values, const std::vector<std::string>& levels) {
  std::vector<double> distinct;
  for (const double value : values)  // equal neighbours once: rows of a panel stand together
    if (!std::isnan(value) && (distinct.empty() || distinct.back() != value))
      distinct.push_back(value + 0.0);  // −0 and 0 are one level
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<std::int32_t> position(distinct.size());
  Factor factor;
  if (levels.empty()) {
    for (std::size_t k = 0; k < distinct.size(); ++k) {
      factor.levels.push_back(shortest_decimal(distinct[k]));
      position[k] = static_cast<std::int32_t>(k);
    }
  } else {
    factor.levels = levels;
    for (std::size_t k = 0; k < distinct.size(); ++k) {
      const std::string text = shortest_decimal(distinct[k]);
      const auto found = std::find(levels.begin(), levels.end(), text);
      if (found == levels.end()) not_listed(text, levels);
      position[k] = static_cast<std::int32_t>(found - levels.begin());
    }
  }
  factor.codes.reserve(static_cast<std::size_t>(values.size()));
  double previous = std::numeric_limits<double>::quiet_NaN();
  for (const double value : values) {
    if (value == previous) {
      factor.codes.push_back(factor.codes.back());
    } else if (std::isnan(value)) {
      factor.codes.push_back(-1);
    } else {
      const auto found = std::lower_bound(distinct.begin(), distinct.end(), value);
      factor.codes.push_back(position[static_cast<std::size_t>(found - distinct.begin())]);
    }
    previous = value;
  }
  return factor;
}

Factor cross(const Factor& a, const Factor& b) {
  require_same_size("cross", "a", a.size(), "b", b.size());
  const std::int64_t width = b.level_count();
  std::vector<std::int64_t> pair(a.codes.size(), -1);
  std::vector<std::int64_t> occurring;
  std::unordered_map<std::int64_t, std::int32_t> code;
  for (std::size_t i = 0; i < pair.size(); ++i) {
    if (a.codes[i] < 0 || b.codes[i] < 0) continue;
    pair[i] = a.codes[i] * width + b.codes[i];
    if (code.emplace(pair[i], 0).second) occurring.push_back(pair[i]);
  }
  std::sort(occurring.begin(), occurring.end());
  Factor factor;
  for (const std::int64_t combination : occurring) {
    code[combination] = static_cast<std::int32_t>(factor.levels.size());
    factor.levels.push_back(a.levels[static_cast<std::size_t>(combination / width)] + ":" +
                            b.levels[static_cast<std::size_t>(combination % width)]);
  }
  for (const std::int64_t combination : pair)
    factor.codes.push_back(combination < 0 ? -1 : code[combination]);
  return factor;
}

Factor select(const Factor& factor, const std::vector<Index>& rows) {
  std::vector<std::int32_t> renumbered(factor.levels.size(), -1);
  for (const Index row : rows) {
    const std::int32_t code = factor.codes[static_cast<std::size_t>(row)];
    if (code >= 0) renumbered[static_cast<std::size_t>(code)] = 0;
  }
  Factor kept;
  for (std::size_t k = 0; k < renumbered.size(); ++k) {
    if (renumbered[k] < 0) continue;
    renumbered[k] = static_cast<std::int32_t>(kept.levels.size());
    kept.levels.push_back(factor.levels[k]);
  }
  kept.codes.reserve(rows.size());
  for (const Index row : rows) {
    const std::int32_t code = factor.codes[static_cast<std::size_t>(row)];
    kept.codes.push_back(code < 0 ? -1 : renumbered[static_cast<std::size_t>(code)]);
  }
  return kept;
}

}  // namespace rapport
