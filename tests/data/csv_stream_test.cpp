#include <rapport/data/csv_stream.hpp>

#include <gtest/gtest.h>

#include "support/temporary_file.hpp"
#include <string>

namespace rapport {
namespace {

using testing_support::TemporaryFile;

std::string patients(Index n) {
  std::string text = "\xEF\xBB\xBF\nid,arm,note,score\r\n";
  for (Index i = 0; i < n; ++i)
    text += std::to_string(i) + (i % 2 == 0 ? ",CBT," : ",PDT,") +
            (i % 7 == 0 ? "\"two\nlines, \"\"quoted\"\"\"" : "") + "," + std::to_string(i % 10) +
            ".5\r\n";
  return text;
}

TEST(CsvStream, GivesTheRowsOfTheWholeFile) {
  const TemporaryFile file("stream.csv", patients(200));
  const Table whole = read_csv(file.path());
  CsvStream stream(file.path(), {}, 600);
  Index row = 0;
  Index pieces = 0;
  while (const std::optional<Table> piece = stream.next()) {
    ++pieces;
    ASSERT_EQ(piece->names(), whole.names());
    for (Index i = 0; i < piece->rows(); ++i, ++row) {
      for (Index j = 0; j < whole.columns(); ++j)
        ASSERT_EQ(cell_text(piece->at(j), i), cell_text(whole.at(j), row));
      ASSERT_EQ(piece->line(i), whole.line(row));
    }
  }
  EXPECT_EQ(row, whole.rows());
  EXPECT_GT(pieces, 5);
  EXPECT_TRUE(stream.at_end());
}

TEST(CsvStream, GivesRowsAgainThatWereKeptBack) {
  const TemporaryFile file("stream.csv", patients(100));
  CsvStream stream(file.path(), {}, 500);
  double expected = 0;
  while (const std::optional<Table> piece = stream.next()) {
    const Eigen::VectorXd& id = piece->numbers("id");
    const Index kept = stream.at_end() ? 0 : std::min<Index>(3, id.size());
    for (Index i = 0; i < id.size() - kept; ++i) EXPECT_EQ(id[i], expected++);
    stream.keep_back(kept);
  }
  EXPECT_EQ(expected, 100);
}

TEST(CsvStream, StartsAgainWithTextWhereNumbersEnd) {
  std::string text = "id,code\n";
  for (int i = 0; i < 300; ++i) text += std::to_string(i) + "," + std::to_string(i % 4) + "\n";
  const TemporaryFile file("stream.csv", text + "300,x\n");
  CsvStream stream(file.path(), {}, 500);
  Index rows = 0;
  try {
    while (const std::optional<Table> piece = stream.next()) rows += piece->rows();
    FAIL() << "text was read as a number";
  } catch (const TextInNumbers& error) {
    EXPECT_EQ(error.column, 1U);
    stream.start_again(error.column);
  }
  rows = 0;
  while (const std::optional<Table> piece = stream.next()) {
    EXPECT_FALSE(piece->is_numeric("code"));
    rows += piece->rows();
  }
  EXPECT_EQ(rows, 301);
}

TEST(CsvStream, RefusesWhatItCannotReadTwice) {
  EXPECT_THROW(CsvStream("-"), DataError);
  EXPECT_THROW(CsvStream("no/such/file.csv"), DataError);
}

}  // namespace
}  // namespace rapport
