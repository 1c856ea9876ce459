#pragma once

#include <rapport/alliance/outcome.hpp>

#include <string>
#include <vector>

namespace rapport {

/// A lagged effect within patients, with the previous value of the outcome held constant: the two
/// within-person models of `rapport lagged --model mixed`. With few sessions a patient both
/// estimates are biased (Nickell 1981); the cross-lagged panel model with random intercepts is not.
struct [[nodiscard]] LaggedInfluence {
  ContrastEstimate effect;          ///< of the predictor's deviation one session earlier
  ContrastEstimate autoregression;  ///< of the outcome's own deviation one session earlier
  double standardized;  ///< `effect` by the SDs of the deviations from the patients' means
  Index n_sessions;     ///< with a value in the session before
  Index n_patients;
};
LaggedInfluence lagged_influence(const FittedModel& model, const Table& table,
                                 const StudyColumns& columns);

/// Both directions: does x one session earlier tell y, and y one session earlier x?
struct [[nodiscard]] ReciprocalInfluence {
  FittedModel to_y;
  FittedModel to_x;
  LaggedInfluence x_to_y;
  LaggedInfluence y_to_x;
};
ReciprocalInfluence reciprocal_influence(const Table& table, const StudyColumns& columns,
                                         const std::string& x, const std::string& y,
                                         double level = 0.95);

/// The formula of the lagged effect of `predictor` on `outcome`: `outcome ~ session +
/// within(lag(predictor, …)) + …`.
[[nodiscard]] std::string lagged_formula(const StudyColumns& columns, const std::string& predictor,
                                         const std::string& outcome);

/// Alliance one, two, … k sessions earlier in one model, the outcome one session earlier held
/// constant: an influence that takes several sessions shows here where one lag misses it.
struct [[nodiscard]] DistributedLags {
  std::vector<ContrastEstimate>
      effects;  ///< of the predictor's deviation 1, 2, … k sessions before
  /// Sums of the first 1, 2, … k effects, with the standard errors of the sums: what a lasting rise
  /// of a point has brought after as many sessions.
  std::vector<ContrastEstimate> cumulative;
  ContrastEstimate autoregression;
  Index n_sessions;  ///< with the k sessions before
  Index n_patients;
};
/// `lags` ≥ 1.
[[nodiscard]] std::string distributed_lag_formula(const StudyColumns& columns,
                                                  const std::string& predictor,
                                                  const std::string& outcome, Index lags);
DistributedLags distributed_lags(const FittedModel& model, const Table& table,
                                 const StudyColumns& columns, Index lags);

/// The lagged effect when sessions are unequally spaced: what carries over from one session to the
/// next stands in the residuals, which correlate by ρ^elapsed (continuous-time autoregression), in
/// place of the previous outcome. Needs `columns.time`.
struct [[nodiscard]] ContinuousTimeInfluence {
  ContrastEstimate effect;  ///< of the predictor's deviation one session earlier
  double rho;               ///< correlation of the residuals one unit of time apart
  double half_life;   ///< units of time in which that correlation halves; NaN for ρ of 0 or 1
  double median_gap;  ///< time between neighbouring sessions
  Index n_sessions;
  Index n_patients;
};
/// `outcome ~ time + within(lag(predictor, …)) + between(predictor, …) + (1 | patient)`; residuals:
/// SerialResiduals{time, patient}.
[[nodiscard]] std::string continuous_time_formula(const StudyColumns& columns,
                                                  const std::string& predictor,
                                                  const std::string& outcome);
ContinuousTimeInfluence continuous_time_influence(const FittedModel& model, const Table& table,
                                                  const StudyColumns& columns);

}  // namespace rapport
