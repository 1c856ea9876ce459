#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/score/scoring.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// What silently spoils scores.
enum class FindingKind {
  out_of_range,           ///< a response that the key does not allow
  missing_excess,         ///< more missing items than the score allows
  straight_line,          ///< one answer throughout, to forward and reversed items alike
  duplicate_responses,    ///< the same answers as another row's, straight lines left out
  copied_between_raters,  ///< the same answers as the other rater's
  negative_item_rest,     ///< an item that falls as the rest of its scale rises
  possibly_unreversed,    ///< such an item that reversing would mend
  possibly_overreversed,  ///< such an item that not reversing would mend: it came reversed already
  total_mismatch,         ///< the file's total is not the key's
  subscale_mismatch,      ///< the file's subscale is not the key's
  unattainable_total,     ///< a total or subscale that no answers can give
  total_omits_item,       ///< the file's total leaves out an item
  blank_scored            ///< the file's total counts blanks as 0 before reversal
};

enum class Severity { error, warning };

/// "out_of_range", … and "error", "warning".
[[nodiscard]] std::string_view to_text(FindingKind kind);
[[nodiscard]] std::string_view to_text(Severity severity);

/// One finding of a kind, naming all its rows.
struct Finding {
  FindingKind kind;
  Severity severity;
  std::vector<Index> items;          ///< positions from 0
  std::vector<Index> rows;           ///< from 0
  std::vector<std::string> columns;  ///< supplied scores that it is about
  std::string message;               ///< what was found, what explains it, and the mend
};

/// A score that the file itself supplies.
struct SuppliedScore {
  std::string column;
  int subscale = -1;       ///< position in the instrument; −1: the total
  Eigen::VectorXd values;  ///< n; NaN where the file has none
};

struct ScreeningOptions {
  ScoringOptions scoring = {};               ///< the rule by which the key scores missing items
  std::vector<std::string> item_names = {};  ///< for messages; default item_1 …
  std::vector<SuppliedScore> supplied = {};
  Eigen::MatrixXd other_rater = {};  ///< n × items: the other rater's answers; empty: none
  double significance = 0.01;        ///< one-sided, of a negative item–rest correlation
};

/// Looks for what silently spoils scores: codes out of range, wrong reversals, wrong totals, copied
/// rows. `responses` is n × instrument.items as score_scale takes it, out-of-range codes included.
///
/// Item–rest correlations are taken over the items of the total (without a total: of the item's
/// subscale); an item is reported when its correlation is negative beyond chance (one-sided, at
/// least 10 rows). Items to turn are then found one at a time, the most negative first, each judged
/// with those found before it turned. Straight lines and copies between raters need at least 4
/// answers, and to be more than independent answers would give by chance. Supplied scores agree
/// with the key's if they differ by no more than their own rounding. An empty result is a clean
/// bill. Throws InvalidArgument if sizes do not fit.
[[nodiscard]] std::vector<Finding> screen_responses(const Instrument& instrument,
                                                    const MatrixView& responses,
                                                    const ScreeningOptions& options = {});

}  // namespace rapport
