#pragma once

#include <rapport/data/csv.hpp>
#include <rapport/data/json.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/formula.hpp>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

/// The cases of tests/reference/mixed/lmm.json: lme4, lmerTest and pbkrtest on published data.
namespace rapport::testing_support {

inline Eigen::VectorXd vector_of(const Json& array) {
  Eigen::VectorXd result(static_cast<Index>(array.items().size()));
  for (Index i = 0; i < result.size(); ++i)
    result[i] = array.items()[static_cast<std::size_t>(i)].number();
  return result;
}

inline Eigen::MatrixXd matrix_of(const Json& array) {
  const auto rows = static_cast<Index>(array.items().size());
  Eigen::MatrixXd result(rows, static_cast<Index>(array.items().front().items().size()));
  for (Index i = 0; i < rows; ++i)
    result.row(i) = vector_of(array.items()[static_cast<std::size_t>(i)]).transpose();
  return result;
}

inline Json read_json(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return parse_json(text.str(), path);
}

struct MixedReferenceCase {
  Design design;
  Criterion criterion;
  Json expected;
};

inline const Json& mixed_references() {
  static const Json all = read_json(RAPPORT_TEST_DATA "/mixed/lmm.json");
  return all;
}

inline std::vector<std::string> mixed_reference_names() {
  std::vector<std::string> names;
  for (const Json& item : mixed_references().items()) names.push_back(item.at("name").string());
  return names;
}

/// The columns that the reference computed from the simulated alliance panel.
inline void add_alliance_columns(Table& table) {
  const Eigen::VectorXd& alliance = table.numbers("wai_client");
  const Factor patient = table.factor("patient");
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(patient.level_count());
  Eigen::VectorXd count = sum;
  for (Index i = 0; i < alliance.size(); ++i) {
    sum[patient.codes[static_cast<std::size_t>(i)]] += alliance[i];
    count[patient.codes[static_cast<std::size_t>(i)]] += 1;
  }
  const Eigen::VectorXd mean = sum.cwiseQuotient(count);
  Eigen::VectorXd between(alliance.size());
  for (Index i = 0; i < alliance.size(); ++i)
    between[i] = mean[patient.codes[static_cast<std::size_t>(i)]];
  const Eigen::VectorXd within = alliance - between;
  table.add("alliance_within", within);
  table.add("alliance_between", Eigen::VectorXd(between.array() - mean.mean()));
  table.add("session0", Eigen::VectorXd(table.numbers("session").array() - 1));
}

inline MixedReferenceCase mixed_reference(const std::string& name) {
  for (const Json& item : mixed_references().items()) {
    if (item.at("name").string() != name) continue;
    const std::string data = item.at("data").string();
    Table table =
        read_csv(data == "sim_alliance.csv" ? RAPPORT_TEST_DATA "/alliance/simulated_panel.csv"
                                            : RAPPORT_TEST_DATA "/mixed/" + data);
    if (data == "sim_alliance.csv") add_alliance_columns(table);
    for (const auto& [column, levels] : item.at("levels").members()) {
      const Factor factor = table.factor(column);
      std::vector<std::string> text;
      for (const std::int32_t code : factor.codes)
        text.push_back(factor.levels[static_cast<std::size_t>(code)]);
      std::vector<std::string> order;
      for (const Json& level : levels.items()) order.push_back(level.string());
      table.set(column, make_factor(text, order));
    }
    return {make_design(parse_formula(item.at("formula").string()), table),
            item.at("method").string() == "reml" ? Criterion::reml : Criterion::ml, item};
  }
  throw InvalidArgument("mixed_reference: no case " + name);
}

}  // namespace rapport::testing_support
