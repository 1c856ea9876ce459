#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/score/scale.hpp>

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// The index of reliable change. M are means of the group, s its SD before, r the reliability, S =
/// s√(1 − r).
enum class ChangeMethod {
  jacobson_truax,  ///< (post − pre) / (√2 S): Jacobson & Truax (1991)
  gulliksen_lord_novick,  ///< ((post − M_pre) − r(pre − M_pre)) / (s√(1 − r²)): regression to the
                          ///< mean before
  hsu_linn_lord,     ///< ((post − M_post) − r(pre − M_pre)) / (s√(1 − r²)): Hsu (1989)
  edwards_nunnally,  ///< ((post − M_pre) − r(pre − M_pre)) / S: Speer (1992)
  nunnally_kotsch,  ///< the same over √(r²s²(1 − r) + s²(1 − r_post)): Nunnally & Kotsch (1983)
  hageman_arrindell  ///< change weighed by its own reliability: Hageman & Arrindell (1999)
};

/// "jt", "gln", "hll", "en", "nk", "ha".
[[nodiscard]] std::optional<ChangeMethod> parse_change_method(std::string_view text);

/// Which cut-off separates the clinical from the normal range (Jacobson & Truax 1991).
enum class CutoffKind {
  a,     ///< 2 SD beyond the clinical mean before
  b,     ///< within 2 SD of the normal mean
  c,     ///< where the two distributions weigh the same
  value  ///< a given number
};

struct ChangeOptions {
  ChangeMethod method = ChangeMethod::jacobson_truax;
  double reliability_post =
      std::numeric_limits<double>::quiet_NaN();  ///< NaN: as before (nunnally_kotsch requires it)
  double sd = std::numeric_limits<double>::quiet_NaN();  ///< NaN: of the scores before
  double normal_mean = std::numeric_limits<double>::quiet_NaN();
  double normal_sd = std::numeric_limits<double>::quiet_NaN();
  CutoffKind cutoff = CutoffKind::c;
  double cutoff_value = std::numeric_limits<double>::quiet_NaN();  ///< with CutoffKind::value
};

/// What became of a person.
enum class ChangeClass {
  recovered,  ///< reliably improved, and across the cut-off from the clinical side
  improved,   ///< otherwise reliably improved
  unchanged,
  deteriorated
};

[[nodiscard]] std::string_view to_text(ChangeClass change);

/// One person's change.
struct PersonChange {
  double pre;
  double post;
  double change;  ///< post − pre
  double index;   ///< reliable change index, by the method
  ChangeClass classified;
};

/// Cut-offs; NaN where the normal group is not given.
struct Cutoffs {
  double a;
  double b;
  double c;
  double used;  ///< NaN: none, and nobody counts as recovered
};

struct ChangeCounts {
  Index recovered;
  Index improved;
  Index unchanged;
  Index deteriorated;
};

struct [[nodiscard]] ChangeResult {
  double standard_error_of_measurement;  ///< s√(1 − r)
  double standard_error_difference;      ///< what the index divides by
  double reliable_change_threshold;  ///< a change beyond it is reliable; NaN but for jacobson_truax
  double critical;                   ///< of the index: 1.96, for hageman_arrindell 1.65
  Cutoffs cutoff;
  std::vector<PersonChange> persons;  ///< as given, those with both scores
  std::vector<Index> rows;            ///< where each stands in the input
  ChangeCounts counts;
  Index n_used;
  Index n_omitted;
};

/// Reliable and clinically significant change of each person with both scores.
/// Throws InvalidArgument if sizes differ, the reliability lies outside (0, 1), or an SD is not
/// above 0; DataError if fewer than 2 persons have both scores (1 with `sd`), or scores before do
/// not vary.
ChangeResult reliable_change(const VectorView& pre, const VectorView& post, double reliability,
                             Direction higher_is, const ChangeOptions& options = {});

/// What the score before lets expect of the score after, and within which band.
struct [[nodiscard]] ExpectedChange {
  Eigen::VectorXd expected;  ///< n; NaN where the score before is missing
  Eigen::VectorXd lower;     ///< of the prediction interval for one person
  Eigen::VectorXd upper;
  Eigen::VectorXd discrepancy;  ///< (post − expected) / its standard error, t on n_used − 2
  double intercept;
  double slope;
  double residual_sd;
  double level;
  Index n_used;  ///< persons with both scores
};

/// Expected-change bands: the regression of the score after on the score before, over the persons
/// with both, and its prediction interval for each (Crawford & Garthwaite 2007). A person outside
/// the band changed otherwise than people who began alike. Throws InvalidArgument if sizes differ
/// or the level lies outside (0, 1); DataError for fewer than 3 such persons or equal scores
/// before.
ExpectedChange expected_change(const VectorView& pre, const VectorView& post, double level = 0.95);

/// Two scores a person out of long data.
struct [[nodiscard]] ScorePairs {
  std::vector<std::string> persons;  ///< levels of the person factor with any score
  Eigen::VectorXd pre;               ///< NaN where a person lacks it
  Eigen::VectorXd post;
};

/// Each person's scores at the occasions `pre` and `post` (texts of the occasion factor), or, where
/// those are empty, at the first and the last occasion with a score. Occasions are ordered as the
/// factor's levels. Throws DataError if a person has two scores at one occasion.
ScorePairs pair_scores(const Factor& person, const Factor& occasion, const VectorView& score,
                       const std::string& pre = {}, const std::string& post = {});

}  // namespace rapport
