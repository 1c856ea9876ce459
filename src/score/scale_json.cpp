#include <rapport/base/error.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/score/scale.hpp>

#include "scale_names.hpp"
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rapport {
namespace {

// --- To JSON -----------------------------------------------------------------------------------

Json number_list(const std::vector<int>& numbers) {
  Json list = Json::array();
  for (const int number : numbers) list.push_back(number);
  return list;
}

Json number_list(const std::vector<double>& numbers) {
  Json list = Json::array();
  for (const double number : numbers) list.push_back(number);
  return list;
}

Json range_json(double lower, double upper) {
  return std::isfinite(lower) ? number_list(std::vector<double>{lower, upper}) : Json();
}

Json bands_json(const std::vector<Band>& bands) {
  Json list = Json::array();
  for (const Band& band : bands)
    list.push_back(
        Json::object({{"label", band.label}, {"lower", band.lower}, {"upper", band.upper}}));
  return list;
}

Json score_json(const Instrument& instrument, const Score& score) {
  const Attainable range = attainable_scores(instrument, score);
  return Json::object({{"name", score.name},
                       {"items", number_list(score.items)},
                       {"score", to_text(score.rule)},
                       {"multiplier", score.multiplier},
                       {"max_missing", score.max_missing},
                       {"attainable", range_json(range.lower, range.upper)},
                       {"bands", bands_json(score.bands)}});
}

Json criteria_json(const Instrument& instrument) {
  Json list = Json::array();
  for (const auto& criterion : instrument.criteria) {
    Json counts = Json::array();
    for (const auto& count : criterion.counts)
      counts.push_back(Json::object({{"items", number_list(count.items)},
                                     {"minimum", count.minimum},
                                     {"lower", count.lower},
                                     {"upper", count.upper}}));
    list.push_back(Json::object({{"label", criterion.label}, {"counts", counts}}));
  }
  return list;
}

Json allowed_json(const Instrument& instrument) {
  Json list = Json::array();
  for (const auto& allowed : instrument.allowed)
    list.push_back(Json::object(
        {{"items", number_list(allowed.items)}, {"values", number_list(allowed.values)}}));
  return list;
}

// --- From JSON ---------------------------------------------------------------------------------

/// A member of the key with the path that leads to it, so that every refusal can say where.
class Field {
 public:
  Field(const Json& value, std::string path, const std::string& file)
      : value_(&value), path_(std::move(path)), file_(&file) {}

  [[noreturn]] void refuse(const std::string& found, const std::string& required) const {
    throw DataError(
        (path_.empty() ? std::string("the key") : path_) + " " + found + "; " + required, *file_);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Throws unless this is an object whose members are all among `known`.
  void require_members(const std::vector<std::string>& known) const {
    if (!value_->is_object()) refuse("is not an object", "must be an object in braces");
    for (const auto& [name, member] : value_->members()) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const std::string near = nearest_name(name, known);
      Field(member, at(name), *file_)
          .refuse("is not a member of a key",
                  near.empty() ? "leave it out" : "did you mean \"" + near + "\"?");
    }
  }
  [[nodiscard]] std::optional<Field> find(const std::string& name) const {
    const Json* member = value_->find(name);
    if (member == nullptr || member->is_null()) return std::nullopt;
    return Field(*member, at(name), *file_);
  }
  [[nodiscard]] Field need(const std::string& name) const {
    const auto member = find(name);
    if (!member) Field(*value_, at(name), *file_).refuse("is missing", "a key needs it");
    return *member;
  }
  [[nodiscard]] std::vector<Field> elements() const {
    if (!value_->is_array()) refuse("is not a list", "must be a list in brackets");
    std::vector<Field> out;
    for (std::size_t i = 0; i < value_->items().size(); ++i)
      out.emplace_back(value_->items()[i], path_ + "[" + std::to_string(i) + "]", *file_);
    return out;
  }
  [[nodiscard]] std::string text() const {
    if (!value_->is_string()) refuse("is not text", "must be text in quotes");
    return value_->string();
  }
  [[nodiscard]] double number() const {
    if (!value_->is_number() || !std::isfinite(value_->number()))
      refuse("is not a number", "must be a number");
    return value_->number();
  }
  [[nodiscard]] int whole() const {
    const double value = number();
    if (value != std::round(value) || std::abs(value) > 1e6)
      refuse("is " + shortest_decimal(value), "must be a whole number");
    return static_cast<int>(value);
  }
  [[nodiscard]] bool boolean() const {
    if (!value_->is_bool()) refuse("is not true or false", "must be true or false");
    return value_->boolean();
  }
  [[nodiscard]] bool is_text() const { return value_->is_string(); }
  [[nodiscard]] std::vector<int> whole_numbers() const {
    std::vector<int> out;
    for (const Field& element : elements()) out.push_back(element.whole());
    return out;
  }
  [[nodiscard]] std::vector<double> numbers() const {
    std::vector<double> out;
    for (const Field& element : elements()) out.push_back(element.number());
    return out;
  }
  template <class Enum, std::size_t N>
  [[nodiscard]] Enum choice(const std::array<Named<Enum>, N>& names) const {
    const std::string word = text();
    if (const auto value = value_of(names, word)) return *value;
    std::string listed;
    for (const Named<Enum>& name : names)
      listed += (listed.empty() ? "" : ", ") + std::string(name.text);
    refuse("is \"" + word + "\"", "must be one of " + listed);
  }

 private:
  [[nodiscard]] std::string at(const std::string& name) const {
    return path_.empty() ? name : path_ + "." + name;
  }

  const Json* value_;
  std::string path_;
  const std::string* file_;
};

Attainable read_range(const Field& field) {
  const std::vector<double> ends = field.numbers();
  if (ends.size() != 2)
    field.refuse("has " + std::to_string(ends.size()) + " numbers", "must be [lowest, highest]");
  return {ends[0], ends[1]};
}

std::vector<Band> read_bands(const Field& field) {
  std::vector<Band> bands;
  for (const Field& element : field.elements()) {
    element.require_members({"label", "lower", "upper"});
    bands.push_back({.label = element.need("label").text(),
                     .lower = element.need("lower").number(),
                     .upper = element.need("upper").number()});
  }
  return bands;
}

/// The members that a subscale and the whole key (for its total) share.
void read_score_members(const Field& field, Score& score) {
  if (const auto rule = field.find("score")) score.rule = rule->choice(score_rules);
  if (const auto multiplier = field.find("multiplier")) score.multiplier = multiplier->number();
  if (const auto range = field.find("attainable")) score.attainable = read_range(*range);
  if (const auto bands = field.find("bands")) score.bands = read_bands(*bands);
}

Score read_subscale(const Field& field, const Score& total) {
  field.require_members(
      {"name", "items", "score", "multiplier", "max_missing", "attainable", "bands"});
  Score score{.name = field.need("name").text(),
              .items = field.need("items").whole_numbers(),
              .rule = total.rule,
              .multiplier = total.multiplier,
              .max_missing = 0,
              .attainable = {},
              .bands = {}};
  if (const auto most = field.find("max_missing")) score.max_missing = most->whole();
  read_score_members(field, score);
  return score;
}

void read_missing_rule(const Field& field, Instrument& instrument) {
  if (field.is_text()) {
    instrument.missing = field.choice(missing_rules);
    return;
  }
  field.require_members({"action", "max_missing", "rounded"});
  instrument.missing = field.need("action").choice(missing_rules);
  if (const auto most = field.find("max_missing")) instrument.total.max_missing = most->whole();
  if (const auto rounded = field.find("rounded")) instrument.round_substitutes = rounded->boolean();
}

std::vector<BasicCriterion<OwnedKey>> read_criteria(const Field& field) {
  std::vector<BasicCriterion<OwnedKey>> criteria;
  for (const Field& element : field.elements()) {
    element.require_members({"label", "counts"});
    BasicCriterion<OwnedKey> criterion{.label = element.need("label").text(), .counts = {}};
    for (const Field& count : element.need("counts").elements()) {
      count.require_members({"items", "minimum", "lower", "upper"});
      criterion.counts.push_back({.items = count.need("items").whole_numbers(),
                                  .minimum = count.need("minimum").whole(),
                                  .lower = count.need("lower").number(),
                                  .upper = count.need("upper").number()});
    }
    criteria.push_back(std::move(criterion));
  }
  return criteria;
}

BasicReliableChange<OwnedKey> read_reliable_change(const Field& field) {
  field.require_members({"sd", "reliability", "threshold", "cutoff", "source"});
  BasicReliableChange<OwnedKey> change;
  if (const auto sd = field.find("sd")) change.sd = sd->number();
  if (const auto reliability = field.find("reliability"))
    change.reliability = reliability->number();
  if (const auto threshold = field.find("threshold")) change.threshold = threshold->number();
  if (const auto cutoff = field.find("cutoff")) change.cutoff = cutoff->number();
  if (const auto source = field.find("source")) change.source = source->text();
  return change;
}

/// Title, licence and the other texts, each of which may be absent.
void read_texts(const Field& key, Instrument& instrument) {
  const auto text = [&](const char* name, std::string& target) {
    if (const auto field = key.find(name)) target = field->text();
  };
  instrument.name = key.need("name").text();
  instrument.citation = key.need("citation").text();
  text("title", instrument.title);
  text("construct", instrument.construct);
  text("licence", instrument.licence);
  text("source", instrument.source);
  text("note", instrument.note);
  if (const auto raters = key.find("perspectives"))
    for (const Field& rater : raters->elements()) instrument.perspectives.push_back(rater.text());
  instrument.confidence =
      Confidence::official;  // the user's own; `confidence` in the file may lower it
  if (const auto confidence = key.find("confidence"))
    instrument.confidence = confidence->choice(confidences);
  if (const auto version = key.find("version")) instrument.version = version->whole();
}

void read_scores(const Field& key, Instrument& instrument) {
  instrument.total.name = "total";
  read_score_members(key, instrument.total);
  if (const auto items = key.find("total_items")) {
    instrument.total.items = items->whole_numbers();
  } else {
    for (int i = 1; i <= instrument.items; ++i) instrument.total.items.push_back(i);
  }
  if (const auto subscales = key.find("subscales"))
    for (const Field& subscale : subscales->elements())
      instrument.subscales.push_back(read_subscale(subscale, instrument.total));
  if (const auto sum = key.find("total_of_subscales"))
    instrument.total_of_subscales = sum->boolean();
  if (const auto rule = key.find("missing_rule")) read_missing_rule(*rule, instrument);
}

/// What stands at the fault, as far as it is a number of the key.
std::string found_at(const Instrument& instrument, const KeyFault& fault) {
  const std::vector<int>* items = nullptr;
  if (fault.field == "reversed") items = &instrument.reversed;
  if (fault.member == "items" && fault.field == "total") items = &instrument.total.items;
  if (fault.member == "items" && fault.field == "subscales")
    items = &instrument.subscales[static_cast<std::size_t>(fault.element)].items;
  if (items == nullptr || fault.position < 0) return "is at fault";
  return "is " + std::to_string((*items)[static_cast<std::size_t>(fault.position)]);
}

/// The path as it stands in the file, where the total has no object of its own.
std::string path_in_file(const KeyFault& fault) {
  if (fault.field != "total") return path_of(fault);
  if (fault.member.empty()) return "subscales";
  if (fault.member == "items")
    return fault.position < 0 ? "total_items"
                              : "total_items[" + std::to_string(fault.position) + "]";
  if (fault.member == "max_missing") return "missing_rule.max_missing";
  return path_of({.field = fault.member, .position = fault.position});
}

}  // namespace

Json instrument_json(const Instrument& instrument) {
  Json subscales = Json::array();
  for (const Score& subscale : instrument.subscales)
    subscales.push_back(score_json(instrument, subscale));
  const auto& change = instrument.reliable_change;
  const bool has_total = !instrument.total.items.empty();
  const Attainable range = attainable_scores(instrument, instrument.total);
  return Json::object({{"name", instrument.name},
                       {"title", instrument.title},
                       {"construct", instrument.construct},
                       {"perspectives", Json(instrument.perspectives)},
                       {"items", instrument.items},
                       {"range", range_json(instrument.lower, instrument.upper)},
                       {"reversed", number_list(instrument.reversed)},
                       {"allowed", allowed_json(instrument)},
                       {"subscales", subscales},
                       {"score", to_text(instrument.total.rule)},
                       {"multiplier", instrument.total.multiplier},
                       {"total_items", number_list(instrument.total.items)},
                       {"attainable", has_total ? range_json(range.lower, range.upper) : Json()},
                       {"total_of_subscales", instrument.total_of_subscales},
                       {"missing_rule", Json::object({{"action", to_text(instrument.missing)},
                                                      {"max_missing", instrument.total.max_missing},
                                                      {"rounded", instrument.round_substitutes}})},
                       {"bands", bands_json(instrument.total.bands)},
                       {"criteria", criteria_json(instrument)},
                       {"higher_is", to_text(instrument.higher_is)},
                       {"reliable_change", Json::object({{"sd", change.sd},
                                                         {"reliability", change.reliability},
                                                         {"threshold", change.threshold},
                                                         {"cutoff", change.cutoff},
                                                         {"source", change.source}})},
                       {"licence", instrument.licence},
                       {"citation", instrument.citation},
                       {"confidence", to_text(instrument.confidence)},
                       {"source", instrument.source},
                       {"note", instrument.note},
                       {"version", instrument.version}});
}

Instrument parse_instrument(const Json& json, const std::string& name) {
  const Field key(json, "", name);
  key.require_members({"name",
                       "title",
                       "construct",
                       "perspectives",
                       "items",
                       "range",
                       "reversed",
                       "allowed",
                       "subscales",
                       "score",
                       "multiplier",
                       "total_items",
                       "attainable",
                       "total_of_subscales",
                       "missing_rule",
                       "bands",
                       "criteria",
                       "higher_is",
                       "reliable_change",
                       "licence",
                       "citation",
                       "confidence",
                       "source",
                       "note",
                       "version",
                       "fingerprint"});  // as `rapport instruments` prints it; not read
  Instrument instrument;
  read_texts(key, instrument);
  instrument.items = key.need("items").whole();
  if (instrument.items > 1'000)
    key.need("items").refuse("is " + std::to_string(instrument.items), "must be at most 1000");
  const Attainable range = read_range(key.need("range"));
  instrument.lower = range.lower;
  instrument.upper = range.upper;
  if (const auto reversed = key.find("reversed")) instrument.reversed = reversed->whole_numbers();
  if (const auto allowed = key.find("allowed"))
    for (const Field& element : allowed->elements()) {
      element.require_members({"items", "values"});
      instrument.allowed.push_back({.items = element.need("items").whole_numbers(),
                                    .values = element.need("values").numbers()});
    }
  read_scores(key, instrument);
  if (const auto criteria = key.find("criteria")) instrument.criteria = read_criteria(*criteria);
  if (const auto direction = key.find("higher_is"))
    instrument.higher_is = direction->choice(directions);
  if (const auto change = key.find("reliable_change"))
    instrument.reliable_change = read_reliable_change(*change);
  const KeyFault fault = find_fault(instrument);
  if (fault.found())
    throw DataError(
        path_in_file(fault) + " " + found_at(instrument, fault) + "; " + std::string(fault.problem),
        name);
  return instrument;
}

std::string fingerprint(const Instrument& instrument) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : instrument_json(instrument).dump(-1)) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4)
    digits += "0123456789abcdef"[(hash >> static_cast<unsigned>(shift)) & 0xFU];
  return digits;
}

}  // namespace rapport
