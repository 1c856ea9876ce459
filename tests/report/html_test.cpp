#include <rapport/base/error.hpp>
#include <rapport/report/html.hpp>

#include <gtest/gtest.h>

#include "support/temporary_file.hpp"
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

namespace rapport::report {
namespace {

using testing::HasSubstr;
using testing::Not;

Page small_page() {
  PageTable table{.caption = "Fixed effects",
                  .header = {"Term", "Estimate"},
                  .rows = {{"a<b", "−1.20"}, {"c", "3.40"}}};
  return {
      .title = "Alliance & outcome",
      .sections = {{"One", {Paragraph{"text"}, table}}, {"Two", {Figure{.title = "A figure"}}}}};
}

TEST(Html, IsSelfContained) {
  const std::string html = to_html(small_page());
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, Not(HasSubstr("url(http")));
  EXPECT_THAT(html, HasSubstr("<svg"));
}

TEST(Html, TablesHaveHeadersForScreenReaders) {
  const std::string html = to_html(small_page());
  EXPECT_THAT(html, HasSubstr("<caption>Fixed effects</caption>"));
  EXPECT_THAT(html,
              HasSubstr("<th scope=\"col\">Term</th><th scope=\"col\" class=\"n\">Estimate</th>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">a&lt;b</th><td class=\"n\">−1.20</td>"));
}

TEST(Html, EscapesTitlesAndWarnings) {
  Page page = small_page();
  page.warnings = {"x < y"};
  const std::string html = to_html(page);
  EXPECT_THAT(html, HasSubstr("<title>Alliance &amp; outcome</title>"));
  EXPECT_THAT(html, HasSubstr("<li>x &lt; y</li>"));
}

TEST(Html, RefusesARaggedTable) {
  Page page;
  page.sections = {{"One", {PageTable{.caption = "", .header = {"a"}, .rows = {{"1", "2"}}}}}};
  EXPECT_THROW((void)to_html(page), InvalidArgument);
}

TEST(PageText, HasWordsAndTablesWithoutFigures) {
  const std::string text = to_text(small_page());
  EXPECT_THAT(text, HasSubstr("One\n  text\n"));
  EXPECT_THAT(text, HasSubstr("Fixed effects\n"));
  EXPECT_THAT(text, HasSubstr("a<b"));
  EXPECT_THAT(text, Not(HasSubstr("A figure")));
  EXPECT_THAT(text, Not(HasSubstr("Two")));
}

TEST(PageText, BreaksParagraphsAtBlanks) {
  Page page;
  std::string words;
  for (int i = 0; i < 60; ++i) words += "vier ";
  page.sections = {{"One", {Paragraph{words}}}};
  std::istringstream lines(to_text(page));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 96U);
}

TEST(WritePage, WritesAllOrNothing) {
  const testing_support::TemporaryFile folder("pages");
  std::filesystem::create_directories(folder.path());
  const std::string path = folder.path() + "/page.html";
  write_file(path, "whole");
  std::stringstream read;
  read << std::ifstream(path).rdbuf();
  EXPECT_EQ(read.str(), "whole");
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_THROW(write_file(folder.path() + "/absent/page.html", "x"), DataError);
}

}  // namespace
}  // namespace rapport::report
