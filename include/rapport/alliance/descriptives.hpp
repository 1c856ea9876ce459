#pragma once

#include <rapport/base/interval.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/math/moments.hpp>

#include <string>
#include <vector>

namespace rapport {

/// How many sessions the patients of a panel have.
struct [[nodiscard]] SessionCounts {
  Index patients;    ///< with at least one session
  Index therapists;  ///< 0 without therapists
  Index sessions;
  double mean;
  double median;
  double minimum;
  double maximum;
};

/// Counts the sessions in which any of `variables` (n × k, k ≥ 1) is present.
SessionCounts session_counts(const Panel& panel, const MatrixView& variables);

/// One variable over a panel's sessions.
struct [[nodiscard]] VariableDescription {
  std::string name;
  Moments moments;
  double sd_within;    ///< of the deviations from the patients' means
  double sd_between;   ///< of the patients' means
  double icc;          ///< share of the variance between patients (one-way random effects)
  double reliability;  ///< λ of the patients' means
};
VariableDescription describe(const Panel& panel, const VectorView& x, const std::string& name);

/// Alliance and outcome at one session, over the patients who have it.
struct [[nodiscard]] SessionDescription {
  double session;
  Index n_alliance;
  Index n_outcome;
  double alliance_mean;
  double outcome_mean;
  Index n_both;
  double correlation;     ///< Pearson's r of patients with both; NaN below 3 or without variance
  ConfidenceInterval ci;  ///< by Fisher's z; NaN below 4
};
/// One description a session number that occurs, ascending.
[[nodiscard]] std::vector<SessionDescription> describe_sessions(const Panel& panel,
                                                                const VectorView& alliance,
                                                                const VectorView& outcome,
                                                                double level = 0.95);

}  // namespace rapport
