#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/score/screening.hpp>

#include "screening_part.hpp"
#include <algorithm>
#include <array>
#include <string_view>

namespace rapport {
namespace {

/// What certainly spoils scores is an error.
Severity severity_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::out_of_range:
    case FindingKind::total_mismatch:
    case FindingKind::subscale_mismatch:
    case FindingKind::unattainable_total:
    case FindingKind::total_omits_item:
    case FindingKind::blank_scored:
      return Severity::error;
    case FindingKind::missing_excess:
    case FindingKind::straight_line:
    case FindingKind::duplicate_responses:
    case FindingKind::copied_between_raters:
    case FindingKind::negative_item_rest:
    case FindingKind::possibly_unreversed:
    case FindingKind::possibly_overreversed:
      return Severity::warning;
  }
  throw InvalidArgument("severity_of: not a FindingKind");
}

void check(const Instrument& instrument, const MatrixView& responses,
           const ScreeningOptions& options) {
  if (responses.cols() != instrument.items)
    throw InvalidArgument("screen_responses: `responses` has " + std::to_string(responses.cols()) +
                          " columns but \"" + instrument.name + "\" has " +
                          std::to_string(instrument.items) + " items; each item needs its column");
  if (!options.item_names.empty())
    require_same_size("screen_responses", "item_names",
                      static_cast<Index>(options.item_names.size()), "items", instrument.items);
  if (options.other_rater.size() > 0) {
    require_same_size("screen_responses", "other_rater", options.other_rater.cols(), "items",
                      instrument.items);
    require_same_size("screen_responses", "other_rater", options.other_rater.rows(), "responses",
                      responses.rows());
  }
  for (const SuppliedScore& supplied : options.supplied) {
    require_same_size("screen_responses", supplied.column, supplied.values.size(), "responses",
                      responses.rows());
    if (supplied.subscale >= static_cast<int>(instrument.subscales.size()))
      throw InvalidArgument("screen_responses: `supplied.subscale` is " +
                            std::to_string(supplied.subscale) + " but \"" + instrument.name +
                            "\" has " + std::to_string(instrument.subscales.size()) + " subscales");
  }
}

constexpr std::array<std::string_view, 13> kind_names{
    "out_of_range",          "missing_excess",     "straight_line",       "duplicate_responses",
    "copied_between_raters", "negative_item_rest", "possibly_unreversed", "possibly_overreversed",
    "total_mismatch",        "subscale_mismatch",  "unattainable_total",  "total_omits_item",
    "blank_scored"};

}  // namespace

std::string plural(std::size_t n, const std::string& one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

std::string ScreeningPart::name(Index item) const {
  return options_.item_names.empty() ? "item_" + std::to_string(item + 1)
                                     : options_.item_names[static_cast<std::size_t>(item)];
}

std::string ScreeningPart::names(const std::vector<Index>& items) const {
  std::string out;
  for (const Index item : items) out += (out.empty() ? "" : ", ") + name(item);
  return out;
}

bool ScreeningPart::is_reversed(Index item) const {
  return std::find(key_.reversed.begin(), key_.reversed.end(), static_cast<int>(item + 1)) !=
         key_.reversed.end();
}

void ScreeningPart::report(FindingKind kind, const std::vector<Index>& items,
                           const std::vector<Index>& rows, const std::vector<std::string>& columns,
                           const std::string& message) {
  const auto merge = [](auto& into, const auto& more) {
    into.insert(into.end(), more.begin(), more.end());
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
  };
  for (Finding& finding : findings_) {
    if (finding.kind != kind) continue;
    merge(finding.items, items);
    merge(finding.rows, rows);
    for (const std::string& column : columns) finding.columns.push_back(column);
    finding.message += "; " + message;
    return;
  }
  findings_.push_back({.kind = kind,
                       .severity = severity_of(kind),
                       .items = items,
                       .rows = rows,
                       .columns = columns,
                       .message = message});
}

std::string_view to_text(FindingKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

std::string_view to_text(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

std::vector<Finding> screen_responses(const Instrument& instrument, const MatrixView& responses,
                                      const ScreeningOptions& options) {
  check(instrument, responses, options);
  Screened screened{.key = instrument, .raw = responses, .options = options, .valid = responses};
  for (Index j = 0; j < responses.cols(); ++j)
    for (Index i = 0; i < responses.rows(); ++i)
      if (!is_allowed(instrument, j, responses(i, j))) screened.valid(i, j) = missing;
  screen_rows(screened);
  screen_reversals(screened);
  screen_supplied(screened);
  std::stable_sort(screened.findings.begin(), screened.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.kind < b.kind; });
  return std::move(screened.findings);
}

}  // namespace rapport
