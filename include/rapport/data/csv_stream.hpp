#pragma once

#include <rapport/data/csv.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// How a delimited file is written, as its beginning tells.
struct CsvLayout {
  char separator;
  char decimal;
  std::vector<std::string> names;
  std::vector<bool> text;     ///< which columns are categorical
  std::size_t first_row = 0;  ///< where the first row begins
  Index first_line = 1;       ///< and on which line
};

/// A column that was read as numbers holds text further on.
class TextInNumbers : public DataError {
 public:
  TextInNumbers(const std::string& message, std::size_t at) : DataError(message), column(at) {}
  std::size_t column;
};

/// A CSV file in pieces of a few megabytes, each a Table as read_csv() would give it: for files
/// larger than memory. The kind of a column is that of the first piece; where a later cell does not
/// fit, the stream starts again with the column as text.
class CsvStream {
 public:
  /// Throws DataError if there is no such file. "-" (standard input) is refused: it cannot start
  /// again.
  explicit CsvStream(const std::string& path, const CsvOptions& options = {},
                     std::size_t piece_bytes = std::size_t{4} << 20U);
  ~CsvStream();
  CsvStream(const CsvStream&) = delete;
  CsvStream& operator=(const CsvStream&) = delete;

  /// The next rows; nothing at the end of the file. Throws TextInNumbers where a numeric column
  /// turns out to be text: start_again(column) then.
  [[nodiscard]] std::optional<Table> next();
  /// The last `rows` of the piece that next() gave come again with the next piece.
  void keep_back(Index rows);
  /// True if the piece that next() gave ends the file.
  [[nodiscard]] bool at_end() const;
  /// Back to the first row.
  void rewind();
  /// The same with a column as text.
  void start_again(std::size_t column);
  /// Bytes of the file that were read, of how many.
  [[nodiscard]] double share_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rapport
