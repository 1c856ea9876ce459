#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/chains.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

/// Each chain's first and second half as columns.
Eigen::MatrixXd halved(const MatrixView& draws) {
  const Index half = draws.rows() / 2;
  Eigen::MatrixXd halves(half, 2 * draws.cols());
  halves << draws.topRows(half), draws.bottomRows(half);
  return halves;
}

/// Mean variance within chains, and the variance that all chains together estimate.
struct Variances {
  double within;
  double total;

  explicit Variances(const Eigen::MatrixXd& chains) {
    const auto n = static_cast<double>(chains.rows());
    const Eigen::RowVectorXd means = chains.colwise().mean();
    const Eigen::MatrixXd centred = chains.rowwise() - means;
    within = centred.squaredNorm() / (n - 1) / static_cast<double>(chains.cols());
    const double between = chains.cols() > 1 ? (means.array() - means.mean()).square().sum() /
                                                   static_cast<double>(chains.cols() - 1)
                                             : 0;
    total = within * (n - 1) / n + between;
  }
};

/// Autocovariances of each chain at the lag (divisor n), averaged.
double autocovariance(const Eigen::MatrixXd& centred, Index lag) {
  const Index n = centred.rows();
  return (centred.topRows(n - lag).array() * centred.bottomRows(n - lag).array()).sum() /
         static_cast<double>(n) / static_cast<double>(centred.cols());
}

/// n · chains / (1 + 2 Σ ρ), ρ by Gelman et al. (2013, 11.7), the sum cut by Geyer's rule.
double effective_size(const Eigen::MatrixXd& chains, const Variances& variances) {
  const auto size = static_cast<double>(chains.size());
  const Eigen::MatrixXd centred = chains.rowwise() - chains.colwise().mean();
  const auto correlation = [&](Index lag) {
    const auto n = static_cast<double>(chains.rows());
    return 1 - (variances.within * (n - 1) / n - autocovariance(centred, lag)) / variances.total;
  };
  double sum = 0;
  double least = 2;
  for (Index lag = 0; lag + 1 < chains.rows(); lag += 2) {
    const double pair = (lag == 0 ? 1 : correlation(lag)) + correlation(lag + 1);
    if (!(pair > 0)) break;
    least = std::min(least, pair);
    sum += least;
  }
  return std::min(size * std::log10(size), size / std::max(2 * sum - 1, 1 / size));
}

}  // namespace

ChainDiagnostic chain_diagnostic(const MatrixView& draws, Index lag) {
  require_at_least("chain_diagnostic", "draws", draws.rows(), 4);
  require_at_least("chain_diagnostic", "draws' chains", draws.cols(), 1);
  if (lag < 1 || lag >= draws.rows())
    throw InvalidArgument("chain_diagnostic: `lag` is " + std::to_string(lag) +
                          "; must lie in 1 … " + std::to_string(draws.rows() - 1));
  const Eigen::MatrixXd chains = halved(draws);
  const Variances variances(chains);
  ChainDiagnostic result{};
  result.mean = draws.mean();
  const auto size = static_cast<double>(draws.size());
  result.sd = std::sqrt((draws.array() - result.mean).square().sum() / (size - 1));
  if (!(variances.within > 0)) {
    result.r_hat = result.autocorrelation = result.effective_size = missing;
    return result;
  }
  result.r_hat = std::sqrt(variances.total / variances.within);
  const Eigen::MatrixXd centred = draws.rowwise() - draws.colwise().mean();
  result.autocorrelation = autocovariance(centred, lag) / autocovariance(centred, 0);
  result.effective_size = effective_size(chains, variances);
  return result;
}

}  // namespace rapport
