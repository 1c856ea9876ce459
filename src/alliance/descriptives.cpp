#include <rapport/alliance/descriptives.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include <set>
#include <vector>

namespace rapport {

SessionCounts session_counts(const Panel& panel, const MatrixView& variables) {
  require_same_size("session_counts", "variables", variables.rows(), "panel", panel.rows());
  Eigen::VectorXd sessions = Eigen::VectorXd::Zero(panel.patients());
  std::set<std::int32_t> therapists;
  for (const Index row : panel.order) {
    if (variables.row(row).array().isNaN().all()) continue;
    sessions[panel.patient.codes[static_cast<std::size_t>(row)]] += 1;
    if (panel.has_therapist())
      therapists.insert(panel.therapist.codes[static_cast<std::size_t>(row)]);
  }
  const Eigen::VectorXd seen = sessions.unaryExpr([](double n) { return n > 0 ? n : missing; });
  const Moments all = moments(seen);
  return {.patients = all.n_used,
          .therapists = static_cast<Index>(therapists.size()),
          .sessions = static_cast<Index>(sessions.sum()),
          .mean = all.mean,
          .median = all.n_used > 0 ? median(seen) : missing,
          .minimum = all.minimum,
          .maximum = all.maximum};
}

}  // namespace rapport
