#pragma once

#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/data/json.hpp>
#include <rapport/report/html.hpp>

#include <vector>

namespace rapport::report {

[[nodiscard]] Json to_json(const SessionCounts& counts);

/// `waves` are the sessions that the waves of the fit stand for.
[[nodiscard]] Json to_json(const CrossLaggedFit& fit, const std::vector<double>& waves);

/// The result of `rapport lagged --model mixed`.
[[nodiscard]] Json to_json(const ReciprocalInfluence& influence);

/// The result of `rapport alliance`.
[[nodiscard]] Json to_json(const StudyAnalysis& study, const Table& table);

/// What was found, in sentences that can be read aloud.
[[nodiscard]] std::string study_text(const StudyAnalysis& study);

struct StudyPageOptions {
  std::string command;    ///< as it was called, for the footer
  bool show_ids = false;  ///< patients and therapists by their own codes, not by numbers
};

/// The study as a page: warnings, data, agreement, levels, moderation, lags, ruptures, methods and
/// how to repeat it.
[[nodiscard]] Page study_page(const StudyAnalysis& study, const Table& table,
                              const StudyPageOptions& options = {});

/// One file of a study's tables.
struct TableFile {
  std::string name;  ///< without a folder: "levels.csv"
  std::string content;
};

/// The tables of a page as CSV and Markdown, named by their section and place, and the two data
/// sets that the models rest on: sessions.csv (StudyAnalysis::session_table) and
/// patients.csv.
[[nodiscard]] std::vector<TableFile> study_tables(const StudyAnalysis& study, const Page& page);

}  // namespace rapport::report
