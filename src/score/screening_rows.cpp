#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/score/scoring.hpp>

#include "screening_part.hpp"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <unordered_map>

namespace rapport {
namespace {

constexpr int least_answers = 4;  ///< for a straight line or a copy to mean anything
constexpr Index least_rows = 10;  ///< for a copied column to mean anything

bool same(double a, double b) { return a == b || (is_missing(a) && is_missing(b)); }

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

class RowScreening : private ScreeningPart {
 public:
  explicit RowScreening(Screened& screened) : ScreeningPart(screened) {}

  void run() {
    find_out_of_range();
    find_missing_excess();
    find_straight_lines();
    find_duplicates();
    if (options_.other_rater.size() > 0) find_copies();
  }

 private:
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
};

}  // namespace

void screen_rows(Screened& screened) { RowScreening(screened).run(); }

}  // namespace rapport
