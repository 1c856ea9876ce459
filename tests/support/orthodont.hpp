#pragma once

#include <rapport/data/csv.hpp>

#include <utility>

namespace rapport::testing_support {

/// nlme's Orthodont: 27 children, four ages; Sex with males first, as there.
inline const Table& orthodont() {
  static const Table table = [] {
    Table read = read_csv(RAPPORT_TEST_DATA "/mixed/orthodont.csv");
    Factor sex = read.factor("Sex");
    if (sex.levels.front() == "Female") {
      sex.levels = {"Male", "Female"};
      for (std::int32_t& code : sex.codes) code = 1 - code;
    }
    read.set("Sex", std::move(sex));
    return read;
  }();
  return table;
}

}  // namespace rapport::testing_support
