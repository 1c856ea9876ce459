#include "krippendorff_units.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace rapport::detail {
namespace {

using Eigen::VectorXd;

/// Distinct values in ascending order.
std::vector<double> distinct_values(const MatrixView& ratings) {
  std::vector<double> sorted;
  sorted.reserve(static_cast<std::size_t>(ratings.size()));
  for (Index j = 0; j < ratings.cols(); ++j)
    for (Index i = 0; i < ratings.rows(); ++i)
      if (!is_missing(ratings(i, j))) sorted.push_back(ratings(i, j));
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

/// The distinct values where all ratings are whole numbers not far from each other: a place for
/// each, found in one pass.
struct SmallWholeNumbers {
  static constexpr std::int64_t range = 2048;

  explicit SmallWholeNumbers(const MatrixView& ratings)
      : position_(static_cast<std::size_t>(range), -1) {
    for (Index j = 0; j < ratings.cols() && applies; ++j)
      for (Index i = 0; i < ratings.rows(); ++i)
        if (!is_missing(ratings(i, j))) applies = mark(ratings(i, j)) && applies;
    for (std::size_t s = 0; s < position_.size() && applies; ++s)
      if (position_[s] == 0) {
        position_[s] = static_cast<std::int32_t>(values.size());
        values.push_back(static_cast<double>(static_cast<std::int64_t>(s) + least_));
      }
  }

  [[nodiscard]] std::int32_t operator()(double x) const {
    return position_[static_cast<std::size_t>(static_cast<std::int64_t>(x) - least_)];
  }

  bool applies = true;
  std::vector<double> values;

 private:
  bool mark(double x) {
    if (!(std::abs(x) < 1e9)) return false;
    const auto whole = static_cast<std::int64_t>(x);
    if (empty_) least_ = whole - range / 2;
    empty_ = false;
    const std::int64_t slot = whole - least_;
    if (static_cast<double>(whole) != x || slot < 0 || slot >= range) return false;
    position_[static_cast<std::size_t>(slot)] = 0;
    return true;
  }

  std::vector<std::int32_t> position_;
  std::int64_t least_ = 0;
  bool empty_ = true;
};

/// Appends the units of `ratings`, with `position(x)` the place of x among the distinct values.
template <class Position>
Units collect(const MatrixView& ratings, Index distinct, const Position& position) {
  Units units;
  units.distinct = distinct;
  units.value.reserve(static_cast<std::size_t>(ratings.size()));
  units.start.reserve(static_cast<std::size_t>(ratings.rows() + 1));
  for (Index i = 0; i < ratings.rows(); ++i) {
    for (Index j = 0; j < ratings.cols(); ++j)
      if (!is_missing(ratings(i, j))) units.value.push_back(position(ratings(i, j)));
    units.close();
  }
  return units;
}

VectorXd to_vector(const std::vector<double>& values) {
  return Eigen::Map<const VectorXd>(values.data(), static_cast<Index>(values.size()));
}

}  // namespace

Coded code_units(const MatrixView& ratings) {
  const SmallWholeNumbers whole(ratings);
  if (whole.applies)
    return {collect(ratings, static_cast<Index>(whole.values.size()), whole),
            to_vector(whole.values)};
  const std::vector<double> values = distinct_values(ratings);
  Units units = collect(ratings, static_cast<Index>(values.size()), [&](double x) {
    return static_cast<std::int32_t>(std::lower_bound(values.begin(), values.end(), x) -
                                     values.begin());
  });
  return {std::move(units), to_vector(values)};
}

Units units_of_counts(const MatrixView& counts) {
  Units units;
  units.distinct = counts.cols();
  for (Index i = 0; i < counts.rows(); ++i) {
    for (Index k = 0; k < counts.cols(); ++k) {
      const double c = counts(i, k);
      if (!(c >= 0) || c != std::floor(c) || c > 1e6)
        throw InvalidArgument(
            "krippendorff_alpha: `counts` must be whole numbers of raters, 0 or more");
      units.value.insert(units.value.end(), static_cast<std::size_t>(c),
                         static_cast<std::int32_t>(k));
    }
    units.close();
  }
  return units;
}

}  // namespace rapport::detail
