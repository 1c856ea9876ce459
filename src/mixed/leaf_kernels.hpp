#pragma once

#include <cstddef>

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

/// Rows of innermost groups to be compressed, where the first column of Z is constant and rows have
/// no weights. Columns that vary come as they stand in memory; constant ones are left to the
/// caller, who needs only the sizes of the groups.
struct LeafRows {
  const double* const* columns;  ///< of Z, then those shared, without the constant ones
  const double* shift;           ///< a column each: internal value = (value − shift) · scale
  const double* scale;
  int n_own;                    ///< columns of Z that vary
  int n_shared;                 ///< shared columns that vary
  const std::ptrdiff_t* rows;   ///< row numbers, group by group; null: 0, 1, 2, …
  const std::ptrdiff_t* begin;  ///< four a block: a group's first place among them
  const std::ptrdiff_t* count;  ///< four a block: its number of rows, 0 for none
  long n_blocks;
  double* scratch;  ///< leaf_rows_scratch_size() doubles
};

/// What the columns that vary give, four lanes a value: √n · mean of each; for own columns R (lower
/// right corner, upper triangle by columns), C (by columns, n_own a shared column).
struct LeafRowsResult {
  double* values;           ///< leaf_rows_result_size() doubles a block
  double* remainder;        ///< n_shared × n_shared by columns, added to
  unsigned char* doubtful;  ///< one a lane: 1 where own columns are nearly dependent and the group
                            ///< must be done otherwise
};

/// What follows from the Gram matrix that an outer group receives, in one piece of memory, by
/// columns.
struct OuterNode {
  double* a;       ///< Z'V⁻¹Z, q × q
  double* n;       ///< Cov(b | y, S) / σ² = n_half n_half', q × q
  double* n_half;  ///< Λ(I + Λ'Z'ZΛ)^{-½}, q × q
  double* k;       ///< I − AΨ, q × q
  double* b;       ///< (Z'V⁻¹S)', width × q
  double* psi_b;   ///< (ΨB)', width × q
};

constexpr long outer_node_size(long q, long width) { return 4 * q * q + 2 * q * width; }

inline OuterNode outer_node(double* memory, long q, long width) {
  double* const b = memory + 4 * q * q;
  return {memory, memory + q * q, memory + 2 * q * q, memory + 3 * q * q, b, b + q * width};
}

struct OuterGroup {
  int q;
  int width;
  double* node;     ///< outer_node_size(q, width) doubles
  double* scratch;  ///< outer_scratch_size() doubles
};

/// The adjoints of what a group hands up, and the coordinates of ψ up to its own level.
struct OuterAdjoint {
  const double* trace_factor;  ///< width × rank
  int rank;
  const double* data_vector;  ///< width
  int lower;                  ///< coordinates of the levels below
  int upper;                  ///< and those of its own level
  const int* rows;            ///< of its own coordinates
  const int* columns;
};

/// All arrays are added to.
struct OuterSums {
  double* log_determinant;  ///< upper
  double* trace_part;       ///< upper × upper by rows, at k ≥ l
  double* data_part;
  double* handed_up;  ///< upper of width × width: tangents of what the parent receives
};

constexpr long outer_scratch_size(long q, long width, long rank, long upper) {
  return 6 * q * q + 2 * q * width + upper * (3 * q * (rank + 1) + 2 * q * q);
}

struct LeafKernels {
  /// gram (width × width, by columns) += ΣC'M⁻¹C; returns Σlog|M|.
  double (*value)(const LeafBlocks& blocks, const double* factor, double* gram);
  void (*derivatives)(const LeafBlocks& blocks, const LeafAdjoint& adjoint, const LeafSums& sums);
  /// second (width × width by columns, for each s ≥ t at s(s + 1)/2 + t) += ΣB'(E_s A E_t + E_t A
  /// E_s)B.
  void (*second)(const LeafBlocks& blocks, const double* factor, double* second);
  void (*compress)(const LeafRows& rows, const LeafRowsResult& result);
  /// sums (four lanes each, l ≤ k by rows) += x_k x_l for n values x of a block, in the lanes where
  /// `mask` is 1 (elsewhere 0).
  void (*moments)(const double* values, const double* mask, int n, double* sums);
  /// Solves an outer group that received a (q + width)² Gram matrix; adds what it hands up and
  /// returns log|I + Λ'Z'ZΛ|.
  double (*solve_outer)(const OuterGroup& group, const double* received, const double* factor,
                        double* handed_up);
  /// `tangents` are `lower` of (q + width)².
  void (*outer_derivatives)(const OuterGroup& group, const OuterAdjoint& adjoint,
                            const double* tangents, const OuterSums& sums);
};

/// The kernels for this processor.
const LeafKernels& leaf_kernels();

/// Doubles of scratch memory that `second` needs.
constexpr long leaf_second_scratch_size(long q, long width) {
  const long pairs = q * (q + 1) / 2;
  return LeafBlocks::lanes *
         (7 * q * q + 2 * q * width + 3 * q + pairs * (pairs + 1) / 2 * width * (width + 1) / 2);
}

/// Doubles of scratch memory that a call needs.
constexpr long leaf_scratch_size(long q, long width, long rank) {
  const long pairs = q * (q + 1) / 2;
  return LeafBlocks::lanes *
         (8 * q * q + 2 * q * width + q * (rank + 2) + 3 * pairs + width * (width + 1) / 2 +
          pairs * width * width + 3 * pairs * pairs + 16);
}

constexpr long leaf_rows_scratch_size(long n_own, long n_shared) {
  const long c = n_own + n_shared;
  return LeafBlocks::lanes * (c * (c + 1) / 2 + 3 * c + n_shared * (n_shared + 1) / 2);
}

constexpr long leaf_rows_result_size(long n_own, long n_shared) {
  return LeafBlocks::lanes * (n_own + n_shared + n_own * (n_own + 1) / 2 + n_own * n_shared);
}

}  // namespace rapport
