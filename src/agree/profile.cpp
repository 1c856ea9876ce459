#include <rapport/agree/profile.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <cmath>

namespace rapport {
namespace {

using Eigen::ArrayXd;
using Eigen::MatrixXd;
using Eigen::VectorXd;

double correlation(const ArrayXd& x, const ArrayXd& y) {
  if (x.size() < 2) return missing;
  const ArrayXd a = x - x.mean();
  const ArrayXd b = y - y.mean();
  const double scale = std::sqrt(a.square().sum() * b.square().sum());
  return scale > 0 ? (a * b).sum() / scale : missing;
}

VectorXd item_means(const MatrixView& profiles) {
  VectorXd means(profiles.cols());
  for (Index item = 0; item < profiles.cols(); ++item) {
    double sum = 0;
    Index n = 0;
    for (Index i = 0; i < profiles.rows(); ++i)
      if (!is_missing(profiles(i, item))) {
        sum += profiles(i, item);
        ++n;
      }
    means[item] = sum / static_cast<double>(n);
  }
  return means;
}

}  // namespace

std::vector<ProfileSimilarity> profile_similarity(const MatrixView& first,
                                                  const MatrixView& second) {
  require_same_size("profile_similarity", "first's subjects", first.rows(), "second's",
                    second.rows());
  require_same_size("profile_similarity", "first's items", first.cols(), "second's", second.cols());
  require_at_least("profile_similarity", "items", first.cols(), 2);
  const VectorXd mean_first = item_means(first);
  const VectorXd mean_second = item_means(second);
  std::vector<ProfileSimilarity> result;
  for (Index i = 0; i < first.rows(); ++i) {
    std::vector<Index> both;
    for (Index item = 0; item < first.cols(); ++item)
      if (!is_missing(first(i, item)) && !is_missing(second(i, item))) both.push_back(item);
    const ArrayXd x = pick(first.row(i).transpose(), both).array();
    const ArrayXd y = pick(second.row(i).transpose(), both).array();
    ArrayXd xy(2 * x.size());
    ArrayXd yx(2 * x.size());
    xy << x, y;
    yx << y, x;
    const ArrayXd difference = x - y;
    result.push_back({.r = correlation(x, y),
                      .icc = correlation(xy, yx),
                      .distinctive_r = correlation(x - pick(mean_first, both).array(),
                                                   y - pick(mean_second, both).array()),
                      .mean_absolute_difference = both.empty() ? missing : difference.abs().mean(),
                      .d2 = both.empty() ? missing : difference.square().sum(),
                      .items = static_cast<Index>(both.size())});
  }
  return result;
}

}  // namespace rapport
