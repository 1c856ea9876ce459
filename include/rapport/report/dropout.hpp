#pragma once

#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/joint_model.hpp>
#include <rapport/alliance/pattern_mixture.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/alliance/tipping_point.hpp>
#include <rapport/data/json.hpp>

#include <string>

/// Dropout as JSON and as text.
namespace rapport::report {

[[nodiscard]] Json to_json(const DropoutHazard& hazard);
[[nodiscard]] Json to_json(const SurvivalCurve& curve);
/// `causes` names them in order.
[[nodiscard]] Json to_json(const CumulativeIncidence& incidence,
                           const std::vector<std::string>& causes);
[[nodiscard]] Json to_json(const Retention& retention);
[[nodiscard]] Json to_json(const PatternMixture& mixture);
[[nodiscard]] Json to_json(const JointModel& model);
[[nodiscard]] Json to_json(const TippingPoint& tipping);

/// The hazard's coefficients as a table, with its formula.
[[nodiscard]] std::string hazard_text(const DropoutHazard& hazard);
/// A line a group: patients, who left, median, restricted mean; then the log-rank test.
[[nodiscard]] std::string retention_text(const Retention& retention);

[[nodiscard]] std::string pattern_mixture_text(const PatternMixture& mixture);
[[nodiscard]] std::string joint_text(const JointModel& model);
[[nodiscard]] std::string tipping_text(const TippingPoint& tipping);

}  // namespace rapport::report
