#pragma once

#include <rapport/data/panel.hpp>

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

}  // namespace rapport
