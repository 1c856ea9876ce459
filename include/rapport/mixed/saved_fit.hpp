#pragma once

#include <rapport/data/json.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/predict.hpp>

#include <optional>

namespace rapport {

/// A fit that can be kept in a file and used where the data are not: how rows are coded, and every
/// estimate.
struct SavedFit {
  Design design;  ///< the frame and the levels of the grouping factors, without rows
  MixedFit fit;
  std::optional<EffectEquations> equations = {};  ///< for the errors of conditional predictions
};

/// A fit of a design that was made from a formula, without its rows. `errors`: with what the
/// standard errors of conditional predictions need, which grows with the number of levels; only for
/// independent residuals, and for a fit that has its BLUPs. Throws InvalidArgument for a design
/// made by hand.
[[nodiscard]] SavedFit make_saved_fit(const Design& design, const MixedFit& fit,
                                      bool errors = true);

/// As from the design and the fit themselves. Without `equations`, standard errors of conditional
/// predictions are NaN.
[[nodiscard]] Predictions predict(const SavedFit& saved, const Table& rows,
                                  const PredictOptions& options = {},
                                  const Eigen::MatrixXd& fixed_covariance = {});

/// The saved fit as JSON, with a version of the format; numbers read back to the same doubles.
[[nodiscard]] Json to_json(const SavedFit& saved);

/// Reads what to_json wrote. Throws InvalidArgument naming the member that is missing or of another
/// kind, or a format version that is not known.
[[nodiscard]] SavedFit saved_fit_from_json(const Json& json);

}  // namespace rapport
