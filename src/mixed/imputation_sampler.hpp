#pragma once

#include <Eigen/Cholesky>

#include "covariance_sampler.hpp"
#include "incomplete_rows.hpp"
#include <map>
#include <string>
#include <vector>

namespace rapport {

/// The joint model in numbers.
struct ImputationProblem {
  std::vector<IncompleteColumn> columns;        ///< p, n rows
  std::vector<IncompleteColumn> group_columns;  ///< p₂, J rows
  std::vector<std::int32_t> group;              ///< n, from 0; empty without groups
  Index groups = 0;                             ///< J
  Eigen::MatrixXd
      fixed;          ///< n × f, of full rank; its first q columns are those that vary over groups
  Index effects = 0;  ///< q
  Eigen::MatrixXd group_fixed;  ///< J × f₂
};

/// A column of X that is, in every group, a multiple of one of the columns that vary over groups: a
/// patient's treatment, or session × treatment.
struct GroupColumn {
  Index column;
  Index effect;              ///< 0 … q − 1
  Eigen::VectorXd multiple;  ///< J
};

/// One chain of the Gibbs sampler.
class ImputationSampler {
 public:
  ImputationSampler(const ImputationProblem& problem, RandomStream stream);

  /// One sweep over everything unknown; `adapt` tunes the steps of thresholds.
  void step(bool adapt);
  /// Completed values: continuous ones as they are, categories as latent values.
  [[nodiscard]] const Eigen::MatrixXd& values() const { return values_; }
  [[nodiscard]] const Eigen::MatrixXd& group_values() const { return group_values_; }
  /// The category of a latent value.
  [[nodiscard]] std::int32_t code(std::size_t column, double latent) const {
    return rows_.thresholds()[column].code(latent);
  }
  [[nodiscard]] std::int32_t group_code(std::size_t column, double latent) const {
    return group_rows_.thresholds()[column].code(latent);
  }
  /// B, C, then SDs and correlations of Σ and Ψ, then thresholds, as `parameter_names` names them.
  [[nodiscard]] Eigen::VectorXd parameters() const;

 private:
  void draw_effects();
  void move_effects(const Eigen::MatrixXd& expected, const Eigen::MatrixXd& precision);
  void draw_group_values(bool adapt);
  void draw_coefficients();
  void draw_covariances();
  void rescale_effects(Eigen::MatrixXd residuals);
  [[nodiscard]] Eigen::MatrixXd group_part() const;  ///< Z b, n × p
  [[nodiscard]] Eigen::MatrixXd effects_given_group_values() const;

  const ImputationProblem& problem_;
  RandomStream stream_;
  IncompleteRows rows_;
  IncompleteRows group_rows_;
  Eigen::MatrixXd values_;              ///< n × p
  Eigen::MatrixXd group_values_;        ///< J × p₂
  Eigen::MatrixXd effects_;             ///< J × pq: variable k's effect l in column kq + l
  Eigen::MatrixXd coefficients_;        ///< f × p
  Eigen::MatrixXd group_coefficients_;  ///< f₂ × p₂
  CovarianceSampler residual_;          ///< Σ
  CovarianceSampler between_;           ///< Ψ
  Eigen::LLT<Eigen::MatrixXd> gram_;    ///< X'X
  Eigen::LLT<Eigen::MatrixXd> group_gram_;
  std::vector<Eigen::MatrixXd> effect_grams_;  ///< distinct Z'Z
  std::vector<Index> effect_gram_of_;          ///< of each group
  std::vector<GroupColumn> group_columns_;
};

/// Names of ImputationSampler::parameters.
struct ImputationNames {
  std::vector<std::string> variables, group_variables, fixed, group_fixed, effects;
  std::string group;
};
std::vector<std::string> parameter_names(const ImputationProblem& problem,
                                         const ImputationNames& names);

}  // namespace rapport
