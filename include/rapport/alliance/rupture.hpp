#pragma once

#include <rapport/base/interval.hpp>
#include <rapport/data/panel.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// Named rules that find ruptures in a patient's session ratings of the alliance. "Next" is the
/// next session that was rated; first sessions, which have nothing before them, can be no rupture.
enum class RuptureRule {
  stiles,   ///< Stiles et al. (2004): V-shape; a drop of 2 SD from one session to the next, made
            ///< good by half within `repair_sessions`
  strauss,  ///< Strauss et al. (2006): at least 1 SD below the highest rating so far, recovered by
            ///< half later
  gumz,  ///< Gumz et al. (2012): a drop of 1 SD from one session to the next, by the larger of the
         ///< patient's SD and the sample's
  control_chart,  ///< Eubanks-Carter, Gorman & Muran (2012): below mean − 2.66 · mean |moving
                  ///< range| (XmR), by patient
  cusum,  ///< tabular lower CUSUM of the patient's standardised ratings below −h, allowance k
          ///< (Montgomery 2009)
  reliable_change,  ///< a drop beyond 1.96 · √2 · SEM from one session to the next (Jacobson &
                    ///< Truax 1991)
  srs_alert  ///< Session Rating Scale: a total below 36, or a drop of a point or more to such a
             ///< total (Duncan et al. 2003)
};

/// "stiles", "strauss", "gumz", "xmr", "cusum", "reliable-change", "srs".
[[nodiscard]] std::string_view name_of(RuptureRule rule);
[[nodiscard]] std::optional<RuptureRule> parse_rupture_rule(std::string_view text);

struct RuptureOptions {
  std::vector<RuptureRule> rules = {RuptureRule::stiles, RuptureRule::strauss,
                                    RuptureRule::gumz,   RuptureRule::control_chart,
                                    RuptureRule::cusum,  RuptureRule::reliable_change};
  double reliability = 0.9;      ///< of the rating, for the SEM of reliable change
  double gumz_sd = 1;            ///< 1 or 2 SD
  Index repair_sessions = 3;     ///< a repair has to follow within as many rated sessions
  double cusum_allowance = 0.5;  ///< k, in SD
  double cusum_limit = 4;        ///< h, in SD
  double srs_cutoff = 36;
};

/// One rupture. Its depth is the fall from the rating before; it is repaired when a rating among
/// the next `repair_sessions` stands at or above the rating before it less half the fall.
struct Rupture {
  RuptureRule rule;
  Index patient;   ///< level of Panel::patient
  double session;  ///< of the low rating
  double before;   ///< the rating that it fell from
  double low;
  double depth;  ///< before − low
  bool repaired;
  double repair_session;  ///< NaN if not repaired
  Index length;           ///< rated sessions from the low rating to the repair, or to the end
};

/// How often two rules name the same session.
struct RuleConcordance {
  RuptureRule first;
  RuptureRule second;
  Index both;
  Index only_first;
  Index only_second;
  Index neither;
  double kappa;  ///< Cohen's κ over rated sessions after the first; NaN if a rule names none or all
};

struct [[nodiscard]] RuptureAnalysis {
  std::vector<Rupture> ruptures;  ///< by rule, patient and session
  std::vector<RuleConcordance> concordance;
  double sd_between_ratings;  ///< SD of all ratings, which the rules in SD use
  double standard_error_of_measurement;
  Index n_sessions;  ///< rated sessions that could be a rupture
  Index n_patients;
};

/// Looks for ruptures in `alliance` (higher is better) by every rule.
RuptureAnalysis find_ruptures(const Panel& panel, const VectorView& alliance,
                              const RuptureOptions& options = {});

/// How the outcome goes on after ruptures by one rule: its mean over the next `repair_sessions`
/// sessions less its last value before the rupture. Ruptures are taken as independent; patients
/// with several are not, so read the interval as a guide.
struct RuptureAftermath {
  RuptureRule rule;
  Index n_repaired;  ///< with an outcome on both sides
  Index n_unrepaired;
  double change_repaired;  ///< mean; NaN without any
  double change_unrepaired;
  double difference;      ///< unrepaired − repaired; NaN below two of either
  double standard_error;  ///< Welch's
  ConfidenceInterval ci;
  double p_value;
};

/// One entry a rule that found any rupture.
[[nodiscard]] std::vector<RuptureAftermath> rupture_aftermath(const Panel& panel,
                                                              const RuptureAnalysis& analysis,
                                                              const VectorView& outcome,
                                                              Index sessions_after = 3,
                                                              double level = 0.95);

}  // namespace rapport
