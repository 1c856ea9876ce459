#pragma once

#include "likelihood.hpp"
#include <cmath>

/// Not installed: what the families' likelihoods share.
namespace rapport::detail {

/// A product whose logarithm is wanted: one logarithm for many factors.
class LogProduct {
 public:
  void multiply(double factor) {
    product_ *= factor;
    if (product_ > 1e200 || product_ < 1e-200) {
      sum_ += std::log(product_);
      product_ = 1;
    }
  }
  [[nodiscard]] double log() const { return sum_ + std::log(product_); }

 private:
  double product_ = 1;
  double sum_ = 0;
};

/// Value and three derivatives of one row.
struct Row {
  double value;
  double first;
  double second;
  double third;
};

// Each of the following is null for a link that the family does not take; the responses and the
// weights, which are not empty, have been checked.

/// Families without a parameter beside the mean: binomial and poisson.
std::unique_ptr<Likelihood> make_plain(Family family, Link link, const Eigen::VectorXd& response,
                                       const Eigen::VectorXd& weights);
/// Families with a dispersion: nbinom1, nbinom2, gamma and beta.
std::unique_ptr<Likelihood> make_with_dispersion(Family family, Link link,
                                                 const Eigen::VectorXd& response,
                                                 const Eigen::VectorXd& weights);
std::unique_ptr<Likelihood> make_cumulative(Link link, const Eigen::VectorXd& response,
                                            const Eigen::VectorXd& weights, Index categories);

}  // namespace rapport::detail
