#include <rapport/base/error.hpp>
#include <rapport/score/scale.hpp>

#include "scale_names.hpp"
#include <cmath>

namespace rapport {
namespace {

// --- Constant to owned -------------------------------------------------------------------------

template <class To, class From>
std::vector<To> copied(const From& from) {
  return {from.begin(), from.end()};
}

std::vector<Band> owned_bands(const FixedList<BasicBand<ConstantKey>, 8>& bands) {
  std::vector<Band> out;
  for (const auto& band : bands)
    out.push_back({.label = std::string(band.label), .lower = band.lower, .upper = band.upper});
  return out;
}

Score owned(const ScoreKey& key) {
  return {.name = std::string(key.name),
          .items = copied<int>(key.items),
          .rule = key.rule,
          .multiplier = key.multiplier,
          .max_missing = key.max_missing,
          .attainable = key.attainable,
          .bands = owned_bands(key.bands)};
}

BasicCriterion<OwnedKey> owned(const BasicCriterion<ConstantKey>& key) {
  BasicCriterion<OwnedKey> out{.label = std::string(key.label), .counts = {}};
  for (const auto& count : key.counts)
    out.counts.push_back({.items = copied<int>(count.items),
                          .minimum = count.minimum,
                          .lower = count.lower,
                          .upper = count.upper});
  return out;
}

}  // namespace

std::string path_of(const KeyFault& fault) {
  std::string path(fault.field);
  const auto subscript = [](int i) {
    return i < 0 ? std::string() : "[" + std::to_string(i) + "]";
  };
  path += subscript(fault.element);
  if (!fault.member.empty()) path += (path.empty() ? "" : ".") + std::string(fault.member);
  return path + subscript(fault.position);
}

std::string_view to_text(Confidence confidence) { return text_of(confidences, confidence); }
std::string_view to_text(ScoreRule rule) { return text_of(score_rules, rule); }
std::string_view to_text(MissingItems rule) { return text_of(missing_rules, rule); }
std::string_view to_text(Direction direction) { return text_of(directions, direction); }
std::optional<MissingItems> parse_missing_items(std::string_view text) {
  return value_of(missing_rules, text);
}
std::optional<Direction> parse_direction(std::string_view text) {
  return value_of(directions, text);
}

Instrument make_instrument(const InstrumentKey& key) {
  Instrument out;
  out.name = key.name;
  out.title = key.title;
  out.construct = key.construct;
  out.perspectives = copied<std::string>(key.perspectives);
  out.items = key.items;
  out.lower = key.lower;
  out.upper = key.upper;
  out.reversed = copied<int>(key.reversed);
  for (const auto& allowed : key.allowed)
    out.allowed.push_back(
        {.items = copied<int>(allowed.items), .values = copied<double>(allowed.values)});
  for (const ScoreKey& subscale : key.subscales) out.subscales.push_back(owned(subscale));
  out.total = owned(key.total);
  out.total_of_subscales = key.total_of_subscales;
  out.missing = key.missing;
  out.round_substitutes = key.round_substitutes;
  for (const auto& criterion : key.criteria) out.criteria.push_back(owned(criterion));
  out.higher_is = key.higher_is;
  out.reliable_change = {.sd = key.reliable_change.sd,
                         .reliability = key.reliable_change.reliability,
                         .threshold = key.reliable_change.threshold,
                         .cutoff = key.reliable_change.cutoff,
                         .source = std::string(key.reliable_change.source)};
  out.licence = key.licence;
  out.citation = key.citation;
  out.confidence = key.confidence;
  out.source = key.source;
  out.note = key.note;
  out.version = key.version;
  return out;
}

Instrument make_scale(int items, const ScaleOptions& options) {
  if (!options.reversed.empty() && !(std::isfinite(options.lower) && std::isfinite(options.upper)))
    throw InvalidArgument(
        "make_scale: `reversed` names items but the range is not finite; a reversed item is lower "
        "+ upper − x");
  Instrument scale;
  scale.name = "scale";
  scale.citation = "made at hand";
  scale.confidence = Confidence::official;
  scale.items = items;
  scale.lower = options.lower;
  scale.upper = options.upper;
  scale.reversed = options.reversed;
  scale.missing = options.missing;
  scale.total.name = "total";
  scale.total.rule = options.rule;
  for (int i = 1; i <= items; ++i) scale.total.items.push_back(i);
  if (options.missing == MissingItems::prorate || options.missing == MissingItems::available)
    scale.total.max_missing = items - 1;
  const KeyFault fault = find_fault(scale);
  if (fault.found())
    throw InvalidArgument("make_scale: `" + path_of(fault) + "` " + std::string(fault.problem));
  return scale;
}

Attainable attainable_scores(const Instrument& instrument, const Score& score) {
  return detail::attainable_scores(instrument, score);
}

}  // namespace rapport
