#include "group_index.hpp"

#include <rapport/data/expression.hpp>

#include "variable.hpp"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>

namespace rapport::detail {
namespace {

std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

template <class Key>
std::size_t hashed(const Key& key) {
  std::size_t hash = std::hash<Key>()(key) * std::size_t{0x9E3779B97F4A7C15u};
  return hash ^ (hash >> 32U);
}

std::uint64_t joined(std::int32_t first, std::int32_t second) {
  return (static_cast<std::uint64_t>(first) << 32U) | static_cast<std::uint32_t>(second);
}

bool to_number(const std::string& text, double& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

GroupIndex::Order in_order(std::size_t n, const std::function<bool(std::size_t, std::size_t)>& less,
                           const std::function<std::string(std::size_t)>& name) {
  GroupIndex::Order order{std::vector<std::int32_t>(n), {}};
  {
    std::vector<std::int32_t> sorted(n);
    std::iota(sorted.begin(), sorted.end(), 0);
    std::sort(sorted.begin(), sorted.end(),
              [&](std::int32_t a, std::int32_t b) { return less(at(a), at(b)); });
    for (std::size_t i = 0; i < n; ++i) order.place[at(sorted[i])] = static_cast<std::int32_t>(i);
  }
  order.names.resize(n);
  for (std::size_t i = 0; i < n; ++i) order.names[at(order.place[i])] = name(i);
  return order;
}

}  // namespace

template <class Key>
std::int32_t KeyIndex<Key>::find_or_add(const Key& key) {
  if (2 * (keys_.size() + 1) > table_.size()) grow();
  const std::size_t mask = table_.size() - 1;
  std::size_t place = hashed(key) & mask;
  while (table_[place] >= 0) {
    if (keys_[at(table_[place])] == key) return table_[place];
    place = (place + 1) & mask;
  }
  table_[place] = static_cast<std::int32_t>(keys_.size());
  keys_.push_back(key);
  return table_[place];
}

template <class Key>
void KeyIndex<Key>::grow() {
  table_.assign(std::max<std::size_t>(64, 2 * table_.size()), -1);
  const std::size_t mask = table_.size() - 1;
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    std::size_t place = hashed(keys_[k]) & mask;
    while (table_[place] >= 0) place = (place + 1) & mask;
    table_[place] = static_cast<std::int32_t>(k);
  }
}

GroupIndex::GroupIndex(FormulaTerm group) : group_(std::move(group)) {
  for (const std::string& name : group_) singles_.push_back({name, {}, {}, true});
  pairs_.resize(group_.size() - 1);
}

std::vector<std::int32_t> GroupIndex::Single::codes(const Table& rows) {
  const auto evaluated = evaluate(parse_variable(name).argument, rows);
  std::vector<std::int32_t> result(static_cast<std::size_t>(rows.rows()), -1);
  if (const auto* values = std::get_if<Eigen::VectorXd>(&evaluated)) {
    for (std::size_t i = 0; i < result.size(); ++i) {
      const double value = (*values)[static_cast<Index>(i)];
      if (std::isnan(value)) continue;
      const bool again = i > 0 && value == (*values)[static_cast<Index>(i) - 1];
      result[i] = again ? result[i - 1] : numbers.find_or_add(value == 0 ? 0.0 : value);
    }
    return result;
  }
  numeric = false;
  const Factor& factor = std::get<Factor>(evaluated);
  std::vector<std::int32_t> known(factor.levels.size(), -1);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::int32_t code = factor.codes[i];
    if (code < 0) continue;
    if (known[at(code)] < 0) known[at(code)] = texts.find_or_add(factor.levels[at(code)]);
    result[i] = known[at(code)];
  }
  return result;
}

std::vector<std::int32_t> GroupIndex::numbers(const Table& rows) {
  std::vector<std::int32_t> result = singles_.front().codes(rows);
  for (std::size_t k = 1; k < singles_.size(); ++k) {
    const std::vector<std::int32_t> next = singles_[k].codes(rows);
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] =
          result[i] < 0 || next[i] < 0 ? -1 : pairs_[k - 1].find_or_add(joined(result[i], next[i]));
  }
  return result;
}

std::vector<std::int32_t> GroupIndex::absorb(const GroupIndex& other) {
  std::vector<std::vector<std::int32_t>> maps;
  for (std::size_t k = 0; k < singles_.size(); ++k) {
    std::vector<std::int32_t>& map = maps.emplace_back();
    singles_[k].numeric = singles_[k].numeric && other.singles_[k].numeric;
    for (const double key : other.singles_[k].numbers.keys())
      map.push_back(singles_[k].numbers.find_or_add(key));
    for (const std::string& key : other.singles_[k].texts.keys())
      map.push_back(singles_[k].texts.find_or_add(key));
  }
  std::vector<std::int32_t> result = maps.front();
  for (std::size_t k = 1; k < singles_.size(); ++k) {
    std::vector<std::int32_t> combined;
    for (const std::uint64_t key : other.pairs_[k - 1].keys())
      combined.push_back(
          pairs_[k - 1].find_or_add(joined(result[key >> 32U], maps[k][key & 0xFFFFFFFFU])));
    result = std::move(combined);
  }
  return result;
}

Index GroupIndex::size() const {
  if (!pairs_.empty()) return static_cast<Index>(pairs_.back().keys().size());
  const Single& single = singles_.front();
  return static_cast<Index>(single.numeric ? single.numbers.keys().size()
                                           : single.texts.keys().size());
}

GroupIndex::Order GroupIndex::Single::take_order() {
  numbers.close();
  texts.close();
  if (numeric) {
    const std::vector<double>& keys = numbers.keys();
    return in_order(
        keys.size(), [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; },
        [&](std::size_t i) { return shortest_decimal(keys[i]); });
  }
  const std::vector<std::string>& keys = texts.keys();
  std::vector<double> values(keys.size());
  bool all = true;
  for (std::size_t i = 0; i < keys.size() && all; ++i) all = to_number(keys[i], values[i]);
  return in_order(
      keys.size(),
      [&](std::size_t a, std::size_t b) { return all ? values[a] < values[b] : keys[a] < keys[b]; },
      [&](std::size_t i) { return keys[i]; });
}

GroupIndex::Order GroupIndex::take_order() {
  Order order = singles_.front().take_order();
  for (std::size_t k = 1; k < singles_.size(); ++k) {
    const Order next = singles_[k].take_order();
    pairs_[k - 1].close();
    const std::vector<std::uint64_t>& keys = pairs_[k - 1].keys();
    const auto places = [&](std::size_t i) {
      return joined(order.place[keys[i] >> 32U], next.place[keys[i] & 0xFFFFFFFFU]);
    };
    order = in_order(
        keys.size(), [&](std::size_t a, std::size_t b) { return places(a) < places(b); },
        [&](std::size_t i) {
          return order.names[at(order.place[keys[i] >> 32U])] + ":" +
                 next.names[at(next.place[keys[i] & 0xFFFFFFFFU])];
        });
  }
  return order;
}

template class KeyIndex<double>;
template class KeyIndex<std::string>;
template class KeyIndex<std::uint64_t>;

}  // namespace rapport::detail
