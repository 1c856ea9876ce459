#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/design.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rapport {

/// The rows of `values` (subjects × raters) without a missing value.
[[nodiscard]] inline std::vector<Index> complete_rows(const MatrixView& values) {
  std::vector<Index> rows;
  for (Index i = 0; i < values.rows(); ++i)
    if (!values.row(i).array().isNaN().any()) rows.push_back(i);
  return rows;
}

/// The given entries, in the given order.
[[nodiscard]] inline Eigen::VectorXd pick(const VectorView& values,
                                          const std::vector<Index>& entries) {
  Eigen::VectorXd picked(static_cast<Index>(entries.size()));
  for (Index i = 0; i < picked.size(); ++i)
    picked[i] = values[entries[static_cast<std::size_t>(i)]];
  return picked;
}

/// The given rows, in the given order.
[[nodiscard]] inline Eigen::MatrixXd pick_rows(const MatrixView& values,
                                               const std::vector<Index>& rows) {
  Eigen::MatrixXd picked(static_cast<Index>(rows.size()), values.cols());
  for (Index j = 0; j < values.cols(); ++j)
    for (Index i = 0; i < picked.rows(); ++i)
      picked(i, j) = values(rows[static_cast<std::size_t>(i)], j);
  return picked;
}

/// The codes of some rows as 0 … count − 1, in the order of first appearance.
struct ConsecutiveCodes {
  std::vector<std::int32_t> codes;
  Index count = 0;
};

/// `codes` at `rows`, where none is negative.
[[nodiscard]] inline ConsecutiveCodes consecutive_codes(const std::vector<std::int32_t>& codes,
                                                        const std::vector<Index>& rows) {
  ConsecutiveCodes result;
  std::vector<std::int32_t> place;
  for (const Index row : rows) {
    const auto code = static_cast<std::size_t>(codes[static_cast<std::size_t>(row)]);
    if (code >= place.size()) place.resize(code + 1, -1);
    if (place[code] < 0) place[code] = static_cast<std::int32_t>(result.count++);
    result.codes.push_back(place[code]);
  }
  return result;
}

/// The random intercept of `factor` for a mixed model; its levels are numbered from 1.
[[nodiscard]] inline RandomTerm random_intercept(std::string factor,
                                                 const ConsecutiveCodes& groups) {
  RandomTerm term{.factor = std::move(factor),
                  .terms = {"(Intercept)"},
                  .columns = Eigen::MatrixXd::Ones(static_cast<Index>(groups.codes.size()), 1),
                  .group = groups.codes,
                  .levels = {}};
  for (Index g = 1; g <= groups.count; ++g) term.levels.push_back(std::to_string(g));
  return term;
}

}  // namespace rapport
