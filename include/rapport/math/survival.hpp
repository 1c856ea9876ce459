#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>

#include <limits>
#include <vector>

namespace rapport {

/// The scale on which a survival curve's intervals are symmetric.
enum class SurvivalInterval { log_log, log, plain };

struct SurvivalOptions {
  SurvivalInterval interval = SurvivalInterval::log_log;
  double confidence_level = 0.95;
  /// Up to where the restricted mean is taken; NaN: the largest time.
  double restriction = std::numeric_limits<double>::quiet_NaN();
};

/// A survival curve at the distinct times of the data, ascending; S is constant in between.
struct [[nodiscard]] SurvivalCurve {
  Eigen::VectorXd time;
  Eigen::VectorXd at_risk;   ///< just before the time
  Eigen::VectorXd events;    ///< at the time
  Eigen::VectorXd censored;  ///< at the time, taken to come after the events
  Eigen::VectorXd survival;
  Eigen::VectorXd standard_error;  ///< Greenwood's; NaN once everybody has had the event
  Eigen::VectorXd ci_lower;
  Eigen::VectorXd ci_upper;
  double median;  ///< the time at which S falls to a half (the middle of a plateau at a half); NaN
                  ///< if it does not
  ConfidenceInterval median_ci;  ///< where the limits of S fall to a half (Brookmeyer & Crowley
                                 ///< 1982)
  double restricted_mean;        ///< ∫ S from 0 to `restriction`
  double restricted_mean_standard_error;
  double restriction;
  Index n;
  Index n_events;
};

/// Kaplan & Meier (1958). `time` ≥ 0; `event` is 1 where it ended in the event, 0 where censored.
/// Throws InvalidArgument for sizes that differ, no row, times that are negative or not finite, and
/// events other than 0 and 1.
SurvivalCurve kaplan_meier(const VectorView& time, const std::vector<int>& event,
                           const SurvivalOptions& options = {});

/// The probability of each cause by each distinct time, competing with the others.
struct [[nodiscard]] CumulativeIncidence {
  Eigen::VectorXd time;
  Eigen::VectorXd at_risk;
  Eigen::MatrixXd events;          ///< times × causes
  Eigen::MatrixXd incidence;       ///< times × causes
  Eigen::MatrixXd standard_error;  ///< of Greenwood's type (Andersen et al. 1993, 4.4.19)
  Eigen::MatrixXd ci_lower;        ///< symmetric on the scale of log(−log(1 − incidence))
  Eigen::MatrixXd ci_upper;
  Eigen::VectorXd survival;  ///< 1 − Σ incidence
  Index n;
};

/// Aalen & Johansen (1978). `cause` is 0 where censored, else 1 … `causes`. Throws InvalidArgument
/// as kaplan_meier does.
CumulativeIncidence cumulative_incidence(const VectorView& time, const std::vector<int>& cause,
                                         int causes, const SurvivalOptions& options = {});

/// Are the curves of several groups one?
struct [[nodiscard]] LogRankTest {
  Eigen::VectorXd n;         ///< per group
  Eigen::VectorXd observed;  ///< events
  Eigen::VectorXd expected;  ///< if the hazards were equal
  double statistic;          ///< χ² on `df`; NaN without events or with one group
  double df;
  double p_value;
  double trend_statistic;  ///< χ² on 1 df for a hazard that rises or falls with the groups' order
                           ///< (Tarone 1975)
  double trend_p_value;
};

/// Mantel's (1966) test. `group` counts from 0 to `groups` − 1; every group must occur.
LogRankTest log_rank_test(const VectorView& time, const std::vector<int>& event,
                          const std::vector<int>& group, int groups);

}  // namespace rapport
