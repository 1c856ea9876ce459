#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/score/screening.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <unordered_map>

namespace rapport {
namespace {

constexpr int least_answers = 4;  ///< for a straight line or a copy to mean anything
constexpr Index least_rows = 10;  ///< for an item–rest correlation
constexpr double most_explained =
    0.8;  ///< an explanation covers at least this share of the mismatches

std::string plural(std::size_t n, const std::string& one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

bool same(double a, double b) { return a == b || (is_missing(a) && is_missing(b)); }

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

/// Pearson's r of two columns over the rows where both are present.
struct PairCorrelation {
  double r = missing;
  Index n = 0;
};

PairCorrelation pair_correlation(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
  double mx = 0;
  double my = 0;
  Index n = 0;
  for (Index i = 0; i < x.size(); ++i)
    if (!is_missing(x[i]) && !is_missing(y[i])) {
      ++n;
      mx += x[i];
      my += y[i];
    }
  if (n < 3) return {.r = missing, .n = n};
  mx /= static_cast<double>(n);
  my /= static_cast<double>(n);
  double sxx = 0;
  double syy = 0;
  double sxy = 0;
  for (Index i = 0; i < x.size(); ++i)
    if (!is_missing(x[i]) && !is_missing(y[i])) {
      sxx += (x[i] - mx) * (x[i] - mx);
      syy += (y[i] - my) * (y[i] - my);
      sxy += (x[i] - mx) * (y[i] - my);
    }
  return {.r = sxx > 0 && syy > 0 ? sxy / std::sqrt(sxx * syy) : missing, .n = n};
}

/// Sums of the keyed, centred answers of a set of items, from which any one item's rest is a
/// subtraction.
class RestSums {
 public:
  RestSums(const Eigen::MatrixXd& keyed, const std::vector<Index>& items)
      : items_(items), centred_(keyed.rows(), static_cast<Index>(items.size())) {
    sum_ = Eigen::VectorXd::Zero(keyed.rows());
    answered_ = Eigen::VectorXd::Zero(keyed.rows());
    for (Index j = 0; j < centred_.cols(); ++j) {
      centred_.col(j) = keyed.col(items[static_cast<std::size_t>(j)]);
      double total = 0;
      double n = 0;
      for (const double x : centred_.col(j))
        if (!is_missing(x)) {
          total += x;
          n += 1;
        }
      if (n > 0) centred_.col(j).array() -= total / n;
      add(j, 1);
    }
  }

  /// The item's correlation with the mean of the others that the person answered.
  [[nodiscard]] PairCorrelation with_rest(Index j) const {
    Eigen::VectorXd rest(sum_.size());
    for (Index i = 0; i < rest.size(); ++i) {
      const double x = centred_(i, j);
      const double others = answered_[i] - 1;
      rest[i] = is_missing(x) || others < 1 ? missing : (sum_[i] - x) / others;
    }
    return pair_correlation(centred_.col(j), rest);
  }
  void turn(Index j) {
    add(j, -1);
    centred_.col(j) = -centred_.col(j);
    add(j, 1);
  }
  [[nodiscard]] Index size() const { return centred_.cols(); }
  [[nodiscard]] Index item(Index j) const { return items_[static_cast<std::size_t>(j)]; }

 private:
  void add(Index j, double sign) {
    for (Index i = 0; i < sum_.size(); ++i) {
      const double x = centred_(i, j);
      if (is_missing(x)) continue;
      sum_[i] += sign * x;
      answered_[i] += sign;
    }
  }

  std::vector<Index> items_;
  Eigen::MatrixXd centred_;
  Eigen::VectorXd sum_;
  Eigen::VectorXd answered_;
};

/// True if `seen` rows are more than chance brings where `expected` are: P(X ≥ seen) < 0.01 for a
/// Poisson X.
bool more_than_chance(std::size_t seen, double expected) {
  return seen > 0 && chi_squared_cdf(2 * expected, 2 * static_cast<double>(seen)) < 0.01;
}

/// The share of each answer among those that a column holds.
std::map<double, double> answer_shares(const Eigen::Ref<const Eigen::VectorXd>& column) {
  std::map<double, double> shares;
  double n = 0;
  for (const double x : column)
    if (!is_missing(x)) {
      shares[x] += 1;
      n += 1;
    }
  for (auto& entry : shares) entry.second /= n;
  return shares;
}

double share_of(const std::map<double, double>& shares, double answer) {
  const auto at = shares.find(answer);
  return at == shares.end() ? 0 : at->second;
}

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

bool beyond_chance(const PairCorrelation& correlation, double significance) {
  if (correlation.n < least_rows || !(correlation.r < 0)) return false;
  const auto df = static_cast<double>(correlation.n - 2);
  const double t =
      correlation.r * std::sqrt(df / std::max(1e-300, 1 - correlation.r * correlation.r));
  return students_t_p_value(t, df, Alternative::less) < significance;
}

class Screener {
 public:
  Screener(const Instrument& instrument, const MatrixView& responses,
           const ScreeningOptions& options)
      : key_(instrument), raw_(responses), options_(options), valid_(responses) {
    for (Index j = 0; j < valid_.cols(); ++j)
      for (Index i = 0; i < valid_.rows(); ++i)
        if (!is_allowed(key_, j, valid_(i, j))) valid_(i, j) = missing;
  }

  std::vector<Finding> run() {
    find_out_of_range();
    find_missing_excess();
    find_straight_lines();
    find_duplicates();
    if (options_.other_rater.size() > 0) find_copies();
    find_wrong_reversals();
    for (const SuppliedScore& supplied : options_.supplied) check_supplied(supplied);
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.kind < b.kind; });
    return std::move(findings_);
  }

 private:
  [[nodiscard]] std::string name(Index item) const {
    return options_.item_names.empty() ? "item_" + std::to_string(item + 1)
                                       : options_.item_names[static_cast<std::size_t>(item)];
  }

  [[nodiscard]] std::string names(const std::vector<Index>& items) const {
    std::string out;
    for (const Index item : items) out += (out.empty() ? "" : ", ") + name(item);
    return out;
  }

  [[nodiscard]] bool is_reversed(Index item) const {
    return std::find(key_.reversed.begin(), key_.reversed.end(), static_cast<int>(item + 1)) !=
           key_.reversed.end();
  }

  /// Adds a finding, or its rows, items and columns to the one of that kind.
  void report(FindingKind kind, const std::vector<Index>& items, const std::vector<Index>& rows,
              const std::vector<std::string>& columns, const std::string& message) {
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

  void find_out_of_range() {
    std::vector<Index> items;
    std::vector<Index> rows;
    std::string first;
    for (Index j = 0; j < raw_.cols(); ++j)
      for (Index i = 0; i < raw_.rows(); ++i) {
        if (is_allowed(key_, j, raw_(i, j))) continue;
        if (items.empty())
          first = name(j) + " holds " + shortest_decimal(raw_(i, j)) + " in row " +
                  std::to_string(i + 1);
        if (items.empty() || items.back() != j) items.push_back(j);
        rows.push_back(i);
      }
    if (rows.empty()) return;
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    report(FindingKind::out_of_range, items, rows, {},
           first + ", outside " + shortest_decimal(key_.lower) + ".." +
               shortest_decimal(key_.upper) +
               (key_.allowed.empty() ? "" : " or not among the values of the item") +
               "; if the code means a missing answer, name it with --na");
  }

  void find_missing_excess() {
    const Score& score = key_.total.items.empty() ? key_.subscales.front() : key_.total;
    std::vector<const Score*> scores{&score};
    if (key_.total.items.empty())
      for (std::size_t s = 1; s < key_.subscales.size(); ++s) scores.push_back(&key_.subscales[s]);
    std::vector<Index> rows;
    std::size_t blank = 0;
    for (Index i = 0; i < raw_.rows(); ++i) {
      bool excess = false;
      for (const Score* one : scores) {
        const auto absent = std::count_if(one->items.begin(), one->items.end(),
                                          [&](int item) { return is_missing(raw_(i, item - 1)); });
        excess = excess || absent > missing_limit(key_, *one, options_.scoring);
      }
      if (!excess) continue;
      rows.push_back(i);
      if (raw_.row(i).array().isNaN().all()) ++blank;
    }
    if (rows.empty()) return;
    report(FindingKind::missing_excess, {}, rows, {},
           plural(rows.size(), "row") + " with more missing items than the rule allows (" +
               std::to_string(missing_limit(key_, score, options_.scoring)) + " of " +
               std::to_string(score.items.size()) + "), " + std::to_string(blank) +
               " of them blank throughout; their score is missing");
  }

  /// All answers of the row equal; `answered` counts them.
  [[nodiscard]] bool is_constant(Index row, int& answered) const {
    double first = missing;
    answered = 0;
    for (Index j = 0; j < raw_.cols(); ++j) {
      const double x = raw_(row, j);
      if (is_missing(x)) continue;
      ++answered;
      if (is_missing(first)) first = x;
      if (x != first) return false;
    }
    return answered > 0;
  }

  void find_straight_lines() {
    std::vector<Index> rows;
    for (Index i = 0; i < raw_.rows(); ++i) {
      int answered = 0;
      if (!is_constant(i, answered) || answered < least_answers) continue;
      int turned = 0;
      for (Index j = 0; j < raw_.cols(); ++j)
        turned += !is_missing(raw_(i, j)) && is_reversed(j) ? 1 : 0;
      if (turned > 0 && turned < answered) rows.push_back(i);
    }
    if (rows.empty() || !more_than_chance(rows.size(), expected_straight_lines())) return;
    report(FindingKind::straight_line, {}, rows, {},
           plural(rows.size(), "row") +
               " with one answer to every item, the reversed ones included; such answers "
               "contradict themselves");
  }

  /// Rows that would give one answer to every item if items were answered independently.
  [[nodiscard]] double expected_straight_lines() const {
    std::vector<std::map<double, double>> shares;
    for (Index j = 0; j < raw_.cols(); ++j) shares.push_back(answer_shares(raw_.col(j)));
    double expected = 0;
    for (const auto& entry : shares.front()) {
      double product = 1;
      for (const auto& item : shares) product *= share_of(item, entry.first);
      expected += product;
    }
    return expected * static_cast<double>(raw_.rows());
  }

  /// Rows on which raters who know nothing of one another would agree throughout.
  [[nodiscard]] double expected_copies() const {
    auto expected = static_cast<double>(raw_.rows());
    for (Index j = 0; j < raw_.cols(); ++j) {
      const auto other = answer_shares(options_.other_rater.col(j));
      double agreement = 0;
      for (const auto& entry : answer_shares(raw_.col(j)))
        agreement += entry.second * share_of(other, entry.first);
      expected *= agreement;
    }
    return expected;
  }

  void find_duplicates() {
    std::vector<std::uint64_t> hashes(static_cast<std::size_t>(raw_.rows()), 0xcbf29ce484222325U);
    std::vector<bool> complete(hashes.size(), true);
    for (Index j = 0; j < raw_.cols(); ++j)
      for (std::size_t i = 0; i < hashes.size(); ++i) {
        const double x = raw_(static_cast<Index>(i), j);
        if (is_missing(x)) complete[i] = false;
        hashes[i] =
            (hashes[i] ^ std::bit_cast<std::uint64_t>(x == 0 ? 0.0 : x)) * 0x9E3779B97F4A7C15U;
        hashes[i] ^= hashes[i] >> 29U;
      }
    std::unordered_map<std::uint64_t, std::vector<Index>> by_hash;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      int answered = 0;
      if (complete[i] && !is_constant(static_cast<Index>(i), answered))
        by_hash[hashes[i]].push_back(static_cast<Index>(i));
    }
    std::vector<Index> rows;
    for (const auto& entry : by_hash) collect_equal(entry.second, rows);
    if (rows.empty()) return;
    std::sort(rows.begin(), rows.end());
    report(FindingKind::duplicate_responses, {}, rows, {},
           plural(rows.size(), "row") +
               " whose answers to all items equal another row's; a session entered twice looks "
               "like this (on a short scale some arise by chance)");
  }

  void collect_equal(const std::vector<Index>& candidates, std::vector<Index>& rows) const {
    for (std::size_t a = 0; a < candidates.size(); ++a) {
      bool equal = false;
      for (std::size_t b = 0; b < candidates.size() && !equal; ++b)
        equal =
            a != b && (raw_.row(candidates[a]).array() == raw_.row(candidates[b]).array()).all();
      if (equal) rows.push_back(candidates[a]);
    }
  }

  void find_copies() {
    const Eigen::MatrixXd& other = options_.other_rater;
    std::vector<Index> rows;
    for (Index i = 0; i < raw_.rows(); ++i) {
      int answered = 0;
      if (is_constant(i, answered)) continue;
      bool equal = true;
      answered = 0;
      for (Index j = 0; j < raw_.cols() && equal; ++j) {
        equal = same(raw_(i, j), other(i, j));
        answered += is_missing(raw_(i, j)) ? 0 : 1;
      }
      if (equal && answered >= least_answers) rows.push_back(i);
    }
    if (!rows.empty() && more_than_chance(rows.size(), expected_copies()))
      report(FindingKind::copied_between_raters, {}, rows, {},
             plural(rows.size(), "row") +
                 " with the same answers from both raters; one may be a copy of the other");
    find_copied_items();
  }

  /// Columns that equal the other rater's in every row where both answered.
  void find_copied_items() {
    std::vector<Index> items;
    for (Index j = 0; j < raw_.cols(); ++j) {
      Index both = 0;
      bool equal = true;
      bool varies = false;
      double first = missing;
      for (Index i = 0; i < raw_.rows() && equal; ++i) {
        const double x = raw_(i, j);
        const double y = options_.other_rater(i, j);
        if (is_missing(x) || is_missing(y)) continue;
        ++both;
        equal = x == y;
        if (is_missing(first)) first = x;
        varies = varies || x != first;
      }
      if (equal && varies && both >= least_rows) items.push_back(j);
    }
    if (!items.empty())
      report(FindingKind::copied_between_raters, items, {}, {},
             names(items) + " equal the other rater's in every row; the column may be a copy");
  }

  /// The sets of items within which item–rest correlations make sense.
  [[nodiscard]] std::vector<std::vector<Index>> item_sets() const {
    const auto positions = [](const Score& score) {
      std::vector<Index> out;
      for (const int item : score.items) out.push_back(item - 1);
      return out;
    };
    if (!key_.total.items.empty()) return {positions(key_.total)};
    std::vector<std::vector<Index>> sets;
    for (const Score& subscale : key_.subscales) sets.push_back(positions(subscale));
    return sets;
  }

  void find_wrong_reversals() {
    const Eigen::MatrixXd keyed = keyed_responses(key_, valid_);
    std::vector<Index> negative;
    std::vector<Index> turned;
    for (const std::vector<Index>& items : item_sets()) {
      if (items.size() < 3) continue;
      RestSums sums(keyed, items);
      for (Index j = 0; j < sums.size(); ++j)
        if (beyond_chance(sums.with_rest(j), options_.significance))
          negative.push_back(sums.item(j));
      if (!negative.empty()) turn_worst(sums, turned);
    }
    report_reversals(negative, turned);
  }

  /// Turns the item with the most negative item–rest correlation until none is beyond chance.
  void turn_worst(RestSums& sums, std::vector<Index>& turned) const {
    std::vector<bool> done(static_cast<std::size_t>(sums.size()), false);
    for (Index step = 0; 2 * step < sums.size(); ++step) {
      Index worst = -1;
      double least = 0;
      for (Index j = 0; j < sums.size(); ++j) {
        if (done[static_cast<std::size_t>(j)]) continue;
        const PairCorrelation correlation = sums.with_rest(j);
        if (!beyond_chance(correlation, options_.significance) || correlation.r >= least) continue;
        worst = j;
        least = correlation.r;
      }
      if (worst < 0) return;
      sums.turn(worst);
      done[static_cast<std::size_t>(worst)] = true;
      turned.push_back(sums.item(worst));
    }
  }

  void report_reversals(std::vector<Index> negative, const std::vector<Index>& turned) {
    if (!negative.empty()) {
      std::sort(negative.begin(), negative.end());
      report(FindingKind::negative_item_rest, negative, {}, {},
             names(negative) + " fall as the rest of the scale rises, as scored by the key");
    }
    std::vector<Index> forward;
    std::vector<Index> backward;
    for (const Index item : turned) (is_reversed(item) ? backward : forward).push_back(item);
    std::sort(forward.begin(), forward.end());
    std::sort(backward.begin(), backward.end());
    if (!forward.empty())
      report(FindingKind::possibly_unreversed, forward, {}, {},
             names(forward) +
                 " would agree with the scale if reversed; the data may hold them the other way "
                 "round");
    if (!backward.empty())
      report(FindingKind::possibly_overreversed, backward, {}, {},
             names(backward) +
                 " would agree with the scale if not reversed; the data may hold them reversed "
                 "already");
  }

  // --- Scores that the file supplies
  // --------------------------------------------------------------

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

  const Instrument& key_;
  const MatrixView& raw_;
  const ScreeningOptions& options_;
  Eigen::MatrixXd valid_;  ///< out-of-range codes made missing
  std::vector<Finding> findings_;
};

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

std::string_view to_text(FindingKind kind) { return kind_names[static_cast<std::size_t>(kind)]; }

std::string_view to_text(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

std::vector<Finding> screen_responses(const Instrument& instrument, const MatrixView& responses,
                                      const ScreeningOptions& options) {
  check(instrument, responses, options);
  return Screener(instrument, responses, options).run();
}

}  // namespace rapport
