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
  gumz,     ///< Gumz et al. (2012): a decline, over one session or several, of 1 SD in all, by
            ///< the larger (stricter) of the patient's SD and the sample's
  gumz_strict,    ///< the same with 2 SD
  control_chart,  ///< Eubanks-Carter, Gorman & Muran (2012): below mean − 2.66 · mean |moving
                  ///< range| (XmR), by patient
  cusum,  ///< tabular lower CUSUM of the patient's standardised ratings below −h, allowance k
          ///< (Montgomery 2009)
  reliable_change,  ///< a drop beyond 1.96 · √2 · SEM from one session to the next (Jacobson &
                    ///< Truax 1991)
  srs_alert  ///< Session Rating Scale: a total below 36, or a line below 9 where lines are given,
             ///< or a drop of `srs_drop` (Duncan et al. 2003)
};

/// "stiles", "strauss", "gumz", "gumz-2sd", "xmr", "cusum", "reliable-change", "srs".
[[nodiscard]] std::string_view name_of(RuptureRule rule);
[[nodiscard]] std::optional<RuptureRule> parse_rupture_rule(std::string_view text);

struct RuptureOptions {
  std::vector<RuptureRule> rules = {RuptureRule::stiles,         RuptureRule::strauss,
                                    RuptureRule::gumz,           RuptureRule::gumz_strict,
                                    RuptureRule::control_chart,  RuptureRule::cusum,
                                    RuptureRule::reliable_change};
  double reliability = 0.9;      ///< of the rating, for the SEM of reliable change
  Index repair_sessions = 3;     ///< a repair has to follow within as many rated sessions
  double cusum_allowance = 0.5;  ///< k, in SD
  double cusum_limit = 4;        ///< h, in SD
  double srs_cutoff = 36;
  double srs_line_cutoff = 9;
  double srs_drop = 0;             ///< points from one session to the next; 0: no such alert
  Eigen::MatrixXd srs_lines = {};  ///< rows of the table × lines; empty: totals only
};

/// How a rupture came and went (after the classes of Gumz et al. 2012).
enum class RupturePattern {
  v_shape,         ///< down in one session, up in the next
  gradual_fall,    ///< down over several sessions, up in one
  gradual_repair,  ///< down in one session, up over several
  gradual,         ///< down and up over several
  no_repair
};
/// "v-shape", "gradual-fall", "gradual-repair", "gradual", "no-repair".
[[nodiscard]] std::string_view name_of(RupturePattern pattern);

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
  Index fall = 1;         ///< rated sessions over which it fell
  RupturePattern pattern = RupturePattern::no_repair;
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

}  // namespace rapport
