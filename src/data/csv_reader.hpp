#pragma once

#include <rapport/data/csv.hpp>
#include <rapport/data/csv_stream.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <unordered_map>

/// Not installed: the reader of one text of comma-separated values.
namespace rapport::detail {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Decimal text whose digits do not fit the exact path: std::from_chars rounds it correctly.
/// `magnitude` is the power of ten of the first digit, which tells overflow from underflow.
inline double slow_decimal(std::string_view text, char decimal, std::int64_t magnitude) {
  std::string plain(text.substr(text.front() == '+' ? 1 : 0));
  std::replace(plain.begin(), plain.end(), decimal, '.');
  double value = 0;
  const auto parsed = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (parsed.ec != std::errc::result_out_of_range) return value;
  value = magnitude > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return plain.front() == '-' ? -value : value;
}

/// Reads the longest decimal number at `begin` and returns where it ends, or nullptr if there is
/// none. A number with a significand up to 2⁵³ and a power of ten up to 22 is one exact integer
/// times or over another, so one operation rounds correctly (Clinger 1990, "How to read floating
/// point numbers accurately").
inline const char* read_decimal(const char* begin, const char* end, char decimal, double& value) {
  static constexpr std::array<double, 23> powers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const char* p = begin;
  const bool negative = p != end && *p == '-';
  if (p != end && (*p == '-' || *p == '+')) ++p;
  std::uint64_t significand = 0;  // wraps beyond 19 digits, which then takes the slow path
  const char* const whole = p;
  for (; p != end && is_digit(*p); ++p)
    significand = 10 * significand + static_cast<std::uint64_t>(*p - '0');
  std::ptrdiff_t digits = p - whole;
  std::int64_t exponent = 0;
  if (p != end && *p == decimal) {
    const char* const fraction = ++p;
    for (; p != end && is_digit(*p); ++p)
      significand = 10 * significand + static_cast<std::uint64_t>(*p - '0');
    exponent = fraction - p;
    digits += p - fraction;
  }
  if (digits == 0) return nullptr;
  if (p != end && (*p == 'e' || *p == 'E')) {
    const char* q = p + 1;
    const bool down = q != end && *q == '-';
    if (q != end && (*q == '-' || *q == '+')) ++q;
    if (q == end || !is_digit(*q)) return nullptr;
    std::int64_t power = 0;
    for (; q != end && is_digit(*q); ++q)
      power = std::min<std::int64_t>(10 * power + (*q - '0'), 1'000'000'000);
    exponent += down ? -power : power;
    p = q;
  }
  if (digits <= 19 && significand <= (std::uint64_t{1} << 53U) && exponent >= -22 &&
      exponent <= 22) {
    const auto exact = static_cast<double>(significand);
    const double power = powers[static_cast<std::size_t>(std::abs(exponent))];
    const double size = exponent < 0 ? exact / power : exact * power;
    value = negative ? -size : size;
  } else {
    value = slow_decimal({begin, static_cast<std::size_t>(p - begin)}, decimal, exponent + digits);
  }
  return p;
}

/// True for inf and infinity in any case, signed or not.
inline bool spells_infinity(std::string_view cell) {
  if (!cell.empty() && (cell.front() == '-' || cell.front() == '+')) cell.remove_prefix(1);
  if (cell.size() != 3 && cell.size() != 8) return false;
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::equal(cell.begin(), cell.end(), std::string_view("infinity").begin(), same);
}

inline std::optional<double> to_number(std::string_view cell, char decimal) {
  double value = 0;
  const char* const end = cell.data() + cell.size();
  if (read_decimal(cell.data(), end, decimal, value) == end) return value;
  if (spells_infinity(cell)) return std::numeric_limits<double>::infinity();
  return std::nullopt;
}

/// The offset of the first byte that is not UTF-8 (RFC 3629: no overlong forms, no surrogates, up
/// to U+10FFFF) or is NUL; npos if there is none.
inline std::size_t first_bad_byte(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) {
    return i < text.size() && (byte(i) & 0xC0U) == 0x80U;
  };
  for (std::size_t i = 0; i < text.size();) {
    std::uint64_t word = 0;
    if (i + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + i, sizeof word);
      // Eight ASCII bytes at once: no high bit set, and none is zero (a zero byte borrows from the
      // subtraction).
      constexpr std::uint64_t high = 0x8080808080808080U;
      if (((word | (word - 0x0101010101010101U)) & high) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const unsigned char lead = byte(i);
    if (lead == 0) return i;
    if (lead < 0x80) {
      ++i;
    } else if (lead >= 0xC2 && lead < 0xE0 && continues(i + 1)) {
      i += 2;
    } else if (lead >= 0xE0 && lead < 0xF0 && continues(i + 1) && continues(i + 2) &&
               (lead != 0xE0 || byte(i + 1) >= 0xA0) && (lead != 0xED || byte(i + 1) < 0xA0)) {
      i += 3;
    } else if (lead >= 0xF0 && lead < 0xF5 && continues(i + 1) && continues(i + 2) &&
               continues(i + 3) && (lead != 0xF0 || byte(i + 1) >= 0x90) &&
               (lead != 0xF4 || byte(i + 1) < 0x90)) {
      i += 4;
    } else {
      return i;
    }
  }
  return std::string_view::npos;
}

/// Hash and equality that take views, so that a cell is looked up without a copy.
struct ViewHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

/// The cells of one column while the file is read. It is numeric until a cell is not a number.
class ColumnReader {
 public:
  bool numeric = true;
  bool incomplete =
      false;  ///< turned to text after numbers had been read: its text must be read again
  Index infinite_line = 0;  ///< line of its first infinite number, or 0

  void add_number(double value) { numbers_.push_back(value); }

  void add_missing() {
    if (numeric)
      numbers_.push_back(std::numeric_limits<double>::quiet_NaN());
    else
      codes_.push_back(-1);
  }

  void add_text(std::string_view cell) {
    if (last_ < 0 || levels_[static_cast<std::size_t>(last_)] != cell) last_ = code(cell);
    codes_.push_back(last_);
  }

  /// Becomes categorical; the cells so far must be missing, or be read again.
  void turn_to_text() {
    numeric = false;
    const auto present = [](double value) { return !std::isnan(value); };
    incomplete = std::any_of(numbers_.begin(), numbers_.end(), present);
    codes_.assign(numbers_.size(), -1);
    numbers_ = {};
  }

  /// Forgets its cells, for another reading as text.
  void start_again() { codes_.clear(); }

  [[nodiscard]] Eigen::VectorXd take_numbers() const {
    return Eigen::Map<const Eigen::VectorXd>(numbers_.data(), static_cast<Index>(numbers_.size()));
  }

  /// The cells as a factor with levels sorted by bytes.
  [[nodiscard]] Factor take_factor() {
    std::vector<std::size_t> order(levels_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return levels_[a] < levels_[b]; });
    Factor factor;
    std::vector<std::int32_t> place(levels_.size());
    for (std::size_t k = 0; k < order.size(); ++k) {
      place[order[k]] = static_cast<std::int32_t>(k);
      factor.levels.push_back(std::move(levels_[order[k]]));
    }
    factor.codes = std::move(codes_);
    for (std::int32_t& code : factor.codes)
      if (code >= 0) code = place[static_cast<std::size_t>(code)];
    return factor;
  }

 private:
  std::int32_t code(std::string_view cell) {
    const auto found = known_.find(cell);
    if (found != known_.end()) return found->second;
    const auto next = static_cast<std::int32_t>(levels_.size());
    levels_.emplace_back(cell);
    known_.emplace(std::string(cell), next);
    return next;
  }

  std::vector<double> numbers_;
  std::vector<std::int32_t> codes_;
  std::vector<std::string> levels_;
  std::unordered_map<std::string, std::int32_t, ViewHash, std::equal_to<>> known_;
  std::int32_t last_ = -1;
};

/// Reads one text. `p_` stands at the start of a cell, or at the separator or the line end after
/// it.
class CsvReader {
 public:
  CsvReader(std::string_view text, const CsvOptions& options, std::string name)
      : begin_(text.data()),
        p_(begin_),
        end_(begin_ + text.size()),
        options_(options),
        name_(std::move(name)) {
    for (const std::string& word : options_.missing)
      if (!word.empty()) starts_missing_[static_cast<unsigned char>(word.front())] = true;
  }

  Table read() {
    (void)read_layout();
    read_rows();
    read_text_again();
    return table();
  }

  /// The header of a file and how its cells are written, told from the text; the rest is left.
  CsvLayout read_layout() {
    skip_byte_order_mark();
    separator_ = options_.separator != 0 ? options_.separator : separator_of_header();
    check_bytes();
    read_header();
    data_ = p_;
    data_line_ = line_;
    decimal_ = options_.decimal != 0 ? options_.decimal : decimal_of_cells();
    if (decimal_ == separator_)
      throw InvalidArgument("read_csv: `decimal` is the separator too; they must differ");
    return {.separator = separator_,
            .decimal = decimal_,
            .names = names_,
            .text = {},
            .first_row = static_cast<std::size_t>(p_ - begin_),
            .first_line = line_};
  }

  /// Rows of a file of that layout, of which the text begins at line `line`. Throws TextInNumbers
  /// where a column that was numeric so far is not. `row_starts` receives where each row begins.
  Table read_piece(const CsvLayout& layout, Index line, std::vector<std::size_t>& row_starts) {
    separator_ = layout.separator;
    decimal_ = layout.decimal;
    names_ = layout.names;
    columns_.resize(names_.size());
    for (std::size_t j = 0; j < layout.text.size(); ++j) columns_[j].numeric = !layout.text[j];
    line_ = line;
    data_ = p_;
    check_bytes();
    row_starts_ = &row_starts;
    read_rows();
    for (std::size_t j = 0; j < columns_.size(); ++j)
      if (columns_[j].incomplete ||
          (!layout.text.empty() && !layout.text[j] && !columns_[j].numeric))
        throw TextInNumbers("column \"" + names_[j] + "\" has numbers at first and then text", j);
    return table();
  }
  [[nodiscard]] Index next_line_number() const { return line_; }

 private:
  [[noreturn]] void fail(const std::string& message, Index line = 0, Index column = 0) const {
    throw DataError(message, name_, line, column);
  }

  void skip_byte_order_mark() {
    const std::string_view text(p_, static_cast<std::size_t>(end_ - p_));
    if (text.substr(0, 3) == "\xEF\xBB\xBF") p_ += 3;
    if (text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF")
      fail("the file is UTF-16; save it as UTF-8");
    begin_ = p_;
    skip_blank_lines();
    if (p_ == end_) fail("the file is empty; a header row and rows of data are required");
    p_ = begin_;
    line_ = 1;
  }

  /// The separator that stands most often in the header outside quotes; a comma where none does.
  [[nodiscard]] char separator_of_header() {
    skip_blank_lines();
    std::array<int, 3> count{};
    const std::string_view candidates = ",;\t";
    bool quoted = false;
    for (const char* p = p_; p != end_ && (quoted || (*p != '\n' && *p != '\r')); ++p) {
      if (*p == '"') quoted = !quoted;
      const std::size_t which = quoted ? std::string_view::npos : candidates.find(*p);
      if (which != std::string_view::npos) ++count[which];
    }
    const auto most = std::max_element(count.begin(), count.end()) - count.begin();
    return candidates[static_cast<std::size_t>(most)];
  }

  void check_bytes() const {
    const std::size_t bad = first_bad_byte({begin_, static_cast<std::size_t>(end_ - begin_)});
    if (bad == std::string_view::npos) return;
    Index line = 1;
    Index column = 1;
    for (const char* p = begin_; p != begin_ + bad; ++p) {
      if (*p == separator_) ++column;
      if (*p != '\n') continue;
      ++line;
      column = 1;
    }
    if (begin_[bad] == '\0')
      fail("a NUL byte: this is no text file; export the data as CSV in UTF-8", line, column);
    fail("invalid UTF-8; save the file as UTF-8", line, column);
  }

  [[nodiscard]] bool at_line_end() const { return p_ == end_ || *p_ == '\n' || *p_ == '\r'; }
  [[nodiscard]] bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != separator_; }

  /// Past LF, CRLF or CR.
  void next_line() {
    if (p_ == end_) return;
    if (*p_ == '\r' && p_ + 1 != end_ && p_[1] == '\n') ++p_;
    ++p_;
    ++line_;
  }

  void skip_blank_lines() {
    while (p_ != end_) {
      const char* p = p_;
      while (p != end_ && is_blank(*p)) ++p;
      if (p != end_ && *p != '\n' && *p != '\r') return;
      p_ = p;
      next_line();
    }
  }

  /// The cell at `p_`, trimmed and unquoted; valid until the next call. `column` counts from 1.
  std::string_view next_cell(Index column) {
    while (p_ != end_ && is_blank(*p_)) ++p_;
    if (p_ != end_ && *p_ == '"') return quoted_cell(column);
    const char* const first = p_;
    while (!at_line_end() && *p_ != separator_) ++p_;
    return trimmed({first, static_cast<std::size_t>(p_ - first)});
  }

  std::string_view quoted_cell(Index column) {
    const Index opened = line_;
    const char* first = ++p_;
    scratch_.clear();
    while (true) {
      const auto* quote =
          static_cast<const char*>(std::memchr(p_, '"', static_cast<std::size_t>(end_ - p_)));
      if (p_ == end_ || quote == nullptr)
        fail("a quote is opened and never closed", opened, column);
      line_ += std::count(p_, quote, '\n');
      p_ = quote + 1;
      if (p_ == end_ || *p_ != '"') break;
      scratch_.append(first, p_);  // a doubled quote stands for one
      first = ++p_;
    }
    std::string_view cell(first, static_cast<std::size_t>(p_ - 1 - first));
    if (!scratch_.empty()) cell = scratch_.append(cell);
    while (p_ != end_ && is_blank(*p_)) ++p_;
    if (!at_line_end() && *p_ != separator_)
      fail("text after a closing quote; a quote inside a quoted cell is written twice", line_,
           column);
    return trimmed(cell);
  }

  [[nodiscard]] static std::string_view trimmed(std::string_view cell) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!cell.empty() && blank(cell.front())) cell.remove_prefix(1);
    while (!cell.empty() && blank(cell.back())) cell.remove_suffix(1);
    return cell;
  }

  [[nodiscard]] bool is_missing_cell(std::string_view cell) const {
    if (cell.empty()) return true;
    if (!starts_missing_[static_cast<unsigned char>(cell.front())]) return false;
    return std::find(options_.missing.begin(), options_.missing.end(), cell) !=
           options_.missing.end();
  }

  void read_header() {
    skip_blank_lines();
    while (true) {
      names_.emplace_back(next_cell(static_cast<Index>(names_.size()) + 1));
      if (at_line_end()) break;
      ++p_;
    }
    next_line();
    columns_.resize(names_.size());
  }

  /// Only a semicolon-separated file may have decimal commas: the first number with a decimal sign
  /// tells.
  [[nodiscard]] char decimal_of_cells() {
    if (separator_ != ';') return '.';
    char found = 0;
    while (found == 0 && (skip_blank_lines(), p_ != end_)) {
      for (Index column = 1; found == 0; ++column) {
        const std::string_view cell = next_cell(column);
        for (const char sign : {',', '.'})
          if (found == 0 && cell.find(sign) != std::string_view::npos && to_number(cell, sign))
            found = sign;
        if (at_line_end()) break;
        ++p_;
      }
      next_line();
    }
    p_ = data_;
    line_ = data_line_;
    return found == 0 ? '.' : found;
  }

  void read_rows() {
    while (skip_blank_lines(), p_ != end_) {
      const Index line = line_;
      if (row_starts_ != nullptr) row_starts_->push_back(static_cast<std::size_t>(p_ - begin_));
      for (std::size_t j = 0;; ++j) {
        read_cell(j);
        if (j + 1 == columns_.size()) break;
        if (at_line_end()) wrong_width(line, static_cast<Index>(j) + 1);
        ++p_;
      }
      if (!at_line_end()) wrong_width(line, static_cast<Index>(columns_.size()));
      next_line();
      lines_.push_back(line);
    }
    if (lines_.empty() && row_starts_ == nullptr) fail("the file has a header but no rows");
  }

  [[noreturn]] void wrong_width(Index line, Index cells) {
    while (!at_line_end()) {
      ++p_;
      ++cells;
      (void)next_cell(cells);
    }
    fail("the row has " + std::to_string(cells) + (cells == 1 ? " cell" : " cells") +
             " but the header has " + std::to_string(columns_.size()) +
             "; correct the row, or quote a cell that holds the separator",
         line);
  }

  void read_cell(std::size_t j) {
    ColumnReader& column = columns_[j];
    if (column.numeric && p_ != end_ && !starts_missing_[static_cast<unsigned char>(*p_)]) {
      double value = 0;
      const char* const after = read_decimal(p_, end_, decimal_, value);
      if (after != nullptr &&
          (after == end_ || *after == separator_ || *after == '\n' || *after == '\r')) {
        if (std::isinf(value) && column.infinite_line == 0) column.infinite_line = line_;
        column.add_number(value);
        p_ = after;
        return;
      }
    }
    const Index line = line_;
    const std::string_view cell = next_cell(static_cast<Index>(j) + 1);
    if (is_missing_cell(cell)) return column.add_missing();
    if (column.numeric) {
      if (const std::optional<double> value = to_number(cell, decimal_)) {
        if (std::isinf(*value) && column.infinite_line == 0) column.infinite_line = line;
        return column.add_number(*value);
      }
      column.turn_to_text();
    }
    column.add_text(cell);
  }

  /// Columns that began with numbers and turned out to be text need the text of those first cells.
  void read_text_again() {
    const auto incomplete = [](const ColumnReader& column) { return column.incomplete; };
    if (std::none_of(columns_.begin(), columns_.end(), incomplete)) return;
    for (ColumnReader& column : columns_)
      if (column.incomplete) column.start_again();
    p_ = data_;
    line_ = data_line_;
    while (skip_blank_lines(), p_ != end_) {
      for (std::size_t j = 0; j < columns_.size(); ++j) {
        const std::string_view cell = next_cell(static_cast<Index>(j) + 1);
        if (columns_[j].incomplete)
          is_missing_cell(cell) ? columns_[j].add_missing() : columns_[j].add_text(cell);
        if (j + 1 < columns_.size()) ++p_;
      }
      next_line();
    }
  }

  [[nodiscard]] Table table() {
    Table table(TableOrigin{.file = name_, .lines = std::move(lines_)});
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      ColumnReader& column = columns_[j];
      if (column.numeric && column.infinite_line > 0)
        fail("column \"" + names_[j] +
                 "\": an infinite number; correct the cell, or name it as missing (--na)",
             column.infinite_line, static_cast<Index>(j) + 1);
      if (column.numeric)
        table.add(names_[j], column.take_numbers());
      else
        table.add(names_[j], column.take_factor());
      column = {};
    }
    return table;
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  const CsvOptions& options_;
  std::string name_;
  std::array<bool, 256> starts_missing_{};
  char separator_ = 0;
  char decimal_ = '.';
  Index line_ = 1;
  const char* data_ = nullptr;  ///< start of the first row after the header
  Index data_line_ = 0;
  std::vector<std::string> names_;
  std::vector<ColumnReader> columns_;
  std::vector<Index> lines_;
  std::vector<std::size_t>* row_starts_ = nullptr;
  std::string scratch_;
};

}  // namespace rapport::detail
