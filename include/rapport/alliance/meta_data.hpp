#pragma once

#include <rapport/data/table.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rapport {

/// Effects with known sampling variances, k of them.
struct MetaData {
  Eigen::VectorXd effect = {};  ///< y, on the scale that is analysed (Fisher's z for correlations)
  Eigen::VectorXd variance = {};         ///< v > 0
  std::vector<std::int32_t> study = {};  ///< from 0; empty: every effect is a study of its own
  Eigen::MatrixXd moderators = {};       ///< k × q, without the column of ones
  std::vector<std::string> terms = {};   ///< q names of its columns
  std::vector<std::string> moderator_of =
      {};  ///< the moderator that each column belongs to; empty: itself
  Eigen::MatrixXd covariance =
      {};  ///< k × k sampling covariance, 0 between studies; empty: diagonal of `variance`
  std::vector<std::string> labels = {};   ///< k names of the effects; may be empty
  std::vector<std::string> studies = {};  ///< names of the studies, by number; may be empty
  std::vector<Index> rows = {};           ///< rows of the table they come from
  Index n_omitted = 0;                    ///< rows left out for a missing value
};

/// Where a table holds what: `effect` and `variance`, or `correlation` and `size`, which become
/// Fisher's z.
struct MetaColumns {
  std::string effect = {};
  std::string variance = {};
  std::string correlation = {};
  std::string size = {};
  std::string study = {};
  std::string effect_id = {};
  std::string label = {};  ///< names the effects; without it studies and effect ids do
  /// Columns, numeric as they are and categorical by treatment contrasts, or terms of a formula:
  /// "ns(year, 3)", "rater:year".
  std::vector<std::string> moderators = {};
};

/// Reads effects and moderators. Rows that miss a value are left out and counted. Throws DataError
/// that names line and column for |r| ≥ 1, n ≤ 3, a variance that is not positive and an effect
/// that stands twice in a study; for a moderator that does not vary; and if no row is left.
[[nodiscard]] MetaData make_meta_data(const Table& table, const MetaColumns& columns);

/// The sampling covariance of effects whose errors correlate `correlation` within a study, as of
/// the same patients: for `MetaData::covariance`, where the correlations themselves are not known
/// (Pustejovsky & Tipton 2022). Throws InvalidArgument without `study`, and unless 0 ≤ correlation
/// < 1.
[[nodiscard]] Eigen::MatrixXd correlated_sampling_errors(const MetaData& data, double correlation);

/// The effects at the given positions, in that order.
[[nodiscard]] MetaData select(const MetaData& data, const std::vector<Index>& positions);

}  // namespace rapport
