#pragma once

#include <rapport/data/csv.hpp>

#include <map>
#include <string>

namespace rapport::testing {

/// The values of tests/reference/score/psych.csv, as "case.quantity".
inline const std::map<std::string, double>& reference_values() {
  static const std::map<std::string, double> values = [] {
    const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/psych.csv");
    std::map<std::string, double> out;
    for (Index i = 0; i < table.rows(); ++i)
      out[cell_text(table.column("case"), i) + "." + cell_text(table.column("quantity"), i)] =
          table.numbers("value")[i];
    return out;
  }();
  return values;
}

inline double reference(const std::string& name) { return reference_values().at(name); }

/// 300 rows of psych's bfi: A1 … A5, C1 … C5, keyed (A1, C4 and C5 reversed on 1 to 6).
inline Eigen::MatrixXd keyed_bfi() {
  const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/bfi_300.csv");
  Eigen::MatrixXd items =
      table.matrix({"A1", "A2", "A3", "A4", "A5", "C1", "C2", "C3", "C4", "C5"});
  for (const Index j : {0, 8, 9}) items.col(j) = (7 - items.col(j).array()).matrix();
  return items;
}

}  // namespace rapport::testing
