#pragma once

#include <rapport/agree/congruence.hpp>
#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/base/random.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rapport {

struct ActorPartnerOptions {
  double confidence_level = 0.95;
  Index bootstrap = 0;  ///< replicates of a bootstrap over dyads for k; 0: delta method only
  int threads = 1;
};

/// One role's part of an actor–partner model.
struct ActorPartnerEffects {
  double intercept;
  Parameter actor;    ///< of the own predictor
  Parameter partner;  ///< of the other's predictor
  Parameter k;        ///< partner / actor (Kenny & Ledermann 2010); ci percentile if bootstrapped
  double residual_variance;  ///< ML
};

/// The actor–partner model for distinguishable dyads (client and therapist): each outcome on both
/// predictors, residuals correlated (Kashy & Kenny 2000). Both equations have the same predictors,
/// so that maximum likelihood is least squares of each.
struct [[nodiscard]] ActorPartnerResult {
  ActorPartnerEffects first;
  ActorPartnerEffects second;
  double residual_covariance;   ///< ML
  double residual_correlation;  ///< of the two outcomes beyond the predictors
  double equality_statistic;    ///< likelihood ratio: actor and partner effects equal across roles
  double equality_df;           ///< 2
  double equality_p_value;      ///< χ²
  Index n_used;                 ///< dyads with all four variables
  Index n_omitted;
};

/// A row a dyad; NaN missing. Tests are normal, standard errors ML (as a structural equation
/// model's). Throws InvalidArgument if lengths differ, DataError for fewer than five dyads or
/// predictors that determine each other.
ActorPartnerResult actor_partner_model(const VectorView& first_outcome,
                                       const VectorView& second_outcome,
                                       const VectorView& first_predictor,
                                       const VectorView& second_predictor, Seed seed = Seed{1},
                                       const ActorPartnerOptions& options = {});

/// Reciprocal one-with-many (Kenny, Kashy & Cook 2006, chapter 10; Marcus, Kashy & Baldwin 2009):
/// each focal person (therapist) with several partners (clients), both rating each other. Variances
/// and covariances by expected mean squares with the average-size coefficient; variances may be
/// negative.
struct [[nodiscard]] OneWithManyResult {
  double consensus;                ///< variance of focal persons in their partners' ratings
  double partner_uniqueness;       ///< the rest of the partners' ratings (with error)
  double assimilation;             ///< variance of focal persons in their own ratings
  double focal_uniqueness;         ///< the rest of the focal persons' ratings (with error)
  double generalized_reciprocity;  ///< covariance of the two focal parts
  double dyadic_reciprocity;       ///< covariance within dyads beyond these
  double generalized_correlation;  ///< NaN unless both variances are positive
  double dyadic_correlation;
  double consensus_share;     ///< consensus / (consensus + partner_uniqueness)
  double assimilation_share;  ///< assimilation / (assimilation + focal_uniqueness)
  double k;                   ///< average number of partners, (N − Σn² / N) / (G − 1)
  double partner_mean;        ///< of the partners' ratings
  double focal_mean;
  Index focal_persons;
  Index n_used;  ///< dyads with both ratings
  Index n_omitted;
};

/// A row a dyad: the partner's rating, the focal person's rating, and the focal person's code (from
/// 0, −1 missing). Throws DataError for fewer than two focal persons, or none with two partners.
OneWithManyResult one_with_many(const VectorView& partner_rating, const VectorView& focal_rating,
                                const std::vector<std::int32_t>& focal);

/// Does the dyad converge? |x − y| over sessions with a random intercept of the dyad (REML,
/// Satterthwaite), and the change of the level of the difference itself.
struct [[nodiscard]] ConvergenceResult {
  Parameter discrepancy_at_start;  ///< mean |x − y| at session 0 of the scale given
  Parameter discrepancy_slope;     ///< per session; negative: convergence
  Parameter difference_at_start;   ///< mean x − y
  Parameter difference_slope;
  double discrepancy_dyad_sd;
  double discrepancy_residual_sd;
  Index dyads;
  Index n_used;
  Index n_omitted;
};

/// A row a dyad's session. `dyad`: codes from 0, −1 missing. Throws DataError for fewer than two
/// dyads with two sessions each.
ConvergenceResult dyadic_convergence(const VectorView& x, const VectorView& y,
                                     const VectorView& session,
                                     const std::vector<std::int32_t>& dyad,
                                     double confidence_level = 0.95);

/// The split alliance of a family or group of three and more: how far members' ratings lie apart.
struct [[nodiscard]] SplitAlliance {
  double mean;
  double sd;      ///< divisor n − 1; NaN with fewer than two ratings
  double range;   ///< largest less smallest
  bool split;     ///< range above the threshold
  Index members;  ///< with a rating
};

/// Row i of `ratings` (groups × members, NaN missing). `threshold`: in points of the scale, for
/// instance one SD of the ratings.
[[nodiscard]] std::vector<SplitAlliance> split_alliance(const MatrixView& ratings,
                                                        double threshold);

}  // namespace rapport
