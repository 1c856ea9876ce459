#pragma once

#include <rapport/alliance/meta_data.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rapport::test {

inline std::string meta_path(const std::string& file) {
  return std::string(RAPPORT_TEST_DATA) + "/meta/" + file;
}

/// metafor's values by key.
inline double metafor(const std::string& key) {
  static const std::map<std::string, double> values = [] {
    const Table table = read_csv(meta_path("metafor.csv"));
    std::map<std::string, double> read;
    for (Index i = 0; i < table.rows(); ++i)
      read[cell_text(table.column("key"), i)] = table.numbers("value")[i];
    return read;
  }();
  const auto found = values.find(key);
  if (found == values.end()) ADD_FAILURE() << "no reference value " << key;
  return found == values.end() ? NAN : found->second;
}

inline double metafor(const std::string& key, Index i) {
  return metafor(key + "[" + std::to_string(i) + "]");
}

/// The BCG trials as log risk ratios (Colditz et al. 1994).
inline MetaData bcg(const std::vector<std::string>& moderators = {}) {
  Table table = read_csv(meta_path("bcg.csv"));
  let(table, "yi = log((tpos / (tpos + tneg)) / (cpos / (cpos + cneg)))");
  let(table, "vi = 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg)");
  return make_meta_data(
      table, {.effect = "yi", .variance = "vi", .label = "author", .moderators = moderators});
}

/// Conscientiousness and adherence (Molloy et al. 2014).
inline MetaData molloy(const std::vector<std::string>& moderators = {}) {
  return make_meta_data(
      read_csv(meta_path("molloy2014.csv")),
      {.correlation = "ri", .size = "ni", .label = "authors", .moderators = moderators});
}

/// Effects nested in studies (Assink & Wibbelink 2016).
inline MetaData assink(const std::vector<std::string>& moderators = {}) {
  return make_meta_data(read_csv(meta_path("assink2016.csv")), {.effect = "yi",
                                                                .variance = "vi",
                                                                .study = "study",
                                                                .effect_id = "esid",
                                                                .moderators = moderators});
}

/// Schools in districts (Konstantopoulos 2011).
inline MetaData konstantopoulos(const std::vector<std::string>& moderators = {}) {
  return make_meta_data(read_csv(meta_path("konstantopoulos2011.csv")), {.effect = "yi",
                                                                         .variance = "vi",
                                                                         .study = "district",
                                                                         .effect_id = "school",
                                                                         .moderators = moderators});
}

}  // namespace rapport::test
