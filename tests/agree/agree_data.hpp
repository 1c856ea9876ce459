#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>

#include <fstream>
#include <sstream>
#include <string>

/// Data that several tests share; sources stand beside each.
namespace rapport::agree_data {

/// Shrout & Fleiss (1979), table 2: 6 subjects, 4 judges.
inline Eigen::MatrixXd shrout_fleiss() {
  return Eigen::MatrixXd{{9, 2, 5, 8}, {6, 1, 3, 2}, {8, 4, 6, 8}, {7, 1, 2, 6}, {10, 5, 6, 9}, {6, 2, 4, 7}};
}

/// Fleiss (1971): 30 patients, 6 psychiatrists, 5 diagnoses (codes from 0).
inline Eigen::MatrixXi fleiss_diagnoses() {
  const Eigen::MatrixXi from_one{
      {4, 4, 4, 4, 4, 4}, {2, 2, 2, 5, 5, 5}, {2, 3, 3, 3, 3, 5}, {5, 5, 5, 5, 5, 5}, {2, 2, 2, 4, 4, 4},
      {1, 1, 3, 3, 3, 3}, {3, 3, 3, 3, 5, 5}, {1, 1, 3, 3, 3, 4}, {1, 1, 4, 4, 4, 4}, {5, 5, 5, 5, 5, 5},
      {1, 4, 4, 4, 4, 4}, {1, 2, 4, 4, 4, 4}, {2, 2, 2, 3, 3, 3}, {1, 4, 4, 4, 4, 4}, {2, 2, 4, 4, 4, 5},
      {3, 3, 3, 3, 3, 5}, {1, 1, 1, 4, 5, 5}, {1, 1, 1, 1, 1, 2}, {2, 2, 4, 4, 4, 4}, {1, 3, 3, 5, 5, 5},
      {5, 5, 5, 5, 5, 5}, {2, 4, 4, 4, 4, 4}, {2, 2, 4, 5, 5, 5}, {1, 1, 4, 4, 4, 4}, {1, 4, 4, 4, 4, 5},
      {2, 2, 2, 2, 2, 4}, {1, 1, 1, 1, 5, 5}, {2, 2, 4, 4, 4, 4}, {1, 3, 3, 3, 3, 3}, {5, 5, 5, 5, 5, 5}};
  return (from_one.array() - 1).matrix();
}

/// Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: 12 units, 4 observers.
inline Eigen::MatrixXd krippendorff_units() {
  const double x = missing;
  return Eigen::MatrixXd{{1, 1, x, 1}, {2, 2, 3, 2}, {3, 3, 3, 3}, {3, 3, 3, 3}, {2, 2, 2, 2}, {1, 2, 3, 4},
                         {4, 4, 4, 4}, {1, 1, 2, 1}, {2, 2, 2, 2}, {x, 5, 5, 5}, {x, x, 1, 1}, {x, x, 3, x}};
}

/// The same as codes from 0.
inline Eigen::MatrixXi krippendorff_codes() {
  const Eigen::MatrixXd values = krippendorff_units();
  return values.array().isNaN().select(-1, values.array() - 1).cast<int>();
}

/// Ratings of 20 subjects by 3 raters (irr::anxiety, artificial).
inline Eigen::MatrixXd anxiety() {
  return Eigen::MatrixXd{{3, 3, 2}, {3, 6, 1}, {3, 4, 4}, {4, 6, 4}, {5, 2, 3}, {5, 4, 2}, {2, 2, 1},
                         {3, 4, 6}, {5, 3, 1}, {2, 3, 1}, {2, 2, 1}, {6, 3, 2}, {1, 3, 3}, {5, 3, 3},
                         {2, 2, 1}, {2, 2, 1}, {1, 1, 3}, {2, 3, 3}, {4, 3, 2}, {3, 4, 2}};
}

inline Table table(const std::string& name) {
  return read_csv(std::string(RAPPORT_TEST_DATA) + "/agree/" + name);
}

/// A member of tests/reference/agree/agree.json.
inline const Json& reference(const std::string& key) {
  static const Json all = [] {
    std::ifstream in(std::string(RAPPORT_TEST_DATA) + "/agree/agree.json");
    std::stringstream text;
    text << in.rdbuf();
    return parse_json(text.str(), "agree.json");
  }();
  return all.at(key);
}

inline double number(const Json& json, std::size_t i) { return json.items().at(i).number(); }

}  // namespace rapport::agree_data
