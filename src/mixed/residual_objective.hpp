#pragma once

#include <rapport/mixed/residual.hpp>

#include "arrow.hpp"
#include "residual_correlation.hpp"
#include "residual_gram.hpp"
#include "residual_rows.hpp"
#include "residual_variance.hpp"
#include <memory>
#include <vector>

namespace rapport::detail {

/// The criterion of a model with a residual structure, β and σ² profiled out, and its gradient. y
/// and X are replaced by the residuals of least squares and an orthonormal basis, both scaled to
/// variance 1, so that Gram matrices keep their digits.
///
/// With C = DRD the covariance of the residuals over σ², everything rests on W'C⁻¹W, W = [Z X y],
/// of each block. A block hands the Gram matrix that its own effects leave, G_SS − G_SZ N G_ZS with
/// N = Λ(I + Λ'G_ZZΛ)⁻¹Λ', to its cluster: the blocks that meet the same levels of the other
/// factors. Their effects and β are solved by one Cholesky factor. Adjoints run the same way back.
class ResidualObjective {
 public:
  ResidualObjective(const Design& design, const ResidualStructure& structure,
                    const SortedRows& rows, const std::vector<Index>& columns, Criterion criterion);

  [[nodiscard]] Eigen::VectorXd start() const;
  /// −2 log L, up to constant(); NaN where it has none.
  double evaluate(const Eigen::VectorXd& x, Eigen::VectorXd* gradient);

  /// Holds the internal σ² in what follows, instead of profiling it out; 0: no more.
  void hold_sigma_squared(double value) { held_ = value; }

  /// The state at the last evaluation.
  [[nodiscard]] double sigma_squared() const { return sigma_squared_; }
  [[nodiscard]] double penalised_squares() const { return penalised_; }
  [[nodiscard]] double degrees() const { return degrees_; }
  [[nodiscard]] double constant() const { return constant_; }
  /// (X'V⁻¹X)⁻¹ in units of σ², for the user's columns and response.
  [[nodiscard]] Eigen::MatrixXd unscaled_covariance() const;
  [[nodiscard]] double response_scale() const { return y_scale_; }
  [[nodiscard]] Eigen::VectorXd fixed() const;
  [[nodiscard]] std::vector<Eigen::MatrixXd> factors() const;  ///< relative Λ in the user's units
  /// Effects of every term's levels, and their conditional covariances over σ²: m × q and mq × q.
  struct Effects {
    std::vector<Eigen::MatrixXd> modes;
    std::vector<Eigen::MatrixXd> covariances;
  };
  [[nodiscard]] Effects effects();
  [[nodiscard]] const CorrelationModel& correlation() const { return *correlation_; }
  [[nodiscard]] const VarianceModel& variance() const { return variance_; }
  [[nodiscard]] Index n_factor() const { return n_factor_; }
  [[nodiscard]] Index n_parameters() const {
    return n_factor_ + n_correlation_ + variance_.n_parameters();
  }

 private:
  /// Columns of a term among those of a block or cluster.
  struct Slot {
    Index start;
    Index q;
    std::size_t term;
  };
  struct Cluster {
    std::vector<Index> columns;  ///< of the upper matrix
    std::vector<Slot> slots;
  };
  void make_columns();
  void make_clusters();
  void write_rows(Index block, Eigen::MatrixXd& rows) const;
  void unpack(const Eigen::VectorXd& x);
  bool eliminate_blocks();
  void assemble(Index cluster);
  bool profile();
  using GramMap = Eigen::Map<const Eigen::MatrixXd, 0, Eigen::OuterStride<>>;
  [[nodiscard]] GramMap cluster_gram(Index cluster) const;
  const Eigen::MatrixXd& cluster_factor(Index cluster);
  const Eigen::MatrixXd& cluster_spherical(Index cluster);
  const Eigen::MatrixXd& cluster_inverse(Index cluster);
  void add_gradient(Eigen::VectorXd& gradient);
  void add_factor_slope(const Slot& slot, const Eigen::MatrixXd& slope,
                        Eigen::VectorXd& gradient) const;
  void cluster_adjoint(Index cluster, const Eigen::MatrixXd& k, double* out,
                       Eigen::VectorXd& gradient);

  const Design& design_;
  const SortedRows& rows_;
  Criterion criterion_;
  Index n_;
  Index p_;
  std::vector<Index> columns_;
  Eigen::VectorXd least_squares_;  ///< β of ordinary least squares
  Eigen::MatrixXd to_user_;        ///< β = least squares + to_user · internal β · y_scale
  double y_scale_ = 1;
  double constant_ = 0;  ///< what the user's units add to the criterion
  Eigen::MatrixXd x_;    ///< n × p, sorted
  Eigen::VectorXd y_;
  std::vector<Eigen::VectorXd> z_scale_;
  UpperLayout layout_;
  Index q_ = 0;
  std::vector<Slot> inner_;
  std::vector<Cluster> clusters_;
  std::vector<BlockShape> shapes_;
  std::vector<ResidualShape> cluster_shapes_;
  std::vector<Index> shared_start_;  ///< of each cluster in shared_
  Index largest_shared_ = 0;
  const ResidualKernels& kernels_ = residual_kernels();
  std::unique_ptr<CorrelationModel> correlation_;
  VarianceModel variance_;
  std::unique_ptr<ResidualGrams> grams_;
  Index n_factor_ = 0;
  Index n_correlation_ = 0;
  ArrowMatrix upper_;

  std::vector<Eigen::MatrixXd> factor_;  ///< Λ of each term
  Eigen::MatrixXd inner_factor_;         ///< of the block's own columns
  std::vector<double> own_;              ///< G_ZZ packed and G_ZS of each block
  std::vector<double> shared_;           ///< packed Gram matrix that each cluster receives
  std::vector<double> adjoints_;         ///< of shared_; what pads its rows stays 0
  std::vector<double> half_;             ///< what each unit's elimination leaves
  std::vector<double> own_adjoint_;
  std::vector<double> scratch_;
  struct Work {
    Eigen::MatrixXd factor;
    Eigen::MatrixXd spherical;
    Eigen::MatrixXd inverse;
    Eigen::MatrixXd effects;
    Eigen::MatrixXd scaled;
    Eigen::MatrixXd left;
    Eigen::MatrixXd moved;
    Eigen::MatrixXd inner;
    Eigen::MatrixXd rows;
  };
  Work work_;                     ///< of one cluster at a time
  double block_determinant_ = 0;  ///< log
  Eigen::MatrixXd upper_right_;
  Eigen::MatrixXd upper_solved_;
  Eigen::MatrixXd border_;
  Eigen::MatrixXd inner_slope_;  ///< ∂/∂Ψ of the blocks' own effects
  Eigen::VectorXd beta_;
  Eigen::VectorXd combination_;  ///< (−β, 1)
  Eigen::MatrixXd inverse_xx_;   ///< (X'V⁻¹X)⁻¹ in the internal basis
  double log_information_ = 0;   ///< log|X'V⁻¹X|
  double degrees_ = 0;
  double penalised_ = 0;
  double sigma_squared_ = 0;
  double held_ = 0;
};

}  // namespace rapport::detail
