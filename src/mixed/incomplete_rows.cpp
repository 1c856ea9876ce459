#include "incomplete_rows.hpp"

#include <rapport/math/distributions.hpp>

#include <Eigen/Cholesky>

#include "covariance_sampler.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace rapport {
namespace {

using Eigen::LLT;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Φ(upper) − Φ(lower), in the tail that keeps its digits.
double normal_probability(double lower, double upper) {
  return lower > 0 ? normal_cdf(-lower) - normal_cdf(-upper)
                   : normal_cdf(upper) - normal_cdf(lower);
}

}  // namespace

double truncated_normal(double mean, double sd, double lower, double upper, RandomStream& stream) {
  double a = (lower - mean) / sd;
  double b = (upper - mean) / sd;
  const bool mirrored = a > 0;
  if (mirrored) {
    a = -a;
    b = -b;
    std::swap(a, b);
  }
  const double below = normal_cdf(a);
  const double p = below + (normal_cdf(b) - below) * stream.uniform();
  // Beyond 38 SDs nothing is left of the tail: the limit is where the mass is.
  double z = p > 0 ? normal_quantile(p) : b;
  z = std::clamp(z, a, b);
  return mean + sd * (mirrored ? -z : z);
}

LatentThresholds::LatentThresholds(const IncompleteColumn& column) {
  if (column.kind == ImputedKind::continuous) return;
  VectorXd shares = VectorXd::Zero(column.categories);
  double n = 0;
  for (const std::int32_t code : column.codes) {
    if (code < 0) continue;
    shares[code] += 1;
    n += 1;
  }
  std::vector<double> quantiles;  // of a standard normal variable with these shares
  double below = 0;
  for (Index k = 0; k + 1 < column.categories; ++k) {
    below += shares[k];
    quantiles.push_back(normal_quantile((below + 0.5) / (n + 1)));
  }
  if (column.categories == 2) {
    thresholds_ = {0};
    mean_ = -quantiles.front();
    return;
  }
  sd_ = 1 / (quantiles.back() - quantiles.front());
  mean_ = -quantiles.front() * sd_;
  for (const double q : quantiles) thresholds_.push_back(mean_ + sd_ * q);
  thresholds_.front() = 0;
  thresholds_.back() = 1;
  steps_.assign(thresholds_.size(), 0.05);
}

std::pair<double, double> LatentThresholds::bounds(std::int32_t code) const {
  const auto k = static_cast<std::size_t>(code);
  return {k == 0 ? -infinity : thresholds_[k - 1],
          k == thresholds_.size() ? infinity : thresholds_[k]};
}

std::int32_t LatentThresholds::code(double latent) const {
  return static_cast<std::int32_t>(
      std::upper_bound(thresholds_.begin(), thresholds_.end(), latent) - thresholds_.begin());
}

void LatentThresholds::draw(const IncompleteColumn& column, const VectorXd& means, double sd,
                            bool adapt, RandomStream& stream) {
  for (std::size_t t = 1; t + 1 < thresholds_.size(); ++t) {
    const double lower = thresholds_[t - 1];
    const double upper = thresholds_[t + 1];
    const double old = thresholds_[t];
    const double proposed = truncated_normal(old, steps_[t], lower, upper, stream);
    const auto room = [&](double at) {
      return normal_probability((lower - at) / steps_[t], (upper - at) / steps_[t]);
    };
    double log_ratio = std::log(room(old)) - std::log(room(proposed));
    for (Index i = 0; i < means.size(); ++i) {
      const std::int32_t code = column.codes[static_cast<std::size_t>(i)];
      if (code != static_cast<std::int32_t>(t) && code != static_cast<std::int32_t>(t) + 1)
        continue;
      const bool under = code == static_cast<std::int32_t>(t);
      const auto probability = [&](double at) {
        const double from = under ? lower : at;
        const double to = under ? at : upper;
        return normal_probability((from - means[i]) / sd, (to - means[i]) / sd);
      };
      log_ratio += std::log(probability(proposed)) - std::log(probability(old));
    }
    const bool accepted = std::log(stream.uniform()) < log_ratio;
    if (accepted) thresholds_[t] = proposed;
    if (adapt) steps_[t] *= accepted ? 1.1 : 0.928;  // towards a share of 0.44 accepted
  }
}

IncompleteRows::IncompleteRows(std::vector<IncompleteColumn> columns, Index rows, Index complete)
    : columns_(std::move(columns)), rows_(rows), complete_(complete) {
  for (const IncompleteColumn& column : columns_) thresholds_.emplace_back(column);
  std::map<std::vector<Index>, std::vector<Index>> rows_of;
  const Index all = complete_ + static_cast<Index>(columns_.size());
  for (Index i = 0; i < rows_; ++i) {
    std::vector<Index> absent;
    for (std::size_t k = 0; k < columns_.size(); ++k)
      if (columns_[k].is_missing(i)) absent.push_back(complete_ + static_cast<Index>(k));
    if (!absent.empty()) rows_of[absent].push_back(i);
  }
  for (auto& [absent, at] : rows_of) {
    Pattern pattern{.absent = absent, .present = {}, .rows = std::move(at)};
    for (Index k = 0; k < all; ++k)
      if (!std::binary_search(absent.begin(), absent.end(), k)) pattern.present.push_back(k);
    patterns_.push_back(std::move(pattern));
  }
}

MatrixXd IncompleteRows::start(RandomStream& stream) const {
  MatrixXd values(rows_, static_cast<Index>(columns_.size()));
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    const IncompleteColumn& column = columns_[k];
    const LatentThresholds& cuts = thresholds_[k];
    for (Index i = 0; i < rows_; ++i) {
      double value = cuts.start_mean() + cuts.start_sd() * stream.normal();
      if (!column.is_missing(i)) {
        if (column.kind == ImputedKind::continuous) {
          value = column.values[i];
        } else {
          const auto [from, to] = cuts.bounds(column.codes[static_cast<std::size_t>(i)]);
          value = truncated_normal(cuts.start_mean(), cuts.start_sd(), from, to, stream);
        }
      }
      values(i, static_cast<Index>(k)) = value;
    }
  }
  return values;
}

void IncompleteRows::draw(MatrixXd& values, const MatrixXd& mean, const MatrixXd& covariance,
                          bool adapt, RandomStream& stream) {
  const Index d = covariance.rows();
  const MatrixXd precision = LLT<MatrixXd>(covariance).solve(MatrixXd::Identity(d, d));
  MatrixXd deviations = values - mean;
  for (std::size_t k = 0; k < columns_.size(); ++k)
    if (columns_[k].kind != ImputedKind::continuous)
      draw_latent(k, deviations, mean, precision, adapt, stream);
  draw_missing(deviations, precision, stream);
  const auto drawn = static_cast<Index>(columns_.size());
  values.rightCols(drawn) = mean.rightCols(drawn) + deviations.rightCols(drawn);
  for (std::size_t k = 0; k < columns_.size(); ++k) {  // exactly what was observed
    if (columns_[k].kind != ImputedKind::continuous) continue;
    for (Index i = 0; i < rows_; ++i)
      if (!columns_[k].is_missing(i))
        values(i, complete_ + static_cast<Index>(k)) = columns_[k].values[i];
  }
}

void IncompleteRows::draw_latent(std::size_t k, MatrixXd& deviations, const MatrixXd& mean,
                                 const MatrixXd& precision, bool adapt, RandomStream& stream) {
  const IncompleteColumn& column = columns_[k];
  const Index place = complete_ + static_cast<Index>(k);
  const double own = precision(place, place);
  const double sd = 1 / std::sqrt(own);
  VectorXd weights = -precision.col(place) / own;
  weights[place] = 0;
  const VectorXd means = mean.col(place) + deviations * weights;
  thresholds_[k].draw(column, means, sd, adapt, stream);
  for (Index i = 0; i < rows_; ++i) {
    const std::int32_t code = column.codes[static_cast<std::size_t>(i)];
    if (code < 0) continue;  // drawn with what else the row misses
    const auto [from, to] = thresholds_[k].bounds(code);
    deviations(i, place) = truncated_normal(means[i], sd, from, to, stream) - mean(i, place);
  }
}

void IncompleteRows::draw_missing(MatrixXd& deviations, const MatrixXd& precision,
                                  RandomStream& stream) const {
  for (const Pattern& pattern : patterns_) {
    const auto a = static_cast<Index>(pattern.absent.size());
    const LLT<MatrixXd> root(MatrixXd(precision(pattern.absent, pattern.absent)));
    const MatrixXd weights = -root.solve(MatrixXd(precision(pattern.absent, pattern.present)));
    for (const Index row : pattern.rows) {
      const VectorXd present = deviations(row, pattern.present).transpose();
      VectorXd drawn = weights * present;
      drawn += root.matrixU().solve(normal_draws(a, 1, stream));
      deviations(row, pattern.absent) = drawn.transpose();
    }
  }
}

}  // namespace rapport
