#pragma once

#include <rapport/base/eigen.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rapport {

/// Base of everything that rapport throws on purpose. `what()` is one line a person can act on.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The call is wrong: sizes differ, a level lies outside (0, 1), a column does not exist.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// The data cannot be read, or do not fit the key or the model. `line` and `column` count from 1; 0
/// means the whole file.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message) {}
  /// Puts "FILE:LINE:COLUMN: " before the message, as far as the place is known.
  DataError(const std::string& message, std::string file, Index line = 0, Index column = 0);

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Index line() const { return line_; }
  [[nodiscard]] Index column() const { return column_; }

 private:
  std::string file_;
  Index line_ = 0;
  Index column_ = 0;
};

/// A listener of Progress asked a long computation to stop.
class Interrupted : public Error {
 public:
  using Error::Error;
};

/// A formula or an expression that cannot be read. `position` is the offset in bytes of the fault
/// in `text`.
class FormulaError : public Error {
 public:
  FormulaError(const std::string& message, std::string text, std::size_t position);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  /// Two lines: the text, and a caret under the fault.
  [[nodiscard]] std::string caret() const;

 private:
  std::string text_;
  std::size_t position_;
};

/// Throws InvalidArgument("function: `name` is VALUE; must lie strictly between 0 and 1") unless 0
/// < level < 1.
void require_level(std::string_view function, std::string_view name, double level);

/// Throws InvalidArgument, with both sizes in the message, unless they are equal.
void require_same_size(std::string_view function, std::string_view a, Index size_a,
                       std::string_view b, Index size_b);

/// Throws InvalidArgument unless `size >= least`.
void require_at_least(std::string_view function, std::string_view name, Index size, Index least);

/// Throws InvalidArgument if any value is infinite (NaN is a missing value and passes).
void require_no_infinity(std::string_view function, std::string_view name,
                         const VectorView& values);

/// The candidate nearest to `word` in edit distance, or an empty string when none is near: for "did
/// you mean".
template <class Strings>
std::string nearest_name(std::string_view word, const Strings& candidates);

namespace detail {
std::size_t edit_distance(std::string_view a, std::string_view b);
}

template <class Strings>
std::string nearest_name(std::string_view word, const Strings& candidates) {
  std::string best;
  std::size_t least = word.size() / 2 + 2;
  for (const auto& candidate : candidates) {
    const std::size_t distance = detail::edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace rapport
