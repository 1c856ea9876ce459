#pragma once

#include <rapport/mixed/residual.hpp>

#include "residual_rows.hpp"

namespace rapport::detail {

[[nodiscard]] bool needs_times(ResidualCorrelation correlation);

/// Checks a structure on a design; throws what fit_residual_model promises.
void require_structure(const Design& design, const ResidualStructure& structure);
void require_times(const ResidualStructure& structure, const SortedRows& rows);

/// The rows of a checked structure.
[[nodiscard]] SortedRows structured_rows(const Design& design, const ResidualStructure& structure);

}  // namespace rapport::detail
