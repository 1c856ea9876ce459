#include <rapport/base/error.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/scale.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>

namespace rapport {
namespace {

using ::testing::HasSubstr;

Json own_key() {
  return parse_json(R"({
    "name": "mood", "citation": "us, 2024", "items": 6, "range": [1, 5], "reversed": [2], "score": "sum",
    "subscales": [{"name": "a", "items": [1, 2, 3]}, {"name": "b", "items": [4, 5, 6], "max_missing": 1}],
    "missing_rule": {"action": "prorate", "max_missing": 1},
    "bands": [{"label": "low", "lower": 6, "upper": 17}, {"label": "high", "lower": 18, "upper": 30}]
  })");
}

std::string refusal(const Json& key) {
  try {
    (void)parse_instrument(key, "key.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

/// The key with one member (or a member of one subscale) replaced.
Json with(const std::string& member, const std::string& value) {
  Json key = own_key();
  key.set(member, parse_json(value));
  return key;
}

TEST(InstrumentJson, ReadsAUsersKey) {
  const Instrument key = parse_instrument(own_key());
  EXPECT_EQ(key.total.items.size(), 6U);
  EXPECT_EQ(key.total.max_missing, 1);
  EXPECT_EQ(key.missing, MissingItems::prorate);
  EXPECT_EQ(key.subscales[1].max_missing, 1);
  EXPECT_EQ(key.subscales[0].rule, ScoreRule::sum);
}

TEST(InstrumentJson, EveryKeySurvivesTheRoundTrip) {
  for (const InstrumentKey& key : catalogue()) {
    const Instrument instrument = make_instrument(key);
    const std::string text = instrument_json(instrument).dump();
    const Instrument back = parse_instrument(parse_json(text));
    EXPECT_EQ(instrument_json(back).dump(), text) << key.name;
    EXPECT_EQ(fingerprint(back), fingerprint(instrument)) << key.name;
  }
}

TEST(InstrumentJson, RefusalsPointAtTheField) {
  EXPECT_THAT(refusal(with("reversed", "[2, 7]")), HasSubstr("key.json: reversed[1] is 7"));
  EXPECT_THAT(refusal(with("reversed", "[2, 2]")), HasSubstr("reversed[1] is 2"));
  EXPECT_THAT(refusal(with("subscales", R"([{"name": "a", "items": [1, 1]}])")),
              HasSubstr("subscales[0].items[1] is 1"));
  EXPECT_THAT(
      refusal(with("subscales", R"([{"name": "a", "items": [1]}, {"name": "a", "items": [2]}])")),
      HasSubstr("subscales[1].name"));
  EXPECT_THAT(refusal(with("subscales", R"([{"items": [1]}])")),
              HasSubstr("subscales[0].name is missing"));
  EXPECT_THAT(refusal(with("subscales", R"([{"name": "a", "items": []}])")),
              HasSubstr("subscales[0].items"));
  EXPECT_THAT(refusal(with("bands", R"([{"label": "low", "lower": 5, "upper": 17}])")),
              HasSubstr("bands[0]"));
  EXPECT_THAT(
      refusal(with(
          "bands",
          R"([{"label": "low", "lower": 6, "upper": 17}, {"label": "x", "lower": 16, "upper": 20}])")),
      HasSubstr("bands[1]"));
  EXPECT_THAT(refusal(with("range", "[5, 1]")), HasSubstr("range"));
  EXPECT_THAT(refusal(with("range", "[1]")), HasSubstr("range has 1 numbers"));
  EXPECT_THAT(refusal(with("items", "0")), HasSubstr("items"));
  EXPECT_THAT(refusal(with("items", "2.5")), HasSubstr("items is 2.5; must be a whole number"));
  EXPECT_THAT(refusal(with("score", "\"total\"")),
              HasSubstr("score is \"total\"; must be one of sum, mean"));
  EXPECT_THAT(refusal(with("missing_rule", R"({"action": "prorate", "max_missing": 6})")),
              HasSubstr("missing_rule.max_missing"));
  EXPECT_THAT(refusal(with("attainable", "[6, 31]")), HasSubstr("attainable"));
  EXPECT_THAT(refusal(with("name", "\"My Scale\"")),
              HasSubstr("name is at fault; must be lower-case"));
  EXPECT_THAT(refusal(with("revresed", "[1]")),
              HasSubstr("revresed is not a member of a key; did you mean \"reversed\"?"));
  EXPECT_THAT(refusal(with("reliable_change", R"({"reliability": 1.2})")),
              HasSubstr("reliable_change.reliability"));
  EXPECT_THAT(refusal(parse_json("[]")), HasSubstr("the key is not an object"));
  EXPECT_THAT(refusal(parse_json(R"({"name": "x", "citation": "y", "range": [0, 1]})")),
              HasSubstr("items is missing"));
}

/// The same faults in a constant key are what the compiler refuses.
TEST(FindFault, SeesWhatAMalformedTableHolds) {
  const InstrumentKey sound = catalogue()[0];
  constexpr auto fault_of = [](InstrumentKey key) { return path_of(find_fault(key)); };
  InstrumentKey key = sound;
  EXPECT_EQ(fault_of(key), "");
  key.reversed.push_back(99);
  EXPECT_EQ(fault_of(key), "reversed[1]");
  key = sound;
  key.total.attainable.upper += 1;
  EXPECT_EQ(fault_of(key), "total.attainable");
  key = sound;
  key.total.max_missing = key.items;
  EXPECT_EQ(fault_of(key), "total.max_missing");
  key = sound;
  key.citation = "";
  EXPECT_EQ(fault_of(key), "citation");
  key = sound;
  key.total = {};
  EXPECT_EQ(fault_of(key), "total");
  EXPECT_THROW((void)checked(key), InvalidArgument);
}

TEST(MakeScale, NeedsARangeToReverse) {
  EXPECT_THROW((void)make_scale(3, {.reversed = {1}}), InvalidArgument);
  EXPECT_THROW((void)make_scale(3, {.reversed = {4}, .lower = 1, .upper = 5}), InvalidArgument);
  EXPECT_THROW((void)make_scale(0, {.lower = 1, .upper = 5}), InvalidArgument);
  EXPECT_EQ(make_scale(3).items, 3);
}

TEST(AttainableScores, FollowRuleAndRange) {
  const Instrument sum = make_scale(4, {.reversed = {2}, .lower = 1, .upper = 7});
  EXPECT_DOUBLE_EQ(attainable_scores(sum, sum.total).lower, 4);
  EXPECT_DOUBLE_EQ(attainable_scores(sum, sum.total).upper, 28);
  const Instrument mean =
      make_scale(4, {.reversed = {2}, .lower = 1, .upper = 7, .rule = ScoreRule::mean});
  EXPECT_DOUBLE_EQ(attainable_scores(mean, mean.total).upper, 7);
}

}  // namespace
}  // namespace rapport
