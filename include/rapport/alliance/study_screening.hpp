#pragma once

#include <rapport/alliance/outcome.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/score/screening.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// The items behind a rating, where the data have them.
struct StudyItems {
  Instrument instrument;
  Eigen::MatrixXd responses;  ///< a row a session, in the key's order
  ScreeningOptions options = {};
};

/// What a scale allows.
struct ScaleRange {
  double lower = 0;
  double upper = 0;
};

struct StudyScreeningOptions {
  std::optional<ScaleRange> alliance_range = {};
  std::optional<ScaleRange> outcome_range = {};
  std::optional<StudyItems> items = {};
};

/// What is odd in a study's data, before any of it is analysed.
struct StudyFinding {
  std::string kind;  ///< "out_of_range", "repeated_session", …, or a FindingKind of the items
  Severity severity;
  Index count;              ///< of `unit`
  std::string unit;         ///< "rows", "patients", "sessions"
  std::vector<Index> rows;  ///< from 0; the first row where patients are counted
  std::string message;      ///< what was found and what to do about it
};

struct [[nodiscard]] StudyScreening {
  std::vector<StudyFinding> findings;  ///< errors first
  std::vector<std::string> checks;     ///< what was looked for, in words
};

/// Looks for what silently spoils a study: values outside the scale, ratings of one rater copied
/// from another, sessions entered twice (every value equal to the patient's session before, over
/// three sessions or more), patients whose whole series (eight values and more) equals another's,
/// ratings that never vary, ceilings, values far from all others, sessions out of order in the file
/// or against the time column, gaps in the session numbers. With items, also screen_responses.
StudyScreening screen_study(const Table& table, const Panel& panel, const StudyColumns& columns,
                            const StudyScreeningOptions& options = {});

}  // namespace rapport
