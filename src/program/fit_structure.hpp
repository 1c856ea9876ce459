#pragma once

#include <rapport/mixed/ordinal.hpp>
#include <rapport/mixed/residual.hpp>

#include "fit.hpp"
#include <string>
#include <vector>

namespace rapport::program {

/// The residual structure as the command line names it.
struct StructureRequest {
  struct Variance {
    VarianceFunction function;
    std::string column;
  };
  ResidualCorrelation correlation = ResidualCorrelation::independent;
  std::string time;
  std::string group;
  std::vector<Variance> variance;
};

/// The structure on the rows of a design, and those rows of the design that miss nothing of it.
struct PreparedStructure {
  Design design;
  ResidualStructure structure;
  EffectColumns scale = {};  ///< of --scale; the last of the variance functions
};

/// Reads --residual and --variance. Throws UsageError.
[[nodiscard]] StructureRequest parse_structure(const FitArguments& arguments);

/// Evaluates a request on a table.
[[nodiscard]] PreparedStructure prepare_structure(const StructureRequest& request,
                                                  const Table& table, Design design);

}  // namespace rapport::program
