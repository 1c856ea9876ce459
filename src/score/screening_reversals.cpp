#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/score/scoring.hpp>

#include "screening_part.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr Index least_rows = 10;  ///< for an item–rest correlation

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

bool beyond_chance(const PairCorrelation& correlation, double significance) {
  if (correlation.n < least_rows || !(correlation.r < 0)) return false;
  const auto df = static_cast<double>(correlation.n - 2);
  const double t =
      correlation.r * std::sqrt(df / std::max(1e-300, 1 - correlation.r * correlation.r));
  return students_t_p_value(t, df, Alternative::less) < significance;
}

class ReversalScreening : private ScreeningPart {
 public:
  explicit ReversalScreening(Screened& screened) : ScreeningPart(screened) {}

  void run() {
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

 private:
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
};

}  // namespace

void screen_reversals(Screened& screened) { ReversalScreening(screened).run(); }

}  // namespace rapport
