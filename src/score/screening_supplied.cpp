#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/score/scoring.hpp>

#include "screening_part.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

constexpr double most_explained =
    0.8;  ///< an explanation covers at least this share of the mismatches

/// Half a unit in the last decimal place that any of the values shows, so that rounding is no
/// mismatch.
double rounding_of(const Eigen::VectorXd& values) {
  for (int decimals = 0; decimals < 8; ++decimals) {
    const double scale = std::pow(10, decimals);
    const bool enough = std::all_of(values.begin(), values.end(), [&](double value) {
      return is_missing(value) || std::abs(value * scale - std::round(value * scale)) < 1e-6;
    });
    if (enough) return 0.5 / scale + 1e-9;
  }
  return 1e-8;
}

class SuppliedScreening : private ScreeningPart {
 public:
  explicit SuppliedScreening(Screened& screened) : ScreeningPart(screened) {}

  void run() {
    for (const SuppliedScore& supplied : options_.supplied) check_supplied(supplied);
  }

 private:
  [[nodiscard]] const Score& score_of(const SuppliedScore& supplied) const {
    return supplied.subscale < 0 ? key_.total
                                 : key_.subscales[static_cast<std::size_t>(supplied.subscale)];
  }

  /// The key's score of every row for other responses, another rule, or another key.
  [[nodiscard]] Eigen::VectorXd scored(const Instrument& key, const Eigen::MatrixXd& responses,
                                       int subscale, const ScoringOptions& rule) const {
    const bool refuses = rule.missing.value_or(key.missing) == MissingItems::fail;
    const ScaleScores scores = score_scale(
        key, responses, refuses ? ScoringOptions{.missing = MissingItems::strict} : rule);
    return subscale < 0 ? scores.total : Eigen::VectorXd(scores.subscales.col(subscale));
  }

  /// The score when blanks count as 0 before reversal, as spreadsheet formulas have it.
  [[nodiscard]] Eigen::VectorXd scored_with_blanks(int subscale) const {
    Instrument open = key_;
    open.allowed.clear();
    Eigen::MatrixXd filled = raw_.array().isNaN().select(0.0, raw_);
    for (Index j = 0; j < filled.cols(); ++j)
      for (Index i = 0; i < filled.rows(); ++i) {
        if (!is_allowed(key_, j, raw_(i, j))) filled(i, j) = missing;
        if (is_reversed(j)) filled(i, j) = key_.lower + key_.upper - filled(i, j);
      }
    open.lower = -std::numeric_limits<double>::infinity();
    open.upper = std::numeric_limits<double>::infinity();
    open.reversed.clear();
    return scored(open, filled, subscale, {.missing = MissingItems::strict});
  }

  void check_supplied(const SuppliedScore& supplied) {
    const Score& score = score_of(supplied);
    if (score.items.empty()) return;
    const double tolerance = rounding_of(supplied.values);
    const Eigen::VectorXd key_score = scored(key_, valid_, supplied.subscale, options_.scoring);
    const Eigen::VectorXd with_blanks = scored_with_blanks(supplied.subscale);
    const Eigen::VectorXd without_limit = scored(
        key_, valid_, supplied.subscale, {.missing = MissingItems::prorate, .max_missing = 1});
    const Attainable range = attainable_scores(key_, score);
    std::vector<Index> mismatches;
    std::vector<Index> blanks;
    std::vector<Index> unattainable;
    for (Index i = 0; i < raw_.rows(); ++i) {
      const double value = supplied.values[i];
      if (is_missing(value)) continue;
      if (value < range.lower - 1e-9 || value > range.upper + 1e-9) unattainable.push_back(i);
      if (std::abs(value - key_score[i]) <= tolerance) continue;
      // where the key gives no score for want of answers, the file may prorate (missing_excess
      // tells)
      if (is_missing(key_score[i]) && std::abs(value - without_limit[i]) <= tolerance) continue;
      const bool any_blank = std::any_of(score.items.begin(), score.items.end(),
                                         [&](int item) { return is_missing(raw_(i, item - 1)); });
      (any_blank && std::abs(value - with_blanks[i]) <= tolerance ? blanks : mismatches)
          .push_back(i);
    }
    if (!blanks.empty())
      report(FindingKind::blank_scored, {}, blanks, {supplied.column},
             supplied.column + " counts blanks as 0 before reversal in " +
                 plural(blanks.size(), "row") + " (a blank reversed item then scores " +
                 shortest_decimal(key_.lower + key_.upper) + ")");
    if (!unattainable.empty())
      report(FindingKind::unattainable_total, {}, unattainable, {supplied.column},
             supplied.column + " lies outside the attainable " + shortest_decimal(range.lower) +
                 " to " + shortest_decimal(range.upper) + " in " +
                 plural(unattainable.size(), "row"));
    if (!mismatches.empty()) report_mismatch(supplied, mismatches, key_score, tolerance);
  }

  void report_mismatch(const SuppliedScore& supplied, const std::vector<Index>& rows,
                       const Eigen::VectorXd& key_score, double tolerance) {
    std::string message =
        supplied.column + " differs from the key's score in " + plural(rows.size(), "row");
    const Index first = rows.front();
    message += " (row " + std::to_string(first + 1) + ": the file says " +
               shortest_decimal(supplied.values[first]) + ", the items give " +
               (is_missing(key_score[first]) ? std::string("no score")
                                             : shortest_decimal(key_score[first])) +
               ")";
    const Index omitted = supplied.subscale < 0 ? omitted_item(supplied, rows, tolerance) : -1;
    const std::string explanation = omitted >= 0 ? supplied.column + " leaves out " + name(omitted)
                                                 : explain(supplied, rows, tolerance);
    if (!explanation.empty()) message += "; it fits if " + explanation;
    report(supplied.subscale < 0 ? FindingKind::total_mismatch : FindingKind::subscale_mismatch, {},
           rows, {supplied.column}, message);
    if (omitted >= 0)
      report(FindingKind::total_omits_item, {omitted}, rows, {supplied.column},
             supplied.column + " is the key's without " + name(omitted) + " in " +
                 plural(rows.size(), "row"));
  }

  [[nodiscard]] double share_explained(const SuppliedScore& supplied,
                                       const std::vector<Index>& rows,
                                       const Eigen::VectorXd& prediction, double tolerance) const {
    const auto hits = std::count_if(rows.begin(), rows.end(), [&](Index i) {
      return std::abs(supplied.values[i] - prediction[i]) <= tolerance;
    });
    return static_cast<double>(hits) / static_cast<double>(rows.size());
  }

  /// The item without which the key's total is the file's, in nearly all of enough rows; −1 if
  /// there is none.
  [[nodiscard]] Index omitted_item(const SuppliedScore& supplied, const std::vector<Index>& rows,
                                   double tolerance) const {
    const auto compared = std::count_if(supplied.values.begin(), supplied.values.end(),
                                        [](double value) { return !is_missing(value); });
    if (rows.size() < 3 || (rows.size() < 5 && 2 * static_cast<Index>(rows.size()) < compared))
      return -1;
    Index best = -1;
    double most = most_explained;
    for (std::size_t at = 0; at < key_.total.items.size() && key_.total.items.size() > 1; ++at) {
      Instrument without = key_;
      without.total_of_subscales = false;
      without.total.items.erase(without.total.items.begin() + static_cast<std::ptrdiff_t>(at));
      const double share =
          share_explained(supplied, rows, scored(without, valid_, -1, options_.scoring), tolerance);
      if (share < most) continue;
      best = key_.total.items[at] - 1;
      most = std::nextafter(share, 2.0);
    }
    return best;
  }

  /// The other ways of scoring that would give the file's score, in words; empty if none does.
  [[nodiscard]] std::string explain(const SuppliedScore& supplied, const std::vector<Index>& rows,
                                    double tolerance) const {
    const auto fits = [&](const Eigen::VectorXd& prediction) {
      return share_explained(supplied, rows, prediction, tolerance) >= most_explained;
    };
    const int at = supplied.subscale;
    const ScoringOptions& rule = options_.scoring;
    for (std::size_t s = 0; at >= 0 && s < key_.subscales.size(); ++s)
      if (static_cast<int>(s) != at && fits(scored(key_, valid_, static_cast<int>(s), rule)))
        return "the column holds the subscale " + key_.subscales[s].name;
    if (options_.other_rater.size() > 0 && other_rater_fits() &&
        fits(scored(key_, options_.other_rater, at, rule)))
      return "the column holds the other rater's score";
    if (rows.size() < 3) return "";
    Instrument other = key_;
    other.reversed.clear();
    if (!key_.reversed.empty() && fits(scored(other, valid_, at, rule)))
      return "no item is reversed";
    Score& score = at < 0 ? other.total : other.subscales[static_cast<std::size_t>(at)];
    other.reversed = key_.reversed;
    score.rule = score.rule == ScoreRule::mean ? ScoreRule::sum : ScoreRule::mean;
    score.multiplier = 1;
    if (fits(scored(other, valid_, at, rule)))
      return score.rule == ScoreRule::sum ? "it is the plain sum of the items"
                                          : "it is the plain mean of the items";
    if (fits(scored(key_, valid_, at, {.missing = MissingItems::available, .max_missing = 1})))
      return "only the answered items are counted";
    if (fits(scored(key_, valid_, at, {.missing = MissingItems::prorate, .max_missing = 1})))
      return "missing items are prorated without limit";
    return turned_item(supplied, rows, tolerance);
  }

  [[nodiscard]] bool other_rater_fits() const {
    for (Index j = 0; j < options_.other_rater.cols(); ++j)
      for (Index i = 0; i < options_.other_rater.rows(); ++i)
        if (!is_allowed(key_, j, options_.other_rater(i, j))) return false;
    return true;
  }

  /// "item 4 is not reversed" or "item 6 is reversed", if that explains the mismatches.
  [[nodiscard]] std::string turned_item(const SuppliedScore& supplied,
                                        const std::vector<Index>& rows, double tolerance) const {
    if (!std::isfinite(key_.lower)) return "";
    for (const int item : score_of(supplied).items) {
      Instrument turned = key_;
      const auto at = std::find(turned.reversed.begin(), turned.reversed.end(), item);
      const bool reversed = at != turned.reversed.end();
      if (reversed) {
        turned.reversed.erase(at);
      } else {
        turned.reversed.push_back(item);
      }
      if (share_explained(supplied, rows,
                          scored(turned, valid_, supplied.subscale, options_.scoring),
                          tolerance) >= most_explained)
        return name(item - 1) + (reversed ? " is not reversed" : " is reversed");
    }
    return "";
  }
};

}  // namespace

void screen_supplied(Screened& screened) { SuppliedScreening(screened).run(); }

}  // namespace rapport
