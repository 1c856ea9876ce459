#pragma once

#include <rapport/score/screening.hpp>

#include <string>
#include <vector>

namespace rapport {

/// What is screened, and what was found.
struct Screened {
  const Instrument& key;
  const MatrixView& raw;
  const ScreeningOptions& options;
  Eigen::MatrixXd valid;  ///< out-of-range codes made missing
  std::vector<Finding> findings = {};
};

/// "1 row", "3 rows".
[[nodiscard]] std::string plural(std::size_t n, const std::string& one);

/// What the parts of screening share: the names of items, and how a finding is reported.
class ScreeningPart {
 protected:
  explicit ScreeningPart(Screened& screened)
      : key_(screened.key),
        raw_(screened.raw),
        options_(screened.options),
        valid_(screened.valid),
        findings_(screened.findings) {}

  [[nodiscard]] std::string name(Index item) const;
  [[nodiscard]] std::string names(const std::vector<Index>& items) const;
  [[nodiscard]] bool is_reversed(Index item) const;

  /// Adds a finding, or its rows, items and columns to the one of that kind.
  void report(FindingKind kind, const std::vector<Index>& items, const std::vector<Index>& rows,
              const std::vector<std::string>& columns, const std::string& message);

  const Instrument& key_;
  const MatrixView& raw_;
  const ScreeningOptions& options_;
  const Eigen::MatrixXd& valid_;

 private:
  std::vector<Finding>& findings_;
};

/// Answers outside the range, missing ones, straight lines, duplicates, copies of the other rater.
void screen_rows(Screened& screened);

/// Items that fall as the rest of the scale rises.
void screen_reversals(Screened& screened);

/// Totals and subscales that the file supplies against the key's.
void screen_supplied(Screened& screened);

}  // namespace rapport
