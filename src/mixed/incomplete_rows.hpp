#pragma once

#include <rapport/base/random.hpp>
#include <rapport/mixed/imputation.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace rapport {

/// One variable in which values may be missing.
struct IncompleteColumn {
  ImputedKind kind = ImputedKind::continuous;
  Eigen::VectorXd values = {};           ///< continuous, mean 0 and SD 1; NaN where missing
  std::vector<std::int32_t> codes = {};  ///< binary and ordinal; −1 where missing
  Index categories = 0;

  [[nodiscard]] Index rows() const {
    return kind == ImputedKind::continuous ? values.size() : static_cast<Index>(codes.size());
  }
  [[nodiscard]] bool is_missing(Index row) const {
    return kind == ImputedKind::continuous ? values[row] != values[row]
                                           : codes[static_cast<std::size_t>(row)] < 0;
  }
};

/// The thresholds that cut a latent normal variable into categories. Binary: 0. Ordinal: the first
/// 0 and the last 1, so that its mean and variance are free (Nandram & Chen 1996); those between
/// are drawn with the latent values integrated out (Cowles 1996).
class LatentThresholds {
 public:
  explicit LatentThresholds(const IncompleteColumn& column);

  [[nodiscard]] std::pair<double, double> bounds(std::int32_t code) const;
  [[nodiscard]] std::int32_t code(double latent) const;
  /// Mean and SD of the latent variable that give the observed shares.
  [[nodiscard]] double start_mean() const { return mean_; }
  [[nodiscard]] double start_sd() const { return sd_; }
  /// The thresholds between the first and the last.
  [[nodiscard]] const std::vector<double>& all() const { return thresholds_; }

  /// Given the latent values' conditional means and SD; `adapt` tunes the steps.
  void draw(const IncompleteColumn& column, const Eigen::VectorXd& means, double sd, bool adapt,
            RandomStream& stream);

 private:
  std::vector<double> thresholds_;
  std::vector<double> steps_;
  double mean_ = 0;
  double sd_ = 1;
};

/// A normal draw within (lower, upper).
double truncated_normal(double mean, double sd, double lower, double upper, RandomStream& stream);

/// Rows of jointly normal variables of which some are latent or missing, and how they are drawn.
class IncompleteRows {
 public:
  /// The columns stand behind `complete` columns without gaps.
  IncompleteRows(std::vector<IncompleteColumn> columns, Index rows, Index complete);

  [[nodiscard]] const std::vector<IncompleteColumn>& columns() const { return columns_; }
  [[nodiscard]] const std::vector<LatentThresholds>& thresholds() const { return thresholds_; }
  /// Values to begin with: observed ones, latent ones in their category, missing ones at random.
  [[nodiscard]] Eigen::MatrixXd start(RandomStream& stream) const;
  /// Draws what is latent or missing in `values` (rows × all columns) from N(mean, covariance)
  /// given the rest.
  void draw(Eigen::MatrixXd& values, const Eigen::MatrixXd& mean, const Eigen::MatrixXd& covariance,
            bool adapt, RandomStream& stream);

 private:
  void draw_latent(std::size_t column, Eigen::MatrixXd& deviations, const Eigen::MatrixXd& mean,
                   const Eigen::MatrixXd& precision, bool adapt, RandomStream& stream);
  void draw_missing(Eigen::MatrixXd& deviations, const Eigen::MatrixXd& precision,
                    RandomStream& stream) const;

  struct Pattern {
    std::vector<Index> absent;   ///< columns of `values`
    std::vector<Index> present;  ///< the others
    std::vector<Index> rows;
  };

  std::vector<IncompleteColumn> columns_;
  std::vector<LatentThresholds> thresholds_;  ///< one a column; empty of continuous ones
  Index rows_;
  Index complete_;
  std::vector<Pattern> patterns_;
};

}  // namespace rapport
