#pragma once

#include <rapport/report/alliance.hpp>
#include <rapport/report/mixed.hpp>

#include <string>
#include <utility>

/// The parts of a study's JSON, each in the file of its subject. Not public.
namespace rapport::report {

[[nodiscard]] inline Json count_json(Index n) { return Json(static_cast<std::int64_t>(n)); }

/// The object with one member more.
[[nodiscard]] inline Json with(Json object, const std::string& key, Json value) {
  object.set(key, std::move(value));
  return object;
}

// study_json_effects.cpp
[[nodiscard]] Json fit_json(const FittedModel& model);
[[nodiscard]] Json test_json(const ContrastTest& test);
[[nodiscard]] Json growth_json(const GrowthCurve& growth);
[[nodiscard]] Json disaggregation_json(const Disaggregation& disaggregation);
[[nodiscard]] Json moderation_json(const StudyAnalysis& study);
[[nodiscard]] Json lags_json(const StudyAnalysis& study);
[[nodiscard]] Json early_json(const EarlyAlliance& early);

// study_json_patients.cpp
[[nodiscard]] Json agreement_json(const StudyAnalysis& study);
[[nodiscard]] Json perspective_json(const StudyAnalysis& study);
[[nodiscard]] Json therapists_json(const TherapistEffects& effects);
[[nodiscard]] Json dropout_json(const StudyAnalysis& study);
[[nodiscard]] Json gains_json(const OutcomeChange& change, const Factor& patients);
[[nodiscard]] Json ruptures_json(const RuptureAnalysis& analysis, const Factor& patients);
[[nodiscard]] Json rupture_aftermath_json(const StudyAnalysis& study);
[[nodiscard]] Json rupture_concordance_json(const RuptureAnalysis& analysis);

/// study_commands.cpp: the calls of the program that give the same numbers, from the tables that
/// study_tables writes. Each names the part of the result it gives (`of`), its `arguments` and
/// where in that command's result the part stands (`at`; empty: all of it).
[[nodiscard]] Json commands_json(const StudyAnalysis& study);

}  // namespace rapport::report
