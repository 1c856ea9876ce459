#pragma once

#include <functional>
#include <vector>

#include <rapport/base/interval.hpp>
#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>

namespace rapport {

/// n draws with replacement from 0 … n − 1.
[[nodiscard]] std::vector<Index> bootstrap_sample(Index n, RandomStream& stream);
/// A uniform permutation of 0 … n − 1.
[[nodiscard]] std::vector<Index> permutation(Index n, RandomStream& stream);
/// Rows of whole clusters drawn with replacement: `rows_of[c]` lists the rows of cluster c.
[[nodiscard]] std::vector<Index> cluster_bootstrap_sample(const std::vector<std::vector<Index>>& rows_of, RandomStream& stream);

enum class BootstrapInterval { percentile, basic, normal, bca };

struct BootstrapOptions {
  Index replicates = 2000;
  double confidence_level = 0.95;
  BootstrapInterval interval = BootstrapInterval::bca;
  int threads = 1;  ///< 0: every core; the result does not depend on it
  Progress progress = {};
};

struct [[nodiscard]] BootstrapResult {
  double estimate;        ///< on the data themselves
  double standard_error;  ///< SD of the replicates
  double bias;            ///< mean of the replicates − estimate
  ConfidenceInterval ci;
  Eigen::VectorXd replicates;  ///< in order; NaN where the statistic was undefined
  Index n_undefined;           ///< replicates that were NaN and count for nothing
};

/// Nonparametric bootstrap of `statistic(rows)` over n rows (Efron 1987 for BCa, with the jackknife's acceleration).
BootstrapResult bootstrap(Index n, const std::function<double(const std::vector<Index>&)>& statistic, Seed seed,
                          const BootstrapOptions& options = {});

/// The same with whole clusters resampled; the BCa acceleration deletes one cluster at a time.
BootstrapResult cluster_bootstrap(const std::vector<std::vector<Index>>& rows_of,
                                  const std::function<double(const std::vector<Index>&)>& statistic, Seed seed,
                                  const BootstrapOptions& options = {});

}  // namespace rapport
