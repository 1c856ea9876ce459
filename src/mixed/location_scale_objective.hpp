#pragma once

#include <rapport/math/minimize.hpp>
#include <rapport/math/quadrature.hpp>
#include <rapport/mixed/location_scale.hpp>

#include <vector>

namespace rapport::detail {

/// Weighted moments over the nodes of a level: of its scale effect u, and of the spherical
/// coordinates m of the conditional means of its effects, whose conditional variances are r.
struct NodeMoments {
  explicit NodeMoments(Index q);
  void clear();
  /// `mean` and `variance` have q values.
  void add(double weight, double u, const double* mean, const double* variance);

  double one = 0;
  double u = 0;
  double uu = 0;
  Eigen::VectorXd m;
  Eigen::VectorXd um;
  Eigen::VectorXd r;
  Eigen::MatrixXd mm;
};

/// The likelihood of one level as a function of its scale effect u, in coordinates where the
/// effects of the mean are independent: with Z'D⁻¹Z = S, Z'D⁻¹e = t and Λ'SΛ = U diag(λ) U',
/// everything rests on λ, F = ΛU, c₀ = F't and c₁ = F'Sa. Var e = D exp(su), b = au + Λε.
class LevelLikelihood {
 public:
  explicit LevelLikelihood(Index q);

  /// Sums over the rows of the level, to be filled before prepare().
  double n = 0;
  double log_d = 0;  ///< Σ log d
  double ee = 0;     ///< e'D⁻¹e
  Eigen::MatrixXd s_matrix;
  Eigen::VectorXd t;

  void prepare(const Eigen::MatrixXd& lambda, const Eigen::VectorXd& a, double s);

  /// The log-likelihood given u; leaves κ = exp(−su), m, r and the derivative in s.
  double at(double u);
  /// First and second derivative in u at the last u; needs at().
  void slopes(double u, double& first, double& second) const;

  double kappa = 1;
  double slope_in_s = 0;
  Eigen::VectorXd m;
  Eigen::VectorXd r;
  Eigen::MatrixXd basis;     ///< F
  Eigen::MatrixXd rotation;  ///< U

 private:
  /// inner_ = U diag(λ) U'.
  void diagonalize();

  double s_ = 0;
  double at_ = 0;   ///< a't
  double asa_ = 0;  ///< a'Sa
  double quadratic_ = 0;
  double remaining_ = 0;
  Eigen::MatrixXd inner_;  ///< Λ'SΛ
  Eigen::VectorXd sa_;     ///< Sa
  Eigen::VectorXd eigenvalues_;
  Eigen::VectorXd c0_;
  Eigen::VectorXd c1_;
};

/// −log L of a location-scale model and its gradient, in internal units: y less its least squares
/// and an orthonormal basis of X, both of mean square 1; Z of mean square 1; w centred, of SD 1.
/// Parameters: β, τ, the lower triangles of Λ by columns, then, with a random scale, s, and, if it
/// is correlated, a.
class LocationScaleObjective {
 public:
  LocationScaleObjective(const Design& design, const ScaleModel& scale,
                         const std::vector<Index>& columns, bool correlated);

  /// Without a random scale s = 0 and a = 0.
  void use_random_scale(bool yes) { random_scale_ = yes; }
  [[nodiscard]] Index n_parameters() const;
  [[nodiscard]] Index n_without_scale() const { return p_ + m_ + n_lambda_; }
  [[nodiscard]] bool correlated() const { return correlated_; }

  /// Nodes of the quadrature; placed at each level's mode and curvature at every evaluation, or
  /// where they were at the last while held: then the gradient is that of the sum over nodes.
  void set_points(Index points);
  void hold_nodes(bool hold) { held_ = hold; }

  void evaluate(const Eigen::VectorXd& x, Derivatives& out);
  /// What log L has beside −evaluate().
  [[nodiscard]] double constant() const { return constant_; }
  [[nodiscard]] Eigen::VectorXd start() const;

  /// In the user's units.
  struct Parameters {
    Eigen::VectorXd beta;
    Eigen::VectorXd tau;  ///< intercept first
    Eigen::MatrixXd lambda;
    double s = 0;
    Eigen::VectorXd a;
  };
  [[nodiscard]] Parameters parameters(const Eigen::VectorXd& x) const;

  /// Posterior means and (co)variances of the levels at the last evaluation's parameters.
  struct Effects {
    Eigen::VectorXd scale;
    Eigen::VectorXd scale_sd;
    Eigen::MatrixXd mean;        ///< levels × q
    Eigen::MatrixXd covariance;  ///< levels·q × q
  };
  [[nodiscard]] Effects effects();

 private:
  struct Internal {
    Eigen::VectorXd beta;
    Eigen::VectorXd tau;
    Eigen::MatrixXd lambda;
    double s = 0;
    Eigen::VectorXd a;
  };
  [[nodiscard]] Internal unpack(const Eigen::VectorXd& x) const;
  void make_columns(const Design& design, const std::vector<Index>& columns);
  void update_rows();
  void fill_level(Index level);
  void place_nodes(Index level);
  double integrate(Index level, NodeMoments* posterior);
  void add_level_slopes(Index level, Internal& slope);

  Index n_;
  Index p_;
  Index m_;
  Index q_ = 0;
  Index n_lambda_ = 0;
  bool correlated_;
  bool random_scale_ = true;
  bool held_ = false;
  std::vector<Index> blocks_;  ///< q of each random term
  std::vector<Index> order_;   ///< rows, sorted by level
  std::vector<Index> starts_;  ///< of the levels among them, and n
  Eigen::MatrixXd x_;
  Eigen::MatrixXd w_;   ///< with a column of ones
  Eigen::MatrixXd zt_;  ///< q × n
  Eigen::VectorXd y_;
  Eigen::VectorXd log_weight_;
  double constant_ = 0;
  Eigen::VectorXd least_squares_;
  Eigen::MatrixXd to_user_;
  double y_scale_ = 1;
  Eigen::VectorXd z_scale_;
  Eigen::VectorXd w_mean_;
  Eigen::VectorXd w_scale_;

  QuadratureRule rule_;
  Eigen::VectorXd log_weights_;  ///< log(w / φ), up to a constant
  Eigen::VectorXd centre_;       ///< of each level's nodes
  Eigen::VectorXd spread_;

  Internal at_;
  Eigen::VectorXd error_;      ///< y − Xβ
  Eigen::VectorXd log_d_;      ///< of each row
  Eigen::VectorXd precision_;  ///< 1 / d
  Eigen::VectorXd row_mean_;   ///< ∂log L / ∂(x'β)
  Eigen::VectorXd row_scale_;  ///< ∂log L / ∂(w'τ)
  LevelLikelihood level_;
  NodeMoments moments_;  ///< weighted by the posterior and κ
  double scale_slope_ = 0;
  /// Of each node of a level.
  struct Node {
    double u;
    double log_density;
    double kappa;
    double slope_in_s;
  };
  std::vector<Node> nodes_;
  Eigen::MatrixXd node_mean_;      ///< q × nodes: m
  Eigen::MatrixXd node_variance_;  ///< r
};

}  // namespace rapport::detail
