#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/score/scale.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rapport {

struct ScoringOptions {
  std::optional<MissingItems> missing = {};  ///< none: the instrument's own rule
  /// The largest share of a score's items that may be missing, in [0, 1]. NaN: the instrument's own
  /// limit, or no limit but one answer where `missing` asks for a rule that the instrument does not
  /// have.
  double max_missing = std::numeric_limits<double>::quiet_NaN();
};

/// Counts of items: an instrument has at most 1000.
using CountVector = Eigen::Matrix<std::int16_t, Eigen::Dynamic, 1>;
using CountMatrix = Eigen::Matrix<std::int16_t, Eigen::Dynamic, Eigen::Dynamic>;

/// Scores of n respondents on a total and s subscales.
struct [[nodiscard]] ScaleScores {
  Eigen::VectorXd total;      ///< n; NaN where it is missing, or the instrument has none
  Eigen::MatrixXd subscales;  ///< n × s
  std::vector<std::string> subscale_names;  ///< s
  CountVector total_answered;               ///< n: items of the total that were answered
  CountMatrix subscale_answered;            ///< n × s
  CountVector missing;                      ///< n: items of the instrument that were not answered
  Index n_used;  ///< respondents with a total (without one: with every subscale)
  Index n_omitted;
};

/// Scores `responses` (n × instrument.items, a row a respondent, a column an item in the key's
/// order; NaN is a missing answer) by the instrument's key. A reversed item is lower + upper − x; a
/// missing one is never reversed. One pass over the data. Throws InvalidArgument if the columns are
/// not the instrument's items or max_missing lies outside [0, 1]; DataError, naming row and item
/// from 1, for a response outside the range, and for a missing item under MissingItems::fail.
[[nodiscard]] ScaleScores score_scale(const Instrument& instrument, const MatrixView& responses,
                                      const ScoringOptions& options = {});

/// How many items of `score` may be missing under these options.
[[nodiscard]] int missing_limit(const Instrument& instrument, const Score& score,
                                const ScoringOptions& options = {});

/// The responses with reversed items turned (lower + upper − x); NaN stays NaN.
[[nodiscard]] Eigen::MatrixXd keyed_responses(const Instrument& instrument,
                                              const MatrixView& responses);

/// True for a response that the key allows: missing, or in range and among the item's allowed
/// values.
[[nodiscard]] bool is_allowed(const Instrument& instrument, Index item, double response);

/// The position of the band that holds `value`: the last whose lower end it reaches; −1 for NaN and
/// below all bands.
[[nodiscard]] int band_of(const std::vector<Band>& bands, double value);

/// For each respondent the position of the first of the instrument's criteria that holds, −1 where
/// an unanswered item leaves it open.
[[nodiscard]] std::vector<int> criterion_of(const Instrument& instrument,
                                            const MatrixView& responses);

/// The norms of a reference group.
struct Norms {
  double mean;
  double sd;  ///< > 0
};

/// 50 + 10 (value − mean) / sd.
[[nodiscard]] Eigen::VectorXd t_scores(const VectorView& values, const Norms& norms);

/// Percentile ranks in [0, 100] by a normal reference group; NaN stays NaN.
[[nodiscard]] Eigen::VectorXd normal_percentiles(const VectorView& values, const Norms& norms);

/// Percentile ranks in a reference sample: the share below plus half the share equal, times 100.
/// Missing reference values are left out; throws InvalidArgument if none is left.
[[nodiscard]] Eigen::VectorXd percentile_ranks(const VectorView& values,
                                               const VectorView& reference);

}  // namespace rapport
