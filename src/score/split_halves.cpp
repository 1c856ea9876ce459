#include <rapport/base/random.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/score/reliability.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace rapport {
namespace {

/// With s_i = ±1 for the half of item i, Rulon's coefficient is 1 − s'Cs / V.
class EqualSplits {
 public:
  explicit EqualSplits(const MatrixView& c) : c_(c), k_(c.rows()), half_(k_ / 2), side_(k_) {}

  /// Least and greatest s'Cs over all equal splits.
  std::pair<double, double> enumerate() {
    least_ = std::numeric_limits<double>::infinity();
    greatest_ = -least_;
    place(0, 0, 0);
    return {least_, greatest_};
  }

  /// The same by exchanging items between halves until no exchange helps, from many starts.
  std::pair<double, double> exchange() {
    least_ = search(1);
    greatest_ = -search(-1);
    return {least_, greatest_};
  }

 private:
  void place(Index item, Index minus, double sum) {
    if (item == k_) {
      least_ = std::min(least_, sum);
      greatest_ = std::max(greatest_, sum);
      return;
    }
    double across = 0;
    for (Index j = 0; j < item; ++j) across += side_[j] * c_(item, j);
    const Index plus = item - minus;
    if (plus < k_ - half_) {
      side_[item] = 1;
      place(item + 1, minus, sum + c_(item, item) + 2 * across);
    }
    if (minus < half_ && !(item == 0 && k_ % 2 == 0)) {  // with even k the two halves have no names
      side_[item] = -1;
      place(item + 1, minus + 1, sum + c_(item, item) - 2 * across);
    }
  }

  double search(double sign) {
    constexpr Index starts = 200;
    double best = std::numeric_limits<double>::infinity();
    for (Index start = 0; start < starts; ++start) {
      RandomStream stream(Seed{0x5eed}, static_cast<std::uint64_t>(start));
      const std::vector<Index> order = permutation(k_, stream);
      for (Index i = 0; i < k_; ++i) side_[order[static_cast<std::size_t>(i)]] = i < half_ ? -1 : 1;
      best = std::min(best, descend(sign));
    }
    return best;
  }

  double descend(double sign) {
    Eigen::VectorXd slope = sign * (c_ * side_);
    for (;;) {
      double gain = -1e-12 * c_.diagonal().sum();
      Index from = -1;
      Index to = -1;
      for (Index i = 0; i < k_; ++i) {
        if (side_[i] < 0) continue;
        for (Index j = 0; j < k_; ++j) {
          if (side_[j] > 0) continue;
          const double change =
              4 * (slope[j] - slope[i]) + 4 * sign * (c_(i, i) + c_(j, j) - 2 * c_(i, j));
          if (change >= gain) continue;
          gain = change;
          from = i;
          to = j;
        }
      }
      if (from < 0) return sign * side_.dot(c_ * side_);
      side_[from] = -1;
      side_[to] = 1;
      slope = sign * (c_ * side_);
    }
  }

  const MatrixView& c_;
  Index k_;
  Index half_;
  Eigen::VectorXd side_;
  double least_ = 0;
  double greatest_ = 0;
};

SplitHalf split_by(const MatrixView& c, const Eigen::VectorXd& first) {
  const Eigen::VectorXd second = 1 - first.array();
  const double a = first.dot(c * first);
  const double b = second.dot(c * second);
  const double across = first.dot(c * second);
  const double r = across / std::sqrt(a * b);
  return {.r = r, .spearman_brown = 2 * r / (1 + r), .rulon = 4 * across / c.sum()};
}

}  // namespace

SplitHalves split_halves(const MatrixView& c) {
  constexpr Index most_enumerated = 24;
  const Index k = c.rows();
  const double total = c.sum();
  EqualSplits splits(c);
  SplitHalves out{};
  out.exact = k <= most_enumerated;
  const auto [least, greatest] = out.exact ? splits.enumerate() : splits.exchange();
  out.maximum = 1 - least / total;
  out.minimum = 1 - greatest / total;
  // A pair of items falls into different halves in ⌊k/2⌋⌈k/2⌉ of the k(k − 1)/2 pairs of a split.
  const Index pairs_apart = (k / 2) * (k - k / 2);
  const auto halves = static_cast<double>(pairs_apart);
  out.mean = 4 * halves * (c.sum() - c.trace()) / (static_cast<double>(k * (k - 1)) * total);
  Eigen::VectorXd odd = Eigen::VectorXd::Zero(k);
  Eigen::VectorXd first = Eigen::VectorXd::Zero(k);
  for (Index i = 0; i < k; i += 2) odd[i] = 1;
  first.head((k + 1) / 2).setOnes();
  out.odd_even = split_by(c, odd);
  out.first_second = split_by(c, first);
  return out;
}

}  // namespace rapport
