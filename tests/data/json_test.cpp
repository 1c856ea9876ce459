#include <rapport/base/error.hpp>
#include <rapport/data/json.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>
#include <limits>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Json, WritesTheShortestDecimalThatReadsBack) {
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(308.0).dump(), "308");
  EXPECT_EQ(Json(1e-9).dump(), "1e-09");
  EXPECT_TRUE(std::signbit(parse_json(Json(-0.0).dump()).number()));
  EXPECT_EQ(Json(std::nan("")).dump(), "null");
  EXPECT_EQ(Json(-std::numeric_limits<double>::infinity()).dump(), "null");
}

TEST(Json, KeepsTheOrderOfMembers) {
  const Json object = Json::object({{"z", 1}, {"a", Json::array()}, {"m", Json::object()}});
  EXPECT_EQ(object.dump(-1), R"({"z":1,"a":[],"m":{}})");
}

TEST(Json, ReadsNestedValues) {
  const Json json = parse_json(R"({"items": [1, 2.5, "three", null, true], "key": {"deep": -4}})");
  EXPECT_EQ(json.at("items").items().size(), 5U);
  EXPECT_EQ(json.at("items").items()[1].number(), 2.5);
  EXPECT_TRUE(std::isnan(json.at("items").items()[3].number()));
  EXPECT_EQ(json.at("key").at("deep").number(), -4);
  EXPECT_EQ(json.find("absent"), nullptr);
  EXPECT_THROW((void)json.at("absent"), InvalidArgument);
  EXPECT_THROW((void)json.at("key").string(), InvalidArgument);
}

TEST(Json, RefusesBrokenTextByLineAndColumn) {
  EXPECT_THAT([] { (void)parse_json("{\n \"a\": }", "key.json"); },
              ThrowsMessage<DataError>(HasSubstr("key.json:2:")));
  EXPECT_THROW((void)parse_json(""), DataError);
  EXPECT_THROW((void)parse_json("[1,]"), DataError);
  EXPECT_THROW((void)parse_json("{} x"), DataError);
  EXPECT_THROW((void)parse_json("[1e999]"), DataError);
}

TEST(Json, RefusesAKeyThatStandsTwice) {
  EXPECT_THAT([] { (void)parse_json(R"({"a": 1, "a": 2})"); },
              ThrowsMessage<DataError>(HasSubstr("a")));
}

TEST(Json, RefusesNestingThatWouldExhaustTheStack) {
  EXPECT_NO_THROW((void)parse_json(std::string(150, '[') + std::string(150, ']')));
  EXPECT_THROW((void)parse_json(std::string(100'000, '[')), DataError);
}

RC_GTEST_PROP(JsonProperty, NumbersSurviveWritingAndReading, (const std::vector<double>& values)) {
  Json array = Json::array();
  for (const double value : values) array.push_back(value);
  const Json read = parse_json(array.dump());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (std::isfinite(values[i])) RC_ASSERT(read.items()[i].number() == values[i]);
}

RC_GTEST_PROP(JsonProperty, TextSurvivesWritingAndReading, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
  RC_ASSERT(parse_json(Json(text).dump()).string() == text);
}

}  // namespace
}  // namespace rapport
