#pragma once

#include <rapport/base/eigen.hpp>

#include <cstdint>
#include <vector>

namespace rapport::detail {

/// Units with at least two values, each value as its position among the distinct ones: the values
/// of unit u are `value[start[u]] … value[start[u + 1] − 1]`.
struct Units {
  std::vector<Index> start{0};
  std::vector<std::int32_t> value;
  Index distinct = 0;
  Index omitted = 0;

  [[nodiscard]] Index size() const { return static_cast<Index>(start.size()) - 1; }
  [[nodiscard]] Index values() const { return static_cast<Index>(value.size()); }

  /// Ends the unit whose values were appended since the last call.
  void close() {
    const Index begin = start.back();
    if (values() - begin < 2) {
      value.resize(static_cast<std::size_t>(begin));
      ++omitted;
    } else {
      start.push_back(values());
    }
  }

  template <class Visit>
  void visit(Index unit, const Visit& visit_value) const {
    const auto u = static_cast<std::size_t>(unit);
    for (Index i = start[u]; i < start[u + 1]; ++i) visit_value(value[static_cast<std::size_t>(i)]);
  }
  [[nodiscard]] Index count(Index unit) const {
    const auto u = static_cast<std::size_t>(unit);
    return start[u + 1] - start[u];
  }
};

/// Units, and the distinct values in ascending order.
struct Coded {
  Units units;
  Eigen::VectorXd values;
};

/// The units of `ratings`, a row each; units with one value or none are left out.
[[nodiscard]] Coded code_units(const MatrixView& ratings);

/// The units of `counts`, a row each and a column per category. Throws InvalidArgument unless the
/// counts are whole numbers from 0.
[[nodiscard]] Units units_of_counts(const MatrixView& counts);

}  // namespace rapport::detail
