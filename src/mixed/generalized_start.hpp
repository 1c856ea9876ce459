#pragma once

#include "integral.hpp"
#include "likelihood.hpp"

namespace rapport::detail {

/// Where the search for a generalized model starts, from the model without random effects by
/// iteratively reweighted least squares, not to convergence.
struct GeneralizedStart {
  Eigen::VectorXd fixed;
  Eigen::VectorXd weights;  ///< of the rows there: they scale the coordinates
  Eigen::VectorXd sd;       ///< of each random effect, terms in the design's order
  double stretch;           ///< by which conditional effects exceed those without random effects
};

/// `centred`: about the means of the columns, as for models with thresholds.
GeneralizedStart generalized_start(Likelihood& likelihood, const SortedDesign& design, Link link,
                                   bool centred);

}  // namespace rapport::detail
