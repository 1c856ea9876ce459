#pragma once

#include <rapport/base/error.hpp>
#include <rapport/data/json.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// How far a key may be trusted.
enum class Confidence {
  official,      ///< from the authors' own manual or scoring sheet
  verified,      ///< at least two independent sources agree
  rederived,     ///< recovered exactly by regressing published scores on item responses
  single_source  ///< one source only; refused unless asked for
};

/// How a score is made from its items (reversed where the key says so).
enum class ScoreRule {
  sum,
  mean,
  count_positive,  ///< how many items are above the lower end of the range (Positive Symptom Total)
  mean_positive    ///< sum over items / count_positive (Positive Symptom Distress Index)
};

/// What becomes of a score when items are missing.
enum class MissingItems {
  strict,     ///< the score is missing
  prorate,    ///< each missing item gets the person's mean of those answered in the score
  available,  ///< the sum or the mean of those answered
  fail        ///< the file is refused
};

/// What a higher score means for the person.
enum class Direction { better, worse };

/// A list of at most `Capacity` values that a constexpr table can hold.
template <class T, std::size_t Capacity>
class FixedList {
 public:
  constexpr FixedList() = default;
  constexpr FixedList(std::initializer_list<T> values) {
    for (const T& value : values) push_back(value);
  }

  constexpr void push_back(const T& value) {
    if (size_ == Capacity) throw std::length_error("FixedList: more values than it holds");
    values_[size_++] = value;
  }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
  [[nodiscard]] constexpr const T& operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] constexpr const T* begin() const { return values_.data(); }
  [[nodiscard]] constexpr const T* end() const { return values_.data() + size_; }

 private:
  std::array<T, Capacity> values_{};
  std::size_t size_ = 0;
};

/// What the two forms of a key are made of: text and lists that a constexpr table can hold …
struct ConstantKey {
  using Text = std::string_view;
  template <class T, std::size_t Capacity>
  using List = FixedList<T, Capacity>;
};
/// … and those of a key that is read or made while the program runs.
struct OwnedKey {
  using Text = std::string;
  template <class T, std::size_t Capacity>
  using List = std::vector<T>;
};

/// Scores from `lower` up to the next band's `lower`; a fractional (prorated) score belongs to the
/// band below it.
template <class Kind>
struct BasicBand {
  typename Kind::Text label;
  double lower = 0;
  double upper = 0;
};

/// The lowest and the highest score that answers within the range can give.
struct Attainable {
  double lower = std::numeric_limits<double>::quiet_NaN();
  double upper = std::numeric_limits<double>::quiet_NaN();
};

/// One score: a subscale or the total. Score = multiplier × (sum or mean of the items).
template <class Kind>
struct BasicScore {
  typename Kind::Text name;
  typename Kind::template List<int, 96> items;  ///< numbers from 1
  ScoreRule rule = ScoreRule::sum;
  double multiplier = 1;
  int max_missing = 0;  ///< a score with more missing items is missing
  Attainable
      attainable;  ///< as the manual prints it; checked against items and range. NaN: not stated
  typename Kind::template List<BasicBand<Kind>, 8> bands;  ///< ascending
};

/// Items that take fewer values than the rest (AUDIT 9 and 10: 0, 2, 4).
template <class Kind>
struct BasicAllowed {
  typename Kind::template List<int, 8> items;
  typename Kind::template List<double, 8> values;
};

/// "at least `minimum` of `items` are answered within lower..upper".
template <class Kind>
struct BasicCount {
  typename Kind::template List<int, 32> items;
  int minimum = 1;
  double lower = 0;
  double upper = 0;
};

/// A label that holds when all its counts hold; the first that does is the person's.
template <class Kind>
struct BasicCriterion {
  typename Kind::Text label;
  typename Kind::template List<BasicCount<Kind>, 4> counts;  ///< none: holds where no other does
};

/// Constants of reliable change, as far as a source gives them; NaN: not given.
template <class Kind>
struct BasicReliableChange {
  double sd = std::numeric_limits<double>::quiet_NaN();
  double reliability = std::numeric_limits<double>::quiet_NaN();
  double threshold =
      std::numeric_limits<double>::quiet_NaN();  ///< change of at least this is reliable
  double cutoff = std::numeric_limits<double>::quiet_NaN();  ///< between clinical and normal
  typename Kind::Text source;
};

/// A scoring key: numbers and their source, never the wording of items. Items are numbered from 1.
template <class Kind>
struct BasicInstrument {
  typename Kind::Text name;  ///< lower case, digits and hyphens: "wai-s"
  typename Kind::Text title;
  typename Kind::Text construct;
  typename Kind::template List<typename Kind::Text, 4> perspectives;  ///< "client", "therapist", …
  int items = 0;
  double lower = 0;  ///< of every response, −∞ where the key has no range
  double upper = 0;
  typename Kind::template List<int, 48> reversed;  ///< scored lower + upper − x
  typename Kind::template List<BasicAllowed<Kind>, 2> allowed;
  typename Kind::template List<BasicScore<Kind>, 12> subscales;
  BasicScore<Kind> total;           ///< without items: the instrument has no total
  bool total_of_subscales = false;  ///< the total is the sum of the subscales' scores
  MissingItems missing = MissingItems::strict;
  bool round_substitutes =
      false;  ///< prorate: a missing item's substitute is rounded to a whole number
  typename Kind::template List<BasicCriterion<Kind>, 4> criteria;
  Direction higher_is = Direction::better;
  BasicReliableChange<Kind> reliable_change;
  typename Kind::Text licence;
  typename Kind::Text citation;
  Confidence confidence = Confidence::single_source;
  typename Kind::Text source;  ///< where the key was seen
  typename Kind::Text note;    ///< what a user must know before scoring; empty: nothing
  int version = 1;
};

using InstrumentKey = BasicInstrument<ConstantKey>;
using ScoreKey = BasicScore<ConstantKey>;
using Instrument = BasicInstrument<OwnedKey>;
using Score = BasicScore<OwnedKey>;
using Band = BasicBand<OwnedKey>;

/// Where a key is at fault: "subscales[1].items[3]" and what is wrong with it.
struct KeyFault {
  std::string_view field;         ///< "subscales", "total", "reversed", …
  std::string_view member = {};   ///< of a subscale or of the total: "items", "bands", …
  int element = -1;               ///< of the field, from 0; −1: the field itself
  int position = -1;              ///< in the member (or in the field, where there is no member)
  std::string_view problem = {};  ///< what is required

  [[nodiscard]] constexpr bool found() const { return !field.empty(); }
};

/// "subscales[1].items[3]".
[[nodiscard]] std::string path_of(const KeyFault& fault);

/// The numbers 1 … last, for a total over all items.
constexpr FixedList<int, 96> items_to(int last) {
  FixedList<int, 96> numbers;
  for (int i = 1; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

namespace detail {

template <class List>
constexpr int repeated_or_outside(const List& items, int count) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i] < 1 || items[i] > count) return static_cast<int>(i);
    for (std::size_t j = 0; j < i; ++j)
      if (items[j] == items[i]) return static_cast<int>(i);
  }
  return -1;
}

/// The scores that answers within the range can give. Reversal maps the range onto itself.
template <class Key, class Score>
constexpr Attainable attainable_scores(const Key& key, const Score& score) {
  const auto n = static_cast<double>(score.items.size());
  switch (score.rule) {
    case ScoreRule::sum:
      return {score.multiplier * n * key.lower, score.multiplier * n * key.upper};
    case ScoreRule::mean:
      return {score.multiplier * key.lower, score.multiplier * key.upper};
    case ScoreRule::count_positive:
      return {0, n};
    case ScoreRule::mean_positive:
      return {key.lower, key.upper};
  }
  return {};
}

constexpr bool close(double a, double b) { return a - b < 1e-9 && b - a < 1e-9; }

template <class Key, class Score>
constexpr KeyFault band_fault(const Key& key, const Score& score) {
  const Attainable range = attainable_scores(key, score);
  for (std::size_t i = 0; i < score.bands.size(); ++i) {
    const auto& band = score.bands[i];
    const int at = static_cast<int>(i);
    if (band.label.empty())
      return {.field = "?", .member = "bands", .position = at, .problem = "needs a label"};
    if (!(band.lower <= band.upper))
      return {.field = "?",
              .member = "bands",
              .position = at,
              .problem = "must rise from lower to upper"};
    if (band.lower < range.lower - 1e-9 || band.upper > range.upper + 1e-9)
      return {.field = "?",
              .member = "bands",
              .position = at,
              .problem = "lies outside the attainable scores"};
    if (i > 0 && !(band.lower >= score.bands[i - 1].upper))
      return {.field = "?",
              .member = "bands",
              .position = at,
              .problem = "must begin where the band before it ends, or later"};
  }
  return {};
}

template <class Key, class Score>
constexpr KeyFault score_fault(const Key& key, const Score& score) {
  const int bad = repeated_or_outside(score.items, key.items);
  if (bad >= 0)
    return {.field = "?",
            .member = "items",
            .position = bad,
            .problem = "must be an item number of the instrument, each once"};
  if (score.name.empty()) return {.field = "?", .member = "name", .problem = "needs a name"};
  if (!(score.multiplier > 0))
    return {.field = "?", .member = "multiplier", .problem = "must be above 0"};
  if (score.max_missing < 0 || score.max_missing >= static_cast<int>(score.items.size()))
    return {.field = "?",
            .member = "max_missing",
            .problem = "must be at least 0 and fewer than the score's items"};
  const Attainable range = attainable_scores(key, score);
  if (score.attainable.lower == score.attainable.lower &&
      !(close(score.attainable.lower, range.lower) && close(score.attainable.upper, range.upper)))
    return {.field = "?",
            .member = "attainable",
            .problem = "does not follow from the items and their range"};
  return band_fault(key, score);
}

constexpr KeyFault placed(KeyFault fault, std::string_view field, int element) {
  if (fault.found()) {
    fault.field = field;
    fault.element = element;
  }
  return fault;
}

constexpr bool is_name(std::string_view name) {
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return !name.empty();
}

template <class Key>
constexpr KeyFault heading_fault(const Key& key) {
  if (!is_name(key.name))
    return {.field = "name", .problem = "must be lower-case letters, digits and hyphens"};
  if (key.items < 1) return {.field = "items", .problem = "must be at least 1"};
  if (!(key.lower < key.upper))
    return {.field = "range", .problem = "must rise from the lower to the higher end"};
  if (key.version < 1) return {.field = "version", .problem = "must be at least 1"};
  if (key.citation.empty())
    return {.field = "citation", .problem = "needs the paper or manual that the key comes from"};
  const int bad = repeated_or_outside(key.reversed, key.items);
  if (bad >= 0)
    return {.field = "reversed",
            .position = bad,
            .problem = "must be an item number of the instrument, each once"};
  for (std::size_t i = 0; i < key.allowed.size(); ++i) {
    const int item = repeated_or_outside(key.allowed[i].items, key.items);
    if (item >= 0)
      return {.field = "allowed",
              .member = "items",
              .element = static_cast<int>(i),
              .position = item,
              .problem = "must be an item number of the instrument, each once"};
    for (std::size_t j = 0; j < key.allowed[i].values.size(); ++j)
      if (!(key.allowed[i].values[j] >= key.lower && key.allowed[i].values[j] <= key.upper))
        return {.field = "allowed",
                .member = "values",
                .element = static_cast<int>(i),
                .position = static_cast<int>(j),
                .problem = "lies outside the range"};
  }
  return {};
}

template <class Key>
constexpr KeyFault ending_fault(const Key& key) {
  for (std::size_t i = 0; i < key.criteria.size(); ++i)
    for (std::size_t j = 0; j < key.criteria[i].counts.size(); ++j) {
      const auto& count = key.criteria[i].counts[j];
      if (repeated_or_outside(count.items, key.items) >= 0 || count.minimum < 1 ||
          count.minimum > static_cast<int>(count.items.size()) || !(count.lower <= count.upper))
        return {.field = "criteria",
                .member = "counts",
                .element = static_cast<int>(i),
                .position = static_cast<int>(j),
                .problem =
                    "needs items of the instrument, a minimum they can reach, and lower ≤ upper"};
    }
  const auto& change = key.reliable_change;
  if (change.sd <= 0)
    return {.field = "reliable_change", .member = "sd", .problem = "must be above 0"};
  if (change.reliability <= 0 || change.reliability > 1)
    return {.field = "reliable_change", .member = "reliability", .problem = "must lie in (0, 1]"};
  if (change.threshold <= 0)
    return {.field = "reliable_change", .member = "threshold", .problem = "must be above 0"};
  return {};
}

}  // namespace detail

/// The first fault of a key, or one that is not found(): numbers in range, no item twice in a
/// score, attainable scores as stated, bands ascending and attainable, a source. One rule for the
/// built-in tables, where it is evaluated by the compiler, and for users' keys.
template <class Kind>
constexpr KeyFault find_fault(const BasicInstrument<Kind>& key) {
  KeyFault fault = detail::heading_fault(key);
  if (fault.found()) return fault;
  for (std::size_t i = 0; i < key.subscales.size(); ++i) {
    const int at = static_cast<int>(i);
    if (key.subscales[i].items.empty())
      return {.field = "subscales",
              .member = "items",
              .element = at,
              .problem = "needs at least one item"};
    for (std::size_t j = 0; j < i; ++j)
      if (key.subscales[j].name == key.subscales[i].name)
        return {.field = "subscales", .member = "name", .element = at, .problem = "stands twice"};
    fault = detail::placed(detail::score_fault(key, key.subscales[i]), "subscales", at);
    if (fault.found()) return fault;
  }
  if (!key.total.items.empty())
    fault = detail::placed(detail::score_fault(key, key.total), "total", -1);
  if (key.total.items.empty() && key.subscales.empty())
    return {.field = "total", .problem = "there is neither a total nor a subscale"};
  return fault.found() ? fault : detail::ending_fault(key);
}

/// The key itself if it has no fault; otherwise it does not compile (in a constant expression).
constexpr InstrumentKey checked(const InstrumentKey& key) {
  const KeyFault fault = find_fault(key);
  if (fault.found()) throw InvalidArgument("checked: the key is at fault: " + path_of(fault));
  return key;
}

/// "official", "verified", "rederived", "single_source".
[[nodiscard]] std::string_view to_text(Confidence confidence);
/// "sum", "mean", "count_positive", "mean_positive".
[[nodiscard]] std::string_view to_text(ScoreRule rule);
/// "strict", "prorate", "available", "fail".
[[nodiscard]] std::string_view to_text(MissingItems rule);
[[nodiscard]] std::optional<MissingItems> parse_missing_items(std::string_view text);
/// "better", "worse".
[[nodiscard]] std::string_view to_text(Direction direction);
[[nodiscard]] std::optional<Direction> parse_direction(std::string_view text);

/// A key as a value of its own.
[[nodiscard]] Instrument make_instrument(const InstrumentKey& key);

/// A key made at hand.
struct ScaleOptions {
  std::vector<int> reversed = {};                           ///< item numbers from 1
  double lower = -std::numeric_limits<double>::infinity();  ///< of every response
  double upper = std::numeric_limits<double>::infinity();
  ScoreRule rule = ScoreRule::sum;
  MissingItems missing = MissingItems::strict;
};

/// A scale of `items` items with one total; a rule that uses incomplete answers needs one of them.
/// Throws InvalidArgument if an item is reversed and the range is not finite, and for item numbers
/// that do not exist.
[[nodiscard]] Instrument make_scale(int items, const ScaleOptions& options = {});

/// The lowest and highest attainable value of a score of the instrument.
[[nodiscard]] Attainable attainable_scores(const Instrument& instrument, const Score& score);

/// A key as JSON in the schema of `rapport instruments`; parse_instrument reads it back unchanged.
[[nodiscard]] Json instrument_json(const Instrument& instrument);

/// A user's key from JSON. `name` stands for the file in errors. Throws DataError that names the
/// field: "key.json: subscales[1].items[3] is 13; must be an item number of the instrument, each
/// once". Members that the schema does not know are refused with the nearest that it does.
[[nodiscard]] Instrument parse_instrument(const Json& json, const std::string& name = "key");

/// 64-bit FNV-1a of the key's JSON in hexadecimal: the same key, the same sixteen digits, on every
/// machine.
[[nodiscard]] std::string fingerprint(const Instrument& instrument);

}  // namespace rapport
