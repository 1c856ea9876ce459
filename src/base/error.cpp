#include <rapport/base/error.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

namespace rapport {
namespace {

std::string located(const std::string& message, const std::string& file, Index line, Index column) {
  std::ostringstream out;
  out << file;
  if (line > 0) out << ':' << line;
  if (line > 0 && column > 0) out << ':' << column;
  out << ": " << message;
  return out.str();
}

}  // namespace

DataError::DataError(const std::string& message, std::string file, Index line, Index column)
    : Error(located(message, file, line, column)),
      file_(std::move(file)),
      line_(line),
      column_(column) {}

FormulaError::FormulaError(const std::string& message, std::string text, std::size_t position)
    : Error(message), text_(std::move(text)), position_(std::min(position, text_.size())) {}

std::string FormulaError::caret() const {
  std::string pad;
  for (std::size_t i = 0; i < position_; ++i) {
    const auto byte = static_cast<unsigned char>(text_[i]);
    if ((byte & 0xC0U) != 0x80U) pad += byte == '\t' ? '\t' : ' ';  // one column a UTF-8 character
  }
  return text_ + '\n' + pad + '^';
}

void require_level(std::string_view function, std::string_view name, double level) {
  if (level > 0 && level < 1) return;
  std::ostringstream message;
  message << function << ": `" << name << "` is " << level << "; must lie strictly between 0 and 1";
  throw InvalidArgument(message.str());
}

void require_same_size(std::string_view function, std::string_view a, Index size_a,
                       std::string_view b, Index size_b) {
  if (size_a == size_b) return;
  std::ostringstream message;
  message << function << ": `" << a << "` has " << size_a << " values but `" << b << "` has "
          << size_b << "; they must be of one length";
  throw InvalidArgument(message.str());
}

void require_at_least(std::string_view function, std::string_view name, Index size, Index least) {
  if (size >= least) return;
  std::ostringstream message;
  message << function << ": `" << name << "` has " << size << "; at least " << least << " required";
  throw InvalidArgument(message.str());
}

void require_no_infinity(std::string_view function, std::string_view name,
                         const VectorView& values) {
  for (Index i = 0; i < values.size(); ++i) {
    if (!std::isinf(values[i])) continue;
    std::ostringstream message;
    message << function << ": `" << name << "` is infinite at position " << i
            << "; values must be finite or missing";
    throw InvalidArgument(message.str());
  }
}

std::size_t detail::edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<std::size_t> previous(b.size() + 1);
  std::vector<std::size_t> current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution =
          previous[j - 1] + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
    }
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace rapport
