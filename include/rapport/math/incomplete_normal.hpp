#pragma once

#include <rapport/base/eigen.hpp>

#include <vector>

namespace rapport {

/// A multivariate normal sample in which values may be missing, and its likelihood given the values
/// that are there
/// ("full information": ignorable where they are missing at random, Rubin 1976). Rows are kept as
/// the count, mean and covariance of each pattern of missing values, so that an evaluation does not
/// depend on the number of rows.
class IncompleteNormal {
 public:
  /// The log-likelihood, with all constants, and its derivatives in the means and in the lower
  /// triangle of the covariance matrix, column by column.
  struct Derivatives {
    double value = 0;  ///< −∞ if the covariance matrix of any pattern is not positive definite
    Eigen::VectorXd mean;        ///< d
    Eigen::MatrixXd covariance;  ///< d × d symmetric G: a change dΣ changes the value by tr(G dΣ)
    Eigen::MatrixXd hessian;     ///< (d + d(d + 1)/2) square: means, then the lower triangle
  };

  /// Means and covariance matrix of largest likelihood.
  struct Saturated {
    Eigen::VectorXd mean;
    Eigen::MatrixXd covariance;
    double log_likelihood;
    bool converged;
  };

  /// `data` is rows × d, NaN where missing; rows without any value are left out.
  explicit IncompleteNormal(const MatrixView& data);

  [[nodiscard]] Index dimension() const { return dimension_; }
  [[nodiscard]] Index rows() const { return rows_; }  ///< with at least one value
  /// Rows in which both variables are present, d × d.
  [[nodiscard]] const Eigen::MatrixXd& pairs() const { return pairs_; }

  [[nodiscard]] double log_likelihood(const Eigen::VectorXd& mean,
                                      const Eigen::MatrixXd& covariance) const;
  [[nodiscard]] Derivatives derivatives(const Eigen::VectorXd& mean,
                                        const Eigen::MatrixXd& covariance,
                                        bool with_hessian = true) const;

  /// Without restrictions: a few steps of the EM algorithm (Dempster, Laird & Rubin 1977).
  [[nodiscard]] Saturated approximate() const;
  /// Without restrictions, to convergence, by Newton's steps from there.
  [[nodiscard]] Saturated saturated() const;
  /// With independent variables: their own means and variances (divisor n).
  [[nodiscard]] Saturated independent() const;

 private:
  struct Pattern {
    std::vector<Index> present;
    double count = 0;
    Eigen::VectorXd mean;
    Eigen::MatrixXd covariance;  ///< divisor n
  };

  void em_step(Eigen::VectorXd& mean, Eigen::MatrixXd& covariance) const;

  Index dimension_;
  Index rows_ = 0;
  Eigen::MatrixXd pairs_;
  std::vector<Pattern> patterns_;
};

/// The lower triangle of a symmetric d × d matrix, column by column, and back.
[[nodiscard]] Eigen::VectorXd lower_triangle(const MatrixView& matrix);
[[nodiscard]] Eigen::MatrixXd from_lower_triangle(const VectorView& triangle, Index dimension);

}  // namespace rapport
