#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/score/scoring.hpp>

#include "item_sums.hpp"
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace rapport {
namespace {

constexpr Index block_rows = 512;
using Block = std::array<double, block_rows>;

/// What the rows of a block answered: their sums, and how many items.
struct RowTotals {
  Block sum;
  Block answered;
};

/// Items that belong to exactly the same scores: they are summed once and the sum is shared.
struct ItemGroup {
  std::vector<Index> forward;  ///< columns
  std::vector<Index> reversed;
  std::vector<std::size_t> scores;  ///< subscales by position; the total comes last
  RowTotals rows;
};

/// The items of a score that is a sum or a mean stand in groups; the counting scores need every
/// item by itself.
bool is_linear(ScoreRule rule) { return rule == ScoreRule::sum || rule == ScoreRule::mean; }

/// What turns the sum of the answers into the score under a missing rule.
struct Finish {
  const Score* score;
  double items;
  double least_answered;
  bool prorate;
  bool rounded;

  void operator()(const RowTotals& rows, Index n, double* out) const {
    const double factor = score->multiplier;
    const double k = items;
    const bool is_mean = score->rule == ScoreRule::mean;
    if (rounded)
      apply(rows, n, out, [=](double total, double count) {
        const double whole = total + (k - count) * std::round(total / count);
        return factor * (is_mean ? whole / k : whole);
      });
    else if (is_mean)
      apply(rows, n, out, [=](double total, double count) { return factor * (total / count); });
    else if (prorate)
      apply(rows, n, out, [=](double total, double count) {
        const double prorated = total / count * k;
        return factor * (count < k ? prorated : total);
      });
    else
      apply(rows, n, out, [=](double total, double) { return factor * total; });
  }

 private:
  /// Branchless and free of aliases, so that the compiler makes vectors of it.
  template <class Rule>
  void apply(const RowTotals& rows, Index n, double* out, Rule rule) const {
    const double least = least_answered;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const double value = rule(rows.sum[i], rows.answered[i]);
      out[i] = rows.answered[i] < least ? missing : value;
    }
  }
};

class Scorer {
 public:
  Scorer(const Instrument& instrument, const MatrixView& responses, const ScoringOptions& options)
      : instrument_(instrument),
        responses_(responses),
        options_(options),
        sign_(static_cast<std::size_t>(instrument.items), 1),
        offset_(static_cast<std::size_t>(instrument.items), 0) {
    for (const int item : instrument.reversed) {
      sign_[static_cast<std::size_t>(item - 1)] = -1;
      offset_[static_cast<std::size_t>(item - 1)] = instrument.lower + instrument.upper;
    }
    for (const Score& subscale : instrument.subscales) scores_.push_back(&subscale);
    scores_.push_back(&instrument.total);
    for (const Score* score : scores_) finishes_.push_back(finish_of(*score));
    make_groups();
  }

  ScaleScores run() {
    const Index n = responses_.rows();
    const auto s = static_cast<Index>(instrument_.subscales.size());
    ScaleScores out{.total = Eigen::VectorXd(n),
                    .subscales = Eigen::MatrixXd(n, s),
                    .subscale_names = {},
                    .total_answered = CountVector(n),
                    .subscale_answered = CountMatrix(n, s),
                    .missing = CountVector(n),
                    .n_used = 0,
                    .n_omitted = 0};
    if (instrument_.total.items.empty()) {
      out.total.setConstant(missing);
      out.total_answered.setZero();
    }
    for (const Score& subscale : instrument_.subscales) out.subscale_names.push_back(subscale.name);
    for (Index first = 0; first < n; first += block_rows)
      score_block(first, std::min(block_rows, n - first), out);
    finish_totals(out);
    return out;
  }

 private:
  [[nodiscard]] MissingItems action() const {
    return options_.missing.value_or(instrument_.missing);
  }

  [[nodiscard]] Finish finish_of(const Score& score) const {
    const auto k = static_cast<double>(score.items.size());
    const double limit = missing_limit(instrument_, score, options_);
    return {.score = &score,
            .items = k,
            .least_answered = std::max(1.0, k - limit),
            .prorate = action() == MissingItems::prorate,
            .rounded = instrument_.round_substitutes && action() == MissingItems::prorate};
  }

  void make_groups() {
    std::map<std::vector<std::size_t>, ItemGroup> by_scores;
    for (Index item = 0; item < instrument_.items; ++item) {
      std::vector<std::size_t> memberships;
      for (std::size_t s = 0; s < scores_.size(); ++s) {
        const auto& items = scores_[s]->items;
        if (is_linear(scores_[s]->rule) &&
            std::find(items.begin(), items.end(), static_cast<int>(item + 1)) != items.end())
          memberships.push_back(s);
      }
      ItemGroup& group = by_scores[memberships];
      group.scores = memberships;
      (sign_[static_cast<std::size_t>(item)] < 0 ? group.reversed : group.forward).push_back(item);
    }
    for (const auto& entry : by_scores) groups_.push_back(entry.second);
  }

  void sum_group(ItemGroup& group, Index first, Index n) {
    constexpr std::size_t most_columns = 12;  // streams that memory can feed at once
    group.rows.sum.fill(0);
    group.rows.answered.fill(0);
    const auto addresses = [&](const std::vector<Index>& items, std::size_t from) {
      std::vector<const double*> out;
      for (std::size_t i = from; i < std::min(items.size(), from + most_columns); ++i)
        out.push_back(&responses_.coeffRef(first, items[i]));
      return out;
    };
    const std::size_t longest = std::max(group.forward.size(), group.reversed.size());
    for (std::size_t from = 0; from < longest; from += most_columns) {
      const std::vector<const double*> forward = addresses(group.forward, from);
      const std::vector<const double*> reversed = addresses(group.reversed, from);
      const ItemColumns columns{.forward = forward.data(),
                                .n_forward = static_cast<int>(forward.size()),
                                .reversed = reversed.data(),
                                .n_reversed = static_cast<int>(reversed.size()),
                                .rows_left = responses_.rows() - first,
                                .lower = instrument_.lower,
                                .upper = instrument_.upper,
                                .mirror = instrument_.lower + instrument_.upper};
      if (sum_items_(columns, n, group.rows.sum.data(), group.rows.answered.data()))
        refuse(first, n);
    }
  }

  void score_block(Index first, Index n, ScaleScores& out) {
    for (ItemGroup& group : groups_) sum_group(group, first, n);
    check_allowed(first, n);
    count_missing(first, n, out);
    for (std::size_t s = 0; s < scores_.size(); ++s) {
      if (scores_[s]->items.empty()) continue;
      write(s, is_linear(scores_[s]->rule) ? gather(s, n) : count_positive(*scores_[s], first, n),
            first, n, out);
    }
  }

  /// The sums of a score's groups; those of a single group stand where they are.
  const RowTotals& gather(std::size_t s, Index n) {
    const RowTotals* found = nullptr;
    for (const ItemGroup& group : groups_) {
      if (std::find(group.scores.begin(), group.scores.end(), s) == group.scores.end()) continue;
      if (found == nullptr) {
        found = &group.rows;
        continue;
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        gathered_.sum[i] = found->sum[i] + group.rows.sum[i];
        gathered_.answered[i] = found->answered[i] + group.rows.answered[i];
      }
      found = &gathered_;
    }
    return *found;
  }

  /// PST: items above the lower end; PSDI: the sum over them.
  const RowTotals& count_positive(const Score& score, Index first, Index n) {
    for (Index i = 0; i < n; ++i) {
      double sum = 0;
      double positive = 0;
      double answered = 0;
      for (const int item : score.items) {
        const double x = responses_(first + i, item - 1);
        if (is_missing(x)) continue;
        const double keyed = sign_[static_cast<std::size_t>(item - 1)] * x +
                             offset_[static_cast<std::size_t>(item - 1)];
        answered += 1;
        positive += keyed > instrument_.lower ? 1 : 0;
        sum += keyed;
      }
      const auto row = static_cast<std::size_t>(i);
      gathered_.answered[row] = answered;
      gathered_.sum[row] = score.rule == ScoreRule::count_positive
                               ? positive
                               : (positive > 0 ? sum / positive : missing);
    }
    return gathered_;
  }

  void write(std::size_t s, const RowTotals& rows, Index first, Index n, ScaleScores& out) const {
    const Finish& finish = finishes_[s];
    const bool is_total = s + 1 == scores_.size();
    const auto column = static_cast<Index>(s);
    double* score = is_total ? out.total.data() + first : &out.subscales(first, column);
    std::int16_t* answered =
        is_total ? out.total_answered.data() + first : &out.subscale_answered(first, column);
    for (Index i = 0; i < n; ++i)
      answered[i] = static_cast<std::int16_t>(rows.answered[static_cast<std::size_t>(i)]);
    if (is_linear(finish.score->rule)) {
      finish(rows, n, score);
      return;
    }
    for (Index i = 0; i < n; ++i) {
      const auto row = static_cast<std::size_t>(i);
      score[i] = rows.answered[row] < finish.least_answered ? missing : rows.sum[row];
    }
  }

  void count_missing(Index first, Index n, ScaleScores& out) {
    Block& absent = gathered_.sum;
    absent.fill(static_cast<double>(instrument_.items));
    for (const ItemGroup& group : groups_)
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
        absent[i] -= group.rows.answered[i];
    for (Index i = 0; i < n; ++i)
      out.missing[first + i] = static_cast<std::int16_t>(absent[static_cast<std::size_t>(i)]);
    if (action() == MissingItems::fail) require_answers(first, n, out);
  }

  void require_answers(Index first, Index n, const ScaleScores& out) const {
    for (Index i = first; i < first + n; ++i) {
      if (out.missing[i] == 0) continue;
      Index item = 0;
      while (!is_missing(responses_(i, item))) ++item;
      throw DataError("row " + std::to_string(i + 1) + ", item " + std::to_string(item + 1) +
                      ": no answer; the rule `fail` needs every item answered");
    }
  }

  void check_allowed(Index first, Index n) const {
    for (const auto& allowed : instrument_.allowed)
      for (const int item : allowed.items)
        for (Index i = 0; i < n; ++i)
          if (!is_allowed(instrument_, item - 1, responses_(first + i, item - 1))) refuse(first, n);
  }

  [[noreturn]] void refuse(Index first, Index n) const {
    for (Index i = first; i < first + n; ++i)
      for (Index item = 0; item < instrument_.items; ++item)
        if (!is_allowed(instrument_, item, responses_(i, item)))
          throw DataError("row " + std::to_string(i + 1) + ", item " + std::to_string(item + 1) +
                          ": " + shortest_decimal(responses_(i, item)) + " is no response of \"" +
                          instrument_.name + "\" (" + shortest_decimal(instrument_.lower) + " to " +
                          shortest_decimal(instrument_.upper) + ")");
    throw DataError("a response lies outside the range");
  }

  void finish_totals(ScaleScores& out) const {
    if (instrument_.total_of_subscales) out.total = out.subscales.rowwise().sum();
    const Index n = out.total.size();
    if (instrument_.total.items.empty()) {
      for (Index i = 0; i < n; ++i) out.n_omitted += out.subscales.row(i).hasNaN() ? 1 : 0;
    } else {
      out.n_omitted = out.total.array().isNaN().count();
    }
    out.n_used = n - out.n_omitted;
  }

  const Instrument& instrument_;
  const MatrixView& responses_;
  const ScoringOptions& options_;
  std::vector<double> sign_;
  std::vector<double> offset_;
  std::vector<const Score*> scores_;
  std::vector<Finish> finishes_;
  std::vector<ItemGroup> groups_;
  ItemSums sum_items_ = item_sums();
  RowTotals gathered_{};
};

/// True, false, or unknown (−1) because unanswered items could still tip it.
int holds(const BasicCount<OwnedKey>& count, const MatrixView& responses, Index row) {
  int met = 0;
  int open = 0;
  for (const int item : count.items) {
    const double x = responses(row, item - 1);
    if (is_missing(x)) {
      ++open;
    } else if (x >= count.lower && x <= count.upper) {
      ++met;
    }
  }
  if (met >= count.minimum) return 1;
  return met + open >= count.minimum ? -1 : 0;
}

int first_criterion(const Instrument& instrument, const MatrixView& responses, Index row) {
  for (std::size_t c = 0; c < instrument.criteria.size(); ++c) {
    int state = 1;
    for (const auto& count : instrument.criteria[c].counts) {
      const int one = holds(count, responses, row);
      if (one == 0) state = 0;
      if (one < 0 && state != 0) state = -1;
    }
    if (state == 1) return static_cast<int>(c);
    if (state < 0) return -1;
  }
  return -1;
}

void require_items(const char* function, const Instrument& instrument,
                   const MatrixView& responses) {
  if (responses.cols() != instrument.items)
    throw InvalidArgument(std::string(function) + ": `responses` has " +
                          std::to_string(responses.cols()) + " columns but \"" + instrument.name +
                          "\" has " + std::to_string(instrument.items) +
                          " items; each item needs its column");
}

}  // namespace

int missing_limit(const Instrument& instrument, const Score& score, const ScoringOptions& options) {
  const auto k = static_cast<int>(score.items.size());
  const MissingItems action = options.missing.value_or(instrument.missing);
  const auto substitutes = [](MissingItems rule) {
    return rule == MissingItems::prorate || rule == MissingItems::available;
  };
  if (!substitutes(action)) return 0;
  if (!is_missing(options.max_missing))
    return static_cast<int>(std::floor(options.max_missing * k + 1e-9));
  return substitutes(instrument.missing) ? score.max_missing : k - 1;
}

ScaleScores score_scale(const Instrument& instrument, const MatrixView& responses,
                        const ScoringOptions& options) {
  require_items("score_scale", instrument, responses);
  if (!is_missing(options.max_missing) && !(options.max_missing >= 0 && options.max_missing <= 1))
    throw InvalidArgument("score_scale: `max_missing` is " + shortest_decimal(options.max_missing) +
                          "; must lie in [0, 1]");
  return Scorer(instrument, responses, options).run();
}

Eigen::MatrixXd keyed_responses(const Instrument& instrument, const MatrixView& responses) {
  require_items("keyed_responses", instrument, responses);
  Eigen::MatrixXd keyed = responses;
  for (const int item : instrument.reversed)
    keyed.col(item - 1) =
        (instrument.lower + instrument.upper - keyed.col(item - 1).array()).matrix();
  return keyed;
}

bool is_allowed(const Instrument& instrument, Index item, double response) {
  if (is_missing(response)) return true;
  if (response < instrument.lower || response > instrument.upper) return false;
  for (const auto& allowed : instrument.allowed)
    if (std::find(allowed.items.begin(), allowed.items.end(), static_cast<int>(item + 1)) !=
        allowed.items.end())
      return std::find(allowed.values.begin(), allowed.values.end(), response) !=
             allowed.values.end();
  return true;
}

int band_of(const std::vector<Band>& bands, double value) {
  int at = -1;
  for (std::size_t i = 0; i < bands.size(); ++i)
    if (value >= bands[i].lower) at = static_cast<int>(i);
  return at;
}

std::vector<int> criterion_of(const Instrument& instrument, const MatrixView& responses) {
  require_items("criterion_of", instrument, responses);
  std::vector<int> out;
  for (Index i = 0; i < responses.rows(); ++i)
    out.push_back(first_criterion(instrument, responses, i));
  return out;
}

Eigen::VectorXd t_scores(const VectorView& values, const Norms& norms) {
  if (!(norms.sd > 0))
    throw InvalidArgument("t_scores: `norms.sd` is " + shortest_decimal(norms.sd) +
                          "; must be above 0");
  return (50 + 10 * (values.array() - norms.mean) / norms.sd).matrix();
}

Eigen::VectorXd normal_percentiles(const VectorView& values, const Norms& norms) {
  if (!(norms.sd > 0))
    throw InvalidArgument("normal_percentiles: `norms.sd` is " + shortest_decimal(norms.sd) +
                          "; must be above 0");
  return values.unaryExpr(
      [&](double value) { return 100 * normal_cdf((value - norms.mean) / norms.sd); });
}

Eigen::VectorXd percentile_ranks(const VectorView& values, const VectorView& reference) {
  std::vector<double> sorted;
  for (const double value : reference)
    if (!is_missing(value)) sorted.push_back(value);
  if (sorted.empty())
    throw InvalidArgument("percentile_ranks: `reference` holds no value; at least one is required");
  std::sort(sorted.begin(), sorted.end());
  const auto n = static_cast<double>(sorted.size());
  return values.unaryExpr([&](double value) {
    if (is_missing(value)) return missing;
    const auto below = std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    const auto up_to = std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    return 100 * 0.5 * static_cast<double>(below + up_to) / n;
  });
}

}  // namespace rapport
