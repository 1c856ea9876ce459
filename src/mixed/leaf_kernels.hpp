#pragma once

// The inner loops of NestedCrossProducts, on raw memory: compiled once for every instruction set,
// chosen at run time. Nothing here or in the files that implement it may include Eigen or a
// template of the standard library, lest code for newer processors leak.

namespace rapport {

/// Innermost groups in blocks of four, lane by lane. Every block holds R (upper triangle by
/// columns, q(q + 1)/2 values) and C (q × width by columns), each value as four lanes. Lanes that
/// stand for no group are 0.
struct LeafBlocks {
  static constexpr int lanes = 4;

  const double* values;
  const double*
      multiplicity;  ///< a lane each: how often its R counts where C does not enter; null: once
  long n_blocks;
  int q;
  int width;
  double* scratch;  ///< leaf_scratch_size(q, width, rank) doubles

  [[nodiscard]] long block_size() const { return lanes * (q * (q + 1) / 2 + q * width); }
};

/// Sums over groups with A = R'M⁻¹R, B = R'M⁻¹C, M = I + RΨR'; t counts the q(q + 1)/2 pairs (i ≥
/// j) by columns. All arrays are added to.
struct LeafSums {
  double* a;        ///< ΣA_t
  double* b_outer;  ///< Σ(b_i b_j' + b_j b_i') / (i = j ? 2 : 1): width × width each t
  double* a_a;      ///< ΣA_s A_t
  double* a_trace;  ///< ΣA_s K_t, K = (B F)(B F)' for the trace factor F
  double* a_data;   ///< ΣA_s (u u')_t, u = B v for the data vector v
};

/// Λ of the level, and the adjoints handed down.
struct LeafAdjoint {
  const double* factor;        ///< Λ, q × q by columns
  const double* trace_factor;  ///< F, width × rank by columns
  int rank;
  const double* data_vector;  ///< v, width
};

struct LeafKernels {
  /// gram (width × width, by columns) += ΣC'M⁻¹C; returns Σlog|M|.
  double (*value)(const LeafBlocks& blocks, const double* factor, double* gram);
  void (*derivatives)(const LeafBlocks& blocks, const LeafAdjoint& adjoint, const LeafSums& sums);
};

/// The kernels for this processor.
const LeafKernels& leaf_kernels();

/// Doubles of scratch memory that a call needs.
constexpr long leaf_scratch_size(long q, long width, long rank) {
  const long pairs = q * (q + 1) / 2;
  return LeafBlocks::lanes *
         (8 * q * q + 2 * q * width + q * (rank + 2) + 3 * pairs + width * (width + 1) / 2 +
          pairs * width * width + 3 * pairs * pairs + 16);
}

}  // namespace rapport
