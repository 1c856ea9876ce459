#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <rapport/base/eigen.hpp>

namespace rapport {

/// One random-effects term: q columns that vary over the levels of a grouping factor.
/// `(x || g)` gives one RandomTerm per column; `(1 + x | g)` one with q = 2 and a full covariance matrix.
struct RandomTerm {
  std::string factor;                ///< "Subject", or "therapist:patient" for combinations
  std::vector<std::string> terms;    ///< names of the columns: "(Intercept)", "Days"
  Eigen::MatrixXd columns;           ///< n × q
  std::vector<std::int32_t> group;   ///< n, the row's level, from 0
  std::vector<std::string> levels;   ///< each occurs at least once in `group`
};

/// A model in numbers: rows that miss a variable are gone, factors are columns. y = offset + Xβ + Σ Z b + e, Var e = σ² / weight.
struct Design {
  Eigen::VectorXd response;               ///< n
  Eigen::MatrixXd fixed;                  ///< n × p, as the formula gives them (may be rank deficient)
  std::vector<std::string> fixed_terms;   ///< p names, as R names coefficients
  std::vector<RandomTerm> random;         ///< in the formula's order
  Eigen::VectorXd weights;                ///< n, positive; empty: all 1
  Eigen::VectorXd offset;                 ///< n; empty: all 0
  std::vector<Index> rows;                ///< rows of the table that are used, ascending
  Index n_omitted = 0;                    ///< rows left out for a missing value
};

}  // namespace rapport
