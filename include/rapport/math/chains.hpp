#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// How well several chains of a Markov chain Monte Carlo run agree about one quantity.
struct [[nodiscard]] ChainDiagnostic {
  double mean;
  double sd;
  double r_hat;  ///< √ of total over within variance of the halved chains (Gelman et al.
                 ///< 2013, 11.4); near 1 where they agree, NaN where nothing varies
  double autocorrelation;  ///< at the lag asked for, mean over chains
  double effective_size;   ///< independent draws that would tell as much (Geyer 1992: initial
                           ///< monotone sequence)
};

/// `draws` is iterations × chains, at least 4 × 1, and 1 ≤ lag < iterations.
ChainDiagnostic chain_diagnostic(const MatrixView& draws, Index lag = 1);

}  // namespace rapport
