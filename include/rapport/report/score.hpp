#pragma once

#include <rapport/data/json.hpp>
#include <rapport/score/alpha_comparison.hpp>
#include <rapport/score/change.hpp>
#include <rapport/score/multilevel_reliability.hpp>
#include <rapport/score/omega.hpp>
#include <rapport/score/reliability.hpp>
#include <rapport/score/retest.hpp>
#include <rapport/score/scoring.hpp>
#include <rapport/score/screening.hpp>
#include <rapport/score/sudden_gains.hpp>

#include <optional>
#include <string>
#include <vector>

/// The results of the score room as JSON, in the members that `rapport score`, `screen`,
/// `reliability`, `change` and `sudden-gains` print.
namespace rapport::report {

/// What stands beside the scores of each row.
struct ScoreSheet {
  std::vector<std::string> id_names = {};   ///< columns carried along
  std::vector<std::vector<Json>> ids = {};  ///< of each row, a value an id column
  std::vector<int> criteria = {};           ///< criterion_of, where the instrument has criteria
  std::optional<Norms> norms = {};          ///< adds t_score and percentile of the total
};

[[nodiscard]] Json to_json(const Instrument& instrument, const ScaleScores& scores,
                           const ScoreSheet& sheet = {});

/// Findings with items and ids by name; rows are counted from 1.
[[nodiscard]] Json to_json(const std::vector<Finding>& findings,
                           const std::vector<std::string>& item_names,
                           const std::vector<std::string>& ids, Index rows);

/// "out_of_range: message (rows 3, 7, …)", for a warning.
[[nodiscard]] std::string one_line(const Finding& finding);

[[nodiscard]] Json to_json(const AlphaResult& alpha);
[[nodiscard]] Json to_json(const ReliabilityResult& result,
                           const std::vector<std::string>& item_names,
                           const std::vector<bool>& reversed);
[[nodiscard]] Json to_json(const OmegaResult& omega);
[[nodiscard]] Json to_json(const HierarchicalOmega& omega,
                           const std::vector<std::string>& item_names);
[[nodiscard]] Json to_json(const MultilevelReliability& result);
[[nodiscard]] Json to_json(const AlphaComparison& comparison);
[[nodiscard]] Json to_json(const RaterReliability& result,
                           const std::vector<std::string>& item_names);
[[nodiscard]] Json to_json(const RetestResult& result);

/// `persons` names each row that ChangeResult::rows points to.
[[nodiscard]] Json to_json(const ChangeResult& result, const std::vector<std::string>& persons);

/// The band of each of `persons`, those with a score before.
[[nodiscard]] Json to_json(const ExpectedChange& result, const std::vector<std::string>& persons);

/// `persons` names the rows, `sessions` the columns that were searched.
[[nodiscard]] Json to_json(const SuddenGainResult& result, const std::vector<std::string>& persons,
                           const std::vector<std::string>& sessions);

}  // namespace rapport::report
