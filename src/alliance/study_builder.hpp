#pragma once

#include <rapport/alliance/analysis.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

/// What the parts of a study share while it is built. Not public.
namespace rapport::detail {

/// A study under way: the data, what is known of them, and the result so far.
struct StudyBuilder {
  const Table& table;
  const StudyColumns& columns;
  const StudyOptions& options;
  Panel panel;
  StudyTerms terms;
  bool random_slope = true;
  StudyAnalysis result = {};
  std::map<std::string, std::vector<std::string>> singular = {};  ///< models by what is singular

  [[nodiscard]] bool has_alliance() const { return !columns.alliance.empty(); }
  [[nodiscard]] const Eigen::VectorXd& alliance() const { return table.numbers(columns.alliance); }
  [[nodiscard]] const Eigen::VectorXd& outcome() const { return table.numbers(columns.outcome); }
  [[nodiscard]] double level() const { return options.confidence_level; }
  void warn(const std::string& warning) { result.warnings.push_back(warning); }

  /// Fits a model to the sessions, keeps it by its name and warns of what is wrong with it.
  const FittedModel& fit(const std::string& name, const std::string& question,
                         const std::string& formula);
  /// The same for the patients' table.
  const FittedModel& fit_patients(const std::string& name, const std::string& question,
                                  const std::string& formula);
  /// The same for the sessions with residuals that carry over in the time column.
  const FittedModel& fit_in_time(const std::string& name, const std::string& question,
                                 const std::string& formula);

 private:
  const FittedModel& keep(StudyModel model);
};

/// A part of the analysis: what a warning calls it when the data do not allow it, and the work.
struct StudyPart {
  std::string name;
  std::function<void(StudyBuilder&)> add;
};

/// Plain digits, at most two decimals.
[[nodiscard]] std::string rounded_text(double value);

// Over sessions: analysis_sessions.cpp.
void add_growth(StudyBuilder& study);
void add_correlations(StudyBuilder& study);
void add_disaggregation(StudyBuilder& study);
void add_specifications(StudyBuilder& study);
void add_session_moderation(StudyBuilder& study);
void add_treatment_moderation(StudyBuilder& study);
void add_lagged_models(StudyBuilder& study);
void add_distributed_lags(StudyBuilder& study);
void add_continuous_time(StudyBuilder& study);
void add_cross_lagged(StudyBuilder& study);

// Over patients and raters: analysis_patients.cpp.
void add_agreement(StudyBuilder& study);
void add_congruence(StudyBuilder& study);
void add_early_alliance(StudyBuilder& study);
void add_perspectives(StudyBuilder& study);
void add_rating_comparison(StudyBuilder& study);
void add_therapist_effects(StudyBuilder& study);
void add_dropout(StudyBuilder& study);
void add_change(StudyBuilder& study);
void add_ruptures(StudyBuilder& study);
void add_rupture_outcome(StudyBuilder& study);

}  // namespace rapport::detail
