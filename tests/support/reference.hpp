#pragma once

#include <rapport/base/error.hpp>
#include <rapport/data/json.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

/// Reference values in tests/reference.
namespace rapport::testing_support {

/// The JSON file at `path` below tests/reference.
inline Json read_reference(const std::string& path) {
  const std::string file = RAPPORT_TEST_DATA "/" + path;
  std::ifstream in(file);
  if (!in) throw DataError("cannot be read", file);
  std::stringstream text;
  text << in.rdbuf();
  return parse_json(text.str(), file);
}

inline std::vector<std::string> strings(const Json& array) {
  std::vector<std::string> values;
  for (const Json& item : array.items()) values.push_back(item.string());
  return values;
}

}  // namespace rapport::testing_support
