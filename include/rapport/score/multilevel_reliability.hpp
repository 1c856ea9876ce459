#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>

#include <string>

namespace rapport {

/// Variances of one answer, by source.
struct AnswerVariances {
  double person;
  double occasion;
  double item;
  double person_occasion;
  double person_item;
  double occasion_item;
  double residual;
};

/// Variances of one answer with occasions nested in persons, items as replicates; by REML.
struct NestedVariances {
  double person;
  double occasion;  ///< within persons
  double residual;
};

/// How the variances of a person × occasion × item design were estimated.
enum class VarianceMethod {
  mean_squares,  ///< every person answered every item on every occasion: expected mean squares,
                 ///< negative ones kept
  reml           ///< answers are missing: the model with crossed random effects, by REML
};

/// Reliability of a scale of m items answered by persons on k occasions (Cranford et al. 2006;
/// Shrout & Lane 2012). F: occasions fixed, R: random, n: nested in persons.
struct [[nodiscard]] MultilevelReliability {
  double rkf;            ///< of the person's mean over the k fixed occasions
  double r1f;            ///< of one fixed occasion
  double r1r;            ///< of one random occasion
  double rkr;            ///< of the person's mean over k random occasions
  double rc;             ///< of change within persons
  double rkrn;           ///< of the person's mean, occasions nested
  double rcn;            ///< of change within persons, occasions nested
  double omega_within;   ///< ω of the pooled within-person covariance matrix
  double omega_between;  ///< ω of the between-person covariance matrix (Muthén 1994); NaN where it
                         ///< allows no factor
  AnswerVariances variances;
  NestedVariances nested;
  VarianceMethod method;
  Index persons;
  Index occasions;
  Index items;
  Index n_used;     ///< answers
  Index n_omitted;  ///< answers missing in the rows given
};

/// Reliability between and within persons of `items` (n × m, reversed already, NaN for a missing
/// answer), one row for each person and occasion. k is the number of occasions that occur.
/// ω within and between are McDonald's, of one factor fitted by maximum likelihood to the pooled
/// within-person covariances and to (S_between − S_within) / n* over complete rows (Geldhof,
/// Preacher & Zyphur 2014, with Muthén's moment estimators in place of the joint likelihood); where
/// the latter is not positive definite, by minimum residuals. Throws InvalidArgument if sizes
/// differ; DataError for fewer than 2 persons, occasions or items, and for a person with two rows
/// on one occasion.
MultilevelReliability multilevel_reliability(const MatrixView& items, const Factor& person,
                                             const Factor& occasion);

}  // namespace rapport
