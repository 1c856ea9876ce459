#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/fit.hpp>

namespace rapport {

/// A fit that can be kept in a file and used where the data are not: how rows are coded, and every
/// estimate.
struct SavedFit {
  Design design;  ///< the frame and the levels of the grouping factors, without rows
  MixedFit fit;
};

/// A fit of a design that was made from a formula, without its rows. Throws InvalidArgument for a
/// design made by hand.
[[nodiscard]] SavedFit make_saved_fit(const Design& design, const MixedFit& fit);

/// The saved fit as JSON, with a version of the format; numbers read back to the same doubles.
[[nodiscard]] Json to_json(const SavedFit& saved);

/// Reads what to_json wrote. predict() then gives estimates, and standard errors for the
/// population. Throws InvalidArgument naming the member that is missing or of another kind, or a
/// format version that is not known.
[[nodiscard]] SavedFit saved_fit_from_json(const Json& json);

}  // namespace rapport
