#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/score/scale.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace rapport {

/// The third criterion of Tang & DeRubeis (1999), stability around the gain.
enum class StabilityCriterion {
  adjusted,  ///< critical t by the sessions at hand: t(1 − α/2; n_before + n_after − 2)
  fixed,     ///< 2.776, the value for three sessions on either side
  none
};

/// "adjusted", "fixed", "none".
[[nodiscard]] std::optional<StabilityCriterion> parse_stability_criterion(std::string_view text);

struct SuddenGainOptions {
  double proportion = 0.25;  ///< of the score before the gain
  StabilityCriterion stability = StabilityCriterion::adjusted;
  double alpha = 0.05;
  Direction higher_is = Direction::worse;
};

/// One sudden gain (or loss), between two successive sessions.
struct SuddenGain {
  Index person;  ///< row
  Index from;    ///< session before, from 0
  double pre;
  double post;
  double magnitude;          ///< > 0: how far it went in its direction
  double change_proportion;  ///< of the change from the first to the last session; NaN if that is
                             ///< missing or 0
  double reversal_value;     ///< post, and half the magnitude back
  bool reversal;             ///< some later score lies beyond it
};

struct [[nodiscard]] SuddenGainResult {
  std::vector<SuddenGain> events;  ///< by person, then session
  Index persons;                   ///< with at least one
  Index testable;            ///< intervals with both scores and at least two values on each side
  Index untestable;          ///< the other intervals from the second session to the last but one
  std::vector<Index> gains;  ///< of each interval, the first being from session 2 to session 3
};

/// Sudden gains in `scores` (persons × sessions, NaN where a session is missing): a change for the
/// better of at least `cutoff` between two successive sessions, of at least `proportion` of the
/// score before it, and large against the spread of up to three sessions before and after: mean
/// before less mean after above the critical value times the pooled SD. The last is no two-sample t
/// test: there is no √(1/n + 1/n) in it. Intervals run from the second session to the last but one.
/// Throws InvalidArgument for fewer than 4 sessions, a cutoff that is not above 0, or alpha outside
/// (0, 1).
SuddenGainResult sudden_gains(const MatrixView& scores, double cutoff,
                              const SuddenGainOptions& options = {});

/// The same for changes for the worse; all three criteria are turned with the direction.
SuddenGainResult sudden_losses(const MatrixView& scores, double cutoff,
                               const SuddenGainOptions& options = {});

}  // namespace rapport
