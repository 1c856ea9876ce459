#include "response_distribution.hpp"

#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include "link_function.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport::detail {
namespace {

double draw_binomial(double trials, double probability, RandomStream& stream) {
  double successes = 0;
  for (double k = 0; k < trials; ++k) successes += stream.uniform() < probability ? 1 : 0;
  return successes;
}

/// Arrivals before `mean` of a unit Poisson process: far from the end, whole stretches of them at
/// once by their gamma waiting time (Ahrens & Dieter 1974).
double draw_poisson(double mean, RandomStream& stream) {
  double count = 0;
  while (mean > 30) {
    const double stretch = std::floor(7 * mean / 8);
    const double arrival = stream.gamma(stretch);
    if (arrival > mean) return count + draw_binomial(stretch - 1, mean / arrival, stream);
    count += stretch;
    mean -= arrival;
  }
  const double limit = std::exp(-mean);
  for (double product = stream.uniform(); product > limit; product *= stream.uniform()) ++count;
  return count;
}

}  // namespace

double ResponseDistribution::cumulative_probability(Index row, Index category, double eta) const {
  if (category < 0) return 0;
  if (category + 1 >= thresholds_->categories()) return 1;
  return mean_at(fit_.link, thresholds_->cut(row, category, eta)).mean;
}

double ResponseDistribution::draw(Index row, double eta, RandomStream& stream) const {
  if (fit_.family != Family::binomial && trials(row) != 1)
    throw InvalidArgument(
        "simulate_responses: `design` has prior weights; they define a likelihood but no "
        "distribution to draw from");
  const double shape = fit_.dispersion;
  if (fit_.family == Family::cumulative) {
    const double u = stream.uniform();
    Index category = 0;
    while (cumulative_probability(row, category, eta) < u) ++category;
    return static_cast<double>(category);
  }
  if (!fit_.zero_inflation.empty() && stream.uniform() < extra_zeros(row)) return 0;
  const double mean = mean_at(fit_.link, eta).mean;
  constexpr double least = std::numeric_limits<double>::min();
  switch (fit_.family) {
    case Family::binomial:
      return draw_binomial(trials(row), mean, stream) / trials(row);
    case Family::poisson:
      return draw_poisson(mean, stream);
    case Family::nbinom1:
      return draw_poisson(stream.gamma(mean / shape) * shape, stream);
    case Family::nbinom2:
      return draw_poisson(stream.gamma(shape) * mean / shape, stream);
    case Family::gamma:
      return std::max(least, stream.gamma(1 / shape) * shape * mean);
    case Family::beta: {
      const double a = stream.gamma(mean * shape);
      const double b = stream.gamma((1 - mean) * shape);
      return std::clamp(a / (a + b), least, 1 - std::numeric_limits<double>::epsilon() / 2);
    }
    case Family::cumulative:
      break;
  }
  throw InvalidArgument("simulate_responses: not a Family");
}

double ResponseDistribution::extra_zeros(Index row) const {
  const Eigen::MatrixXd& columns = fit_.options.zero_inflation.columns;
  if (columns.size() == 0) return 0;
  const double zeta = columns.row(row).dot(fit_.family_parameters.tail(columns.cols()));
  return 1 / (1 + std::exp(-zeta));
}

double ResponseDistribution::count_cdf(double y, double mean) const {
  if (y < 0) return 0;
  if (fit_.family == Family::poisson) return chi_squared_upper_tail(2 * mean, 2 * (y + 1));
  const double size = fit_.family == Family::nbinom2 ? fit_.dispersion : mean / fit_.dispersion;
  return beta_cdf(size / (size + mean), size, y + 1);
}

ResponseDistribution::Tails ResponseDistribution::tails(Index row, double eta) const {
  const double y = design_.response[row];
  if (fit_.family == Family::cumulative) {
    const auto category = static_cast<Index>(y);
    return {cumulative_probability(row, category - 1, eta),
            cumulative_probability(row, category, eta)};
  }
  const double mean = mean_at(fit_.link, eta).mean;
  const double shape = fit_.dispersion;
  switch (fit_.family) {
    case Family::binomial: {
      const double n = trials(row);
      const double successes = std::round(y * n);
      return {successes > 0 ? binomial_cdf(successes - 1, n, mean) : 0,
              binomial_cdf(successes, n, mean)};
    }
    case Family::gamma: {
      const double p = chi_squared_cdf(2 * y / (shape * mean), 2 / shape);
      return {p, p};
    }
    case Family::beta: {
      const double p = beta_cdf(y, mean * shape, (1 - mean) * shape);
      return {p, p};
    }
    case Family::poisson:
    case Family::nbinom1:
    case Family::nbinom2:
    case Family::cumulative:
      break;
  }
  const double zeros = extra_zeros(row);
  const double below = y > 0 ? zeros + (1 - zeros) * count_cdf(y - 1, mean) : 0;
  return {below, zeros + (1 - zeros) * count_cdf(y, mean)};
}

}  // namespace rapport::detail
