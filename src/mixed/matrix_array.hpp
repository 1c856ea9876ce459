#pragma once

#include <rapport/base/eigen.hpp>

#include <algorithm>
#include <vector>

namespace rapport {

/// Many matrices of one size in one piece of memory, 0 at first.
class MatrixArray {
 public:
  MatrixArray() = default;
  MatrixArray(Index count, Index rows, Index columns)
      : rows_(rows), columns_(columns), values_(static_cast<std::size_t>(count * rows * columns)) {}

  [[nodiscard]] Index size() const {
    return rows_ * columns_ == 0 ? 0 : static_cast<Index>(values_.size()) / (rows_ * columns_);
  }
  void resize(Index count) { values_.resize(static_cast<std::size_t>(count * rows_ * columns_)); }
  [[nodiscard]] double* data(Index i) { return values_.data() + i * rows_ * columns_; }
  [[nodiscard]] const double* data(Index i) const { return values_.data() + i * rows_ * columns_; }
  [[nodiscard]] Eigen::Map<Eigen::MatrixXd> operator[](Index i) {
    return {data(i), rows_, columns_};
  }
  [[nodiscard]] Eigen::Map<const Eigen::MatrixXd> operator[](Index i) const {
    return {data(i), rows_, columns_};
  }
  void set_zero() { std::fill(values_.begin(), values_.end(), 0.0); }

 private:
  Index rows_ = 0;
  Index columns_ = 0;
  std::vector<double> values_;
};

}  // namespace rapport
