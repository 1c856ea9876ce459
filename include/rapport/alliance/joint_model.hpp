#pragma once

#include <rapport/alliance/person_period.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/mixed/generalized.hpp>

#include <string>
#include <vector>

namespace rapport {

/// What of a patient's course tells how likely leaving is.
enum class SharedPart {
  effects,  ///< each random effect with a coefficient of its own: level and slope
  current   ///< how far the patient's own line lies above the average one at the session
};

struct JointOptions {
  Link link = Link::logit;  ///< of the hazard; or cloglog
  SharedPart shared = SharedPart::effects;
  Index quadrature_points = 11;  ///< of adaptive Gauss–Hermite, in each of the random effects; ≥ 5
  Index iterations = 200;
  double confidence_level = 0.95;
  int threads = 1;
};

/// A coefficient of the joint model beside what the outcome or the hazard alone give for it.
struct JointTerm {
  std::string term;
  double estimate;
  double standard_error;
  double statistic;  ///< z
  double p_value;
  ConfidenceInterval ci;
  double separate;                 ///< with dropout taken as ignorable; 0 for an association
  double separate_standard_error;  ///< NaN for an association
};

/// Outcome and dropout together (Wu & Carroll 1988; Henderson, Diggle & Dobson 2000):
///   y_ij = x_ij'β + z_ij'b_i + e_ij,  g(h_ij) = w_ij'γ + α'b_i,  b ~ N(0, D),  e ~ N(0, σ²).
/// With α = 0 dropout is ignorable for y. That α is 0 cannot be seen from the data without the
/// model: this is a sensitivity analysis.
struct [[nodiscard]] JointModel {
  std::string outcome_formula;
  std::string hazard_formula;
  Link link;
  SharedPart shared;
  std::vector<JointTerm> outcome;      ///< β
  std::vector<JointTerm> hazard;       ///< γ
  std::vector<JointTerm> association;  ///< α, named by the random effects, or "current"
  Eigen::VectorXd random_sd;
  Eigen::MatrixXd random_covariance;  ///< D
  double residual_sd;
  double log_likelihood;
  double separate_log_likelihood;  ///< of both models without α
  double statistic;                ///< likelihood ratio of α = 0, χ² on `df`
  double df;
  double p_value;
  Index n_patients;
  Index n_outcomes;  ///< rows of the outcome
  Index n_sessions;  ///< rows at risk
  Index n_left;
  bool converged;
  std::vector<std::string> warnings;
};

/// Fits by maximum likelihood. `outcome` is a Gaussian model over the rows of `period` with one
/// random term, of at most an intercept and a slope, that groups by the patient; `hazard` has fixed
/// effects only, for `leaves`: "session + alliance_within + alliance_between". Throws
/// InvalidArgument for another random part or fewer than 5 points; DataError if nobody left.
JointModel joint_model(const PersonPeriod& period, const std::string& outcome,
                       const std::string& hazard, const JointOptions& options = {});

}  // namespace rapport
