#include <rapport/data/csv.hpp>

#include <gtest/gtest.h>

#include "support/temporary_file.hpp"
#include <cmath>
#include <cstdlib>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

std::vector<std::string> cells(const Table& table, const std::string& name) {
  std::vector<std::string> text;
  for (Index i = 0; i < table.rows(); ++i) text.push_back(cell_text(table.column(name), i));
  return text;
}

auto refused(const std::string& text, const std::string& part, const CsvOptions& options = {}) {
  EXPECT_THAT([&] { (void)parse_csv(text, options, "panel.csv"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("panel.csv"), HasSubstr(part))));
}

TEST(Csv, ReadsNumbersAndCategories) {
  const Table table = parse_csv("patient,session,wai\nP2,1,4.25\nP1,2,-3e-2\n");
  EXPECT_THAT(table.names(), ElementsAre("patient", "session", "wai"));
  EXPECT_THAT(table.factor("patient").levels, ElementsAre("P1", "P2"));
  EXPECT_THAT(table.factor("patient").codes, ElementsAre(1, 0));
  EXPECT_EQ(table.numbers("wai")[1], -0.03);
  EXPECT_EQ(table.line(1), 3);
}

TEST(Csv, ReadsWhatRfc4180Allows) {
  const Table table =
      parse_csv("\"a \"\"x\"\"\",b\r\n\"one, two\",\"line 1\r\nline 2\"\r\nthree,\"\"\"\"\r\n");
  EXPECT_THAT(table.names(), ElementsAre("a \"x\"", "b"));
  EXPECT_THAT(cells(table, "a \"x\""), ElementsAre("one, two", "three"));
  EXPECT_THAT(cells(table, "b"), ElementsAre("line 1\r\nline 2", "\""));
  EXPECT_EQ(table.line(1), 4) << "the quoted newline counts";
}

TEST(Csv, SkipsAByteOrderMarkBlankLinesAndAMissingLastNewline) {
  const Table table = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\n\n1,2\n   \n3,4");
  EXPECT_THAT(table.names(), ElementsAre("a", "b"));
  EXPECT_EQ(table.rows(), 2);
  EXPECT_EQ(table.line(1), 5);
}

TEST(Csv, TellsTheSeparatorFromTheHeader) {
  EXPECT_EQ(parse_csv("a;b;c\n1;2;3\n").columns(), 3);
  EXPECT_EQ(parse_csv("a\tb\n1\t\n").columns(), 2);
  EXPECT_EQ(parse_csv("\"a;b;c\",d\n1,2\n").columns(), 2);
  EXPECT_EQ(parse_csv("a|b\n1|2\n", {.separator = '|'}).columns(), 2);
}

TEST(Csv, ADecimalCommaOnlyWhereSemicolonsSeparate) {
  EXPECT_EQ(parse_csv("a;b\n1;2,5\n").numbers("b")[0], 2.5);
  EXPECT_EQ(parse_csv("a;b\n1;2.5\n").numbers("b")[0], 2.5);
  EXPECT_FALSE(parse_csv("a\tb\n1\t2,5\n").is_numeric("b"));
  EXPECT_EQ(parse_csv("a\tb\n1\t2,5\n", {.decimal = ','}).numbers("b")[0], 2.5);
}

TEST(Csv, TrimsBlanksAndKnowsWhatIsMissing) {
  const Table table = parse_csv("a,b,c\n  1 , NA ,x\n,.,\nNaN,\" 3 \", y \n");
  EXPECT_THAT(cells(table, "a"), ElementsAre("1", "", ""));
  EXPECT_THAT(cells(table, "b"), ElementsAre("", "", "3"));
  EXPECT_THAT(cells(table, "c"), ElementsAre("x", "", "y"));
  const Table other = parse_csv("a,b\n-9,NA\n1,\n", {.missing = {"-9"}});
  EXPECT_TRUE(std::isnan(other.numbers("a")[0]));
  EXPECT_THAT(cells(other, "b"), ElementsAre("NA", ""))
      << "the list replaces the default; the empty cell stays missing";
}

TEST(Csv, AColumnThatTurnsOutToBeTextKeepsTheTextOfItsFirstCells) {
  const Table table = parse_csv("a,b\n007,1\n,2\n1.50,3\nnone,4\n");
  EXPECT_THAT(cells(table, "a"), ElementsAre("007", "", "1.50", "none"));
}

TEST(Csv, AColumnWithoutAnyValueIsNumeric) {
  EXPECT_TRUE(parse_csv("a,b\n,1\nNA,2\n").is_numeric("a"));
}

TEST(Csv, ReadsEveryNumberAsStrtodDoes) {
  for (const char* text :
       {"0", "-0", "5.", ".5", "+7", "1e22", "1e23", "9007199254740993", "0.1",
        "123456789012345678", "1.7976931348623157e308", "4.9e-324", "2.2250738585072011e-308",
        "1e-400", "-1e-400", "0.000000000000000000000000000000000001",
        "12345678901234567890123456789", "1E+5", "179769313486231580793728971405301e276"}) {
    const double value =
        parse_csv("x\n" + std::string(text) + "\n", {.missing = {}}).numbers("x")[0];
    const double expected = std::strtod(text, nullptr);
    EXPECT_EQ(value, expected) << text;
    EXPECT_EQ(std::signbit(value), std::signbit(expected)) << text;
  }
}

TEST(Csv, WhatIsNoNumberIsText) {
  for (const char* text :
       {"1e", "1e+", "e5", "--1", "1.2.3", "0x10", "1,5", "1 2", "-", "+", "nan1", "1_000"})
    EXPECT_FALSE(parse_csv("x\ty\n" + std::string(text) + "\t1\n").is_numeric("x")) << text;
}

TEST(Csv, RefusesAnInfiniteNumberByRowAndColumn) {
  refused("a,b\n1,2\n3,Inf\n", "panel.csv:3:2: column \"b\"");
  refused("a,b\n1,2\n-infinity,4\n", "panel.csv:3:1: column \"a\"");
  refused("a\n1e999\n", "infinite");
  EXPECT_NO_THROW((void)parse_csv("a\ninf\nsup\n")) << "a category may be called so";
}

TEST(Csv, RefusesARowOfAnotherWidth) {
  refused("a,b,c\n1,2,3\n4,5\n", "panel.csv:3: the row has 2 cells but the header has 3");
  refused("a,b\n1,2,3,4\n", "panel.csv:2: the row has 4 cells but the header has 2");
  refused("a\n1,2\n", "the row has 2 cells");
}

TEST(Csv, RefusesBrokenQuotes) {
  refused("a,b\n1,\"2\n3,4\n", "panel.csv:2:2: a quote is opened and never closed");
  refused("a,b\n\"1\"x,2\n", "panel.csv:2:1: text after a closing quote");
}

TEST(Csv, RefusesWhatIsNoText) {
  refused(std::string("a,b\n1,\0\n", 8), "panel.csv:2:2: a NUL byte");
  refused("a,b\n1,2\nx,\xC3(\n", "panel.csv:3:2: invalid UTF-8");
  refused("a\n\xED\xA0\x80\n", "invalid UTF-8");
  refused(
      "\xFF\xFE"
      "a\n",
      "UTF-16");
  EXPECT_EQ(parse_csv("a,b\nMüller 日本 😀,1\n").rows(), 1);
}

TEST(Csv, RefusesAFileWithoutRows) {
  refused("", "empty");
  refused(" \n\n", "empty");
  refused("a,b\n", "no rows");
}

TEST(Csv, TakesACellOfAMillionCharacters) {
  const std::string big(1'000'000, 'x');
  EXPECT_EQ(cells(parse_csv("a,b\n" + big + ",1\n"), "a")[0], big);
  EXPECT_EQ(cells(parse_csv("a,b\n\"" + big + "\",1\n"), "a")[0], big);
  EXPECT_EQ(parse_csv("a,b\n0." + std::string(1'000'000, '3') + ",1\n").numbers("a")[0], 1.0 / 3);
}

TEST(Csv, KeepsAColumnNameThatStandsTwiceUntilItIsUsed) {
  const Table table = parse_csv("wai,phq,wai\n1,2,3\n");
  EXPECT_EQ(table.numbers("phq")[0], 2);
  EXPECT_THAT([&] { (void)table.numbers("wai"); },
              ThrowsMessage<InvalidArgument>(HasSubstr("twice")));
}

TEST(Csv, RefusesAFileThatCannotBeRead) {
  EXPECT_THAT([] { (void)read_csv("no_such_file.csv"); },
              ThrowsMessage<DataError>(HasSubstr("no_such_file.csv: there is no such file")));
  EXPECT_THAT([] { (void)read_csv("/"); }, ThrowsMessage<DataError>(HasSubstr("folder")));
}

TEST(Csv, ANameThatStartsLikeAByteOrderMarkSurvives) {
  Table table;
  table.add(
      "\xEF\xBB\xBF"
      "a",
      Eigen::VectorXd(Eigen::VectorXd::Ones(1)));
  EXPECT_EQ(parse_csv(to_csv(table)).names(), table.names());
}

TEST(Csv, ReadsAFile) {
  const testing_support::TemporaryFile file("read.csv", "a,b\n1,x\n");
  const Table table = read_csv(file.path());
  EXPECT_EQ(table.origin().file, file.path());
  EXPECT_EQ(table.rows(), 1);
}

RC_GTEST_PROP(CsvProperty, NumbersSurviveWritingAndReading, (const std::vector<double>& values)) {
  RC_PRE(!values.empty());
  for (const double value : values) RC_PRE(std::isfinite(value));
  Table table;
  table.add("x",
            Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size())));
  const Eigen::VectorXd read = parse_csv(to_csv(table)).numbers("x");
  for (std::size_t i = 0; i < values.size(); ++i)
    RC_ASSERT(read[static_cast<Index>(i)] == values[i]);
}

RC_GTEST_PROP(CsvProperty, CategoriesSurviveWritingAndReading, ()) {
  // Letters around it keep a category from reading as blank, missing or a number.
  const auto inside = rc::gen::container<std::string>(
      rc::gen::element('a', ',', ';', '\t', '"', '\n', '\r', ' ', '9', '.'));
  const auto generated = *rc::gen::container<std::vector<std::string>>(inside);
  RC_PRE(!generated.empty());
  std::vector<std::string> values;
  for (const std::string& text : generated) values.push_back(text.empty() ? "" : "x" + text + "x");
  Table table;
  table.add("first, \"name\"", make_factor(values));
  const Table read = parse_csv(to_csv(table));
  RC_ASSERT(read.names() == table.names());
  if (std::all_of(values.begin(), values.end(), [](const std::string& v) { return v.empty(); }))
    return;
  RC_ASSERT(cells(read, "first, \"name\"") == values);
}

RC_GTEST_PROP(CsvProperty, AnyTextIsReadOrRefused, (const std::string& text)) {
  try {
    const Table table = parse_csv(text);
    RC_ASSERT(table.rows() > 0);
  } catch (const DataError&) {
  }
}

}  // namespace
}  // namespace rapport
