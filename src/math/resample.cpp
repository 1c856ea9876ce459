#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/resample.hpp>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <utility>

namespace rapport {
namespace {

using Statistic = std::function<double(const std::vector<Index>&)>;

std::vector<Index> all_rows(Index n) {
  std::vector<Index> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), Index{0});
  return rows;
}

/// Tells a listener how many of `total` are done, one call at a time; a refusal stops the
/// computation.
class Counter {
 public:
  Counter(const Progress& progress, Index total) : progress_(progress), total_(total) {}
  void advance() {
    if (!progress_) return;
    const std::scoped_lock lock(mutex_);
    if (!progress_(++done_, total_)) throw Interrupted("bootstrap: interrupted");
  }

 private:
  const Progress& progress_;
  Index total_;
  Index done_ = 0;
  std::mutex mutex_;
};

/// Efron (1987): bias correction z₀ from the share of replicates below the estimate (ties count
/// half), acceleration from the skewness of the jackknife values.
std::pair<double, double> bca_probabilities(const Eigen::VectorXd& replicates, double estimate,
                                            const Eigen::VectorXd& jackknife, double level) {
  double below = 0;
  for (const double value : replicates) below += value < estimate ? 1 : value == estimate ? 0.5 : 0;
  const double bias_correction = normal_quantile(below / static_cast<double>(replicates.size()));
  const Eigen::ArrayXd influence = jackknife.mean() - jackknife.array();
  const double squares = influence.square().sum();
  const double acceleration =
      squares > 0 ? influence.cube().sum() / (6 * std::pow(squares, 1.5)) : 0;
  const auto corrected = [&](double p) {
    const double z = bias_correction + normal_quantile(p);
    return normal_cdf(bias_correction + z / (1 - acceleration * z));
  };
  return {corrected(0.5 * (1 - level)), corrected(0.5 * (1 + level))};
}

ConfidenceInterval interval(const BootstrapResult& result, const Eigen::VectorXd& defined,
                            const Eigen::VectorXd& jackknife, const BootstrapOptions& options) {
  ConfidenceInterval ci{.lower = missing, .upper = missing, .level = options.confidence_level};
  if (defined.size() < 2 || is_missing(result.estimate)) return ci;
  if (options.interval == BootstrapInterval::normal) {
    return normal_interval(result.estimate - result.bias, result.standard_error,
                           options.confidence_level);
  }
  double p_lower = 0.5 * (1 - options.confidence_level);
  double p_upper = 0.5 * (1 + options.confidence_level);
  if (options.interval == BootstrapInterval::bca) {
    if (jackknife.size() == 0) return ci;
    std::tie(p_lower, p_upper) =
        bca_probabilities(defined, result.estimate, jackknife, options.confidence_level);
    if (is_missing(p_lower) || is_missing(p_upper)) return ci;
  }
  ci.lower = quantile(defined, p_lower);
  ci.upper = quantile(defined, p_upper);
  if (options.interval == BootstrapInterval::basic) {
    ci = {.lower = 2 * result.estimate - ci.upper,
          .upper = 2 * result.estimate - ci.lower,
          .level = ci.level};
  }
  return ci;
}

Eigen::VectorXd without_missing(const Eigen::VectorXd& x) {
  Eigen::VectorXd kept(x.size());
  Index n = 0;
  for (const double value : x) {
    if (!is_missing(value)) kept[n++] = value;
  }
  return kept.head(n);
}

/// The bootstrap over `units` resampling units: `draw` gives the rows of one replicate,
/// `leave_out(u)` those without a unit.
template <class Draw, class LeaveOut>
BootstrapResult run(const std::vector<Index>& rows, Index units, const Statistic& statistic,
                    const Draw& draw, const LeaveOut& leave_out, const BootstrapOptions& options) {
  require_level("bootstrap", "confidence_level", options.confidence_level);
  require_at_least("bootstrap", "replicates", options.replicates, 1);
  const bool accelerated = options.interval == BootstrapInterval::bca;
  BootstrapResult result{.estimate = statistic(rows),
                         .standard_error = missing,
                         .bias = missing,
                         .ci = {},
                         .replicates = Eigen::VectorXd(options.replicates),
                         .n_undefined = 0};
  Counter counter(options.progress, options.replicates + (accelerated ? units : 0));
  parallel_for(options.replicates, options.threads, [&](Index r) {
    result.replicates[r] = statistic(draw(r));
    counter.advance();
  });
  Eigen::VectorXd jackknife(accelerated ? units : 0);
  parallel_for(jackknife.size(), options.threads, [&](Index u) {
    jackknife[u] = statistic(leave_out(u));
    counter.advance();
  });
  const Eigen::VectorXd defined = without_missing(result.replicates);
  result.n_undefined = options.replicates - defined.size();
  const Moments m = moments(defined);
  result.standard_error = m.sd;
  result.bias = m.mean - result.estimate;
  result.ci = interval(result, defined, without_missing(jackknife), options);
  return result;
}

}  // namespace

std::vector<Index> bootstrap_sample(Index n, RandomStream& stream) {
  std::vector<Index> rows(static_cast<std::size_t>(n));
  for (Index& row : rows) row = stream.below(n);
  return rows;
}

std::vector<Index> permutation(Index n, RandomStream& stream) {
  std::vector<Index> rows = all_rows(n);
  for (std::size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[static_cast<std::size_t>(stream.below(static_cast<Index>(i)))]);
  }
  return rows;
}

std::vector<Index> cluster_bootstrap_sample(const std::vector<std::vector<Index>>& rows_of,
                                            RandomStream& stream) {
  std::vector<Index> rows;
  for (std::size_t drawn = 0; drawn < rows_of.size(); ++drawn) {
    const auto& cluster =
        rows_of[static_cast<std::size_t>(stream.below(static_cast<Index>(rows_of.size())))];
    rows.insert(rows.end(), cluster.begin(), cluster.end());
  }
  return rows;
}

BootstrapResult bootstrap(Index n, const Statistic& statistic, Seed seed,
                          const BootstrapOptions& options) {
  require_at_least("bootstrap", "n", n, 1);
  const std::vector<Index> rows = all_rows(n);
  const auto draw = [&](Index replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    return bootstrap_sample(n, stream);
  };
  const auto leave_out = [&](Index row) {
    std::vector<Index> others = rows;
    others.erase(others.begin() + row);
    return others;
  };
  return run(rows, n, statistic, draw, leave_out, options);
}

BootstrapResult cluster_bootstrap(const std::vector<std::vector<Index>>& rows_of,
                                  const Statistic& statistic, Seed seed,
                                  const BootstrapOptions& options) {
  const auto n = static_cast<Index>(rows_of.size());
  require_at_least("cluster_bootstrap", "rows_of", n, 1);
  const auto rows_without = [&](Index omitted) {
    std::vector<Index> rows;
    for (Index c = 0; c < n; ++c) {
      const auto& cluster = rows_of[static_cast<std::size_t>(c)];
      if (c != omitted) rows.insert(rows.end(), cluster.begin(), cluster.end());
    }
    return rows;
  };
  const auto draw = [&](Index replicate) {
    RandomStream stream(seed, static_cast<std::uint64_t>(replicate));
    return cluster_bootstrap_sample(rows_of, stream);
  };
  return run(rows_without(-1), n, statistic, draw, rows_without, options);
}

}  // namespace rapport
