#pragma once

#include <rapport/agree/bland_altman.hpp>
#include <rapport/agree/concordance.hpp>
#include <rapport/agree/dyad.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/alliance/outcome.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// How far two raters agree on the same sessions, or on the same patients' means.
struct [[nodiscard]] RaterAgreement {
  BlandAltmanResult bland_altman;  ///< first − second
  IccResult icc;
  ConcordanceResult concordance;
};

/// Two raters at one session: bias and accuracy.
struct SessionAgreement {
  double session;
  Index n;               ///< patients whom both rated
  double difference;     ///< mean of first − second; NaN for none
  double sd_difference;  ///< NaN below two
  double correlation;    ///< NaN below three or without variance
};

/// Two raters over a study.
struct [[nodiscard]] PairAgreement {
  StudyRater first;
  StudyRater second;
  RaterAgreement sessions;  ///< as if sessions were independent
  std::optional<RaterAgreement>
      means;  ///< of the patients' means over the sessions that both rated
  std::vector<SessionAgreement> by_session;
  std::optional<ConvergenceResult> convergence;  ///< over session numbers; absent for one session
};

/// `x` where both are present, else missing.
[[nodiscard]] Eigen::VectorXd paired_with(const VectorView& x, const VectorView& other);

/// Throws DataError if the two never rate the same session.
PairAgreement pair_agreement(const Table& table, const Panel& panel, const StudyRater& first,
                             const StudyRater& second, double level = 0.95);

/// Three and more raters at once.
struct [[nodiscard]] RaterGroupAgreement {
  std::vector<StudyRater> raters;
  IccResult icc;                  ///< over sessions
  ConcordanceResult concordance;  ///< over sessions that all rated
  Index n_split;                  ///< sessions whose ratings lie more than `threshold` apart
  Index n_compared;               ///< sessions with two ratings or more
  double threshold;               ///< one SD of all ratings
};
RaterGroupAgreement group_agreement(const Table& table, const std::vector<StudyRater>& raters,
                               double level = 0.95);

}  // namespace rapport
