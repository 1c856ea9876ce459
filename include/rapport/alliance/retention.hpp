#pragma once

#include <rapport/alliance/person_period.hpp>
#include <rapport/math/survival.hpp>

#include <string>
#include <vector>

namespace rapport {

struct RetentionOptions {
  Index groups = 3;          ///< of patients by their early alliance: 3 makes tertiles
  Index early_sessions = 1;  ///< rated sessions 1 … k whose mean is the early alliance
  SurvivalInterval interval = SurvivalInterval::log_log;
  double confidence_level = 0.95;
};

/// How long the patients of one group stay.
struct RetentionGroup {
  std::string label;  ///< "all", "low", "middle", "high", or "1 of 4" …
  double alliance_minimum;
  double alliance_maximum;
  SurvivalCurve retention;  ///< not having left; those who ended otherwise are censored
  /// Of leaving (cause 1) and of ending as planned (cause 2), each in the presence of the other.
  CumulativeIncidence incidence;
};

/// Who stays how long, by the alliance with which treatment began.
struct [[nodiscard]] Retention {
  std::vector<RetentionGroup> groups;  ///< all patients first
  LogRankTest log_rank;  ///< of the cause-specific hazards of leaving in the groups by alliance
  Index early_sessions;
  Index n_used;
  Index n_before_landmark;  ///< patients gone before session k: left out, or their short stay would
                            ///< decide which group they are in (Anderson, Cain & Gelber 1983)
  Index n_unrated;          ///< patients without a rating up to session k: left out
};

/// Kaplan–Meier curves and cumulative incidence by quantile groups of the early alliance, in
/// sessions attended or numbered as the panel numbers them. Restricted means reach to the last
/// session that every group has somebody at risk in. Throws DataError if fewer than two groups have
/// patients.
Retention retention_by_alliance(const PersonPeriod& period, const RetentionOptions& options = {});

}  // namespace rapport
