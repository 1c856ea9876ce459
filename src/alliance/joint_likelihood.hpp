#pragma once

#include <rapport/math/quadrature.hpp>
#include <rapport/mixed/generalized.hpp>

#include <vector>

namespace rapport {

/// One patient's outcomes and sessions at risk.
struct JointPatient {
  Eigen::VectorXd response;  ///< n
  Eigen::MatrixXd fixed;     ///< X, n × p
  Eigen::MatrixXd random;    ///< Z, n × q
  Eigen::VectorXd left;      ///< d, r
  Eigen::MatrixXd hazard;    ///< W, r × s
  Eigen::MatrixXd shared;    ///< what of b each α multiplies: r × q; effects: empty
};

/// Parameters as the search moves them: β, log σ, the lower triangle of L by columns (D = LL'), γ,
/// α.
struct JointLayout {
  Index fixed, effects, hazard, associations;

  [[nodiscard]] Index log_sigma() const { return fixed; }
  [[nodiscard]] Index factor() const { return fixed + 1; }
  [[nodiscard]] Index gamma() const { return factor() + effects * (effects + 1) / 2; }
  [[nodiscard]] Index alpha() const { return gamma() + hazard; }
  [[nodiscard]] Index size() const { return alpha() + associations; }
  [[nodiscard]] Eigen::MatrixXd factor_of(const Eigen::VectorXd& parameters) const;
};

/// The log-likelihood and its gradient by Fisher's identity: the mean of the complete data's score
/// over the random effects given the data, by the same adaptive quadrature as the likelihood. With
/// b = Lu and u ~ N(0, I), u given y is normal; what is integrated is the hazard's part over that.
class JointLikelihood {
 public:
  JointLikelihood(std::vector<JointPatient> patients, JointLayout layout, Link link, Index points,
                  int threads);

  /// The log-likelihood; `scores` gets a column for each patient.
  double evaluate(const Eigen::VectorXd& parameters, Eigen::MatrixXd& scores) const;
  [[nodiscard]] const JointLayout& layout() const { return layout_; }

 private:
  [[nodiscard]] double patient(const JointPatient& data, const Eigen::VectorXd& parameters,
                               const Eigen::MatrixXd& factor,
                               Eigen::Ref<Eigen::VectorXd> score) const;

  std::vector<JointPatient> patients_;
  JointLayout layout_;
  Link link_;
  Eigen::MatrixXd nodes_;        ///< q × K of the product rule
  Eigen::VectorXd log_weights_;  ///< K: log w + ½ x'x
  int threads_;
};

}  // namespace rapport
