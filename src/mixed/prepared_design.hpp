#pragma once

#include <rapport/mixed/design.hpp>

#include "model_columns.hpp"
#include <map>
#include <memory>
#include <string>
#include <vector>

/// Not installed: a design whose columns have not been made.
namespace rapport::detail {

/// A grouping factor, as it stands in the table or made from it.
struct PreparedGroup {
  const Factor* in_table = nullptr;
  Factor made = {};

  [[nodiscard]] const Factor& factor() const { return in_table != nullptr ? *in_table : made; }
};

/// A formula's variables on the rows of a table that miss none of them; refers to the table.
struct PreparedDesign {
  Design design;  ///< frame, terms, weights, offset and n_omitted; no response and no columns
  VariableValues response;
  std::vector<VariableValues> values;           ///< of the frame's variables
  std::map<std::string, PreparedGroup> groups;  ///< by the label of RandomTerm::factor
};

/// The columns of the table (and panel calls) that an expression rests on, each once;
/// `categorical` says of each whether it is, by itself or within factor().
void collect_inputs(const Expression& expression, const Table& table, bool within_factor,
                    std::vector<ModelInput>& inputs, std::vector<bool>& categorical);

/// make_design() but for the columns. `design.rows` stays empty where no row is left out, and
/// levels of grouping factors that do not occur are left in.
[[nodiscard]] PreparedDesign prepare_design(const Formula& formula, const Table& table,
                                            const DesignOptions& options);

}  // namespace rapport::detail
