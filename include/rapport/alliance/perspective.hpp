#pragma once

#include <rapport/alliance/fitted_model.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/base/random.hpp>
#include <rapport/correlate/compare.hpp>
#include <rapport/math/resample.hpp>

namespace rapport {

/// Whose rating of the alliance tells more about the outcome: the client's or the therapist's?
struct [[nodiscard]] PerspectiveComparison {
  ContrastEstimate client_within;  ///< both ratings in one model
  ContrastEstimate therapist_within;
  ContrastEstimate client_between;
  ContrastEstimate therapist_between;
  /// Within patients, per SD of each rating's deviations: client − therapist.
  ContrastEstimate standardized_difference;
  /// r(final outcome, early client rating) − r(final outcome, early therapist rating), dependent
  /// correlations over patients.
  ComparisonResult correlations;
  double r_squared;  ///< of the final outcome by both early ratings
  BootstrapResult
      client_share;  ///< of r_squared, averaged over both orders (Lindeman, Merenda & Gold 1980)
  BootstrapResult therapist_share;
};

/// The formula of the joint model: outcome ~ session + within and between parts of both ratings +
/// random.
[[nodiscard]] std::string perspective_formula(const StudyColumns& columns,
                                              bool random_slope = true);

/// `patients` as made by patient_table, with both early ratings.
PerspectiveComparison compare_perspectives(const FittedModel& model, const Table& table,
                                           const Table& patients, const StudyColumns& columns,
                                           Seed seed, const BootstrapOptions& options = {});

}  // namespace rapport
