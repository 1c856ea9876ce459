#pragma once

#include <rapport/report/alliance.hpp>
#include <rapport/report/text.hpp>

#include <string>
#include <vector>

/// The sections of a study's page, each in the file of its subject. What they share stands here.
namespace rapport::report {

/// A study with what its sections show of the data.
struct StudyView {
  const StudyAnalysis& study;
  const Table& table;
  const StudyPageOptions& options;
  Eigen::VectorXd alliance;  ///< empty in a study without
  const Eigen::VectorXd& outcome;
  Factor patient;
  double level;
};

[[nodiscard]] std::string count(Index n);
/// "p < .001" or "p = .042".
[[nodiscard]] std::string p_text(double p);
[[nodiscard]] std::string interval(const ConfidenceInterval& ci, int decimals = 2);
/// A number that lies within ±1 by its nature, as APA prints it: "−.35".
[[nodiscard]] std::string unit(double value, int decimals = 2);
[[nodiscard]] std::string unit_interval(const ConfidenceInterval& ci, int decimals = 2);
/// "95 % CI".
[[nodiscard]] std::string ci_heading(double level);
[[nodiscard]] Eigen::VectorXd vector_of(const std::vector<double>& values);

/// The header and the rows of a table of estimates: b, SE, interval, t, df, p, with as many
/// decimals as leave the standard error two digits.
[[nodiscard]] std::vector<std::string> estimate_header(const std::string& what, double level);
[[nodiscard]] std::vector<std::string> estimate_row(const std::string& name,
                                                    const ContrastEstimate& e);
[[nodiscard]] int decimals_for(double standard_error);

[[nodiscard]] PageSection screening_section(const StudyView& view);
[[nodiscard]] PageSection data_section(const StudyView& view);
[[nodiscard]] PageSection agreement_section(const StudyView& view);
[[nodiscard]] PageSection correlations_section(const StudyView& view);
[[nodiscard]] PageSection growth_section(const StudyView& view);
[[nodiscard]] PageSection levels_section(const StudyView& view);
[[nodiscard]] PageSection moderation_section(const StudyView& view);
[[nodiscard]] PageSection lags_section(const StudyView& view);
[[nodiscard]] PageSection early_section(const StudyView& view);
[[nodiscard]] PageSection perspectives_section(const StudyView& view);
[[nodiscard]] PageSection congruence_section(const StudyView& view);
[[nodiscard]] PageSection therapists_section(const StudyView& view);
[[nodiscard]] PageSection dropout_section(const StudyView& view);
[[nodiscard]] PageSection change_section(const StudyView& view);
[[nodiscard]] PageSection ruptures_section(const StudyView& view);

}  // namespace rapport::report
