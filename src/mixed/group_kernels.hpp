#pragma once

// The inner loops of GroupIntegral, on raw memory: compiled once for every instruction set, chosen
// at run time. Nothing here or in the files that implement it may include Eigen or a template of
// the standard library, lest code for newer processors leak.
//
// Groups come in blocks of four, lane by lane: row j of the block's groups stands at positions
// first + 4j … first + 4j + 3. Shorter groups are filled with rows of weight 0, which add nothing.

namespace rapport::detail {

inline constexpr int group_lanes = 4;
inline constexpr int most_effects = 3;  ///< random effects of a group

/// How far the derivatives of a row's log-likelihood ℓ(η, ψ₁, ψ₂) are wanted.
enum class RowOrder {
  slope,      ///< value, ℓ' and ∂ψ of ℓ
  node,       ///< and ℓ'', ∂ψ of ℓ', ∂²ψ of ℓ
  curvature,  ///< value, ℓ' and ℓ''
  third,      ///< and ℓ'''
  gradient,   ///< and ∂ψ of ℓ, ℓ', ℓ''
  hessian     ///< and ℓ'''', ∂ψ of ℓ''', ∂²ψ of ℓ, ℓ', ℓ''
};

/// Where they go: four lanes a row, but for `value`, the sum over the rows of each lane.
struct RowOutput {
  double* value;
  double* eta[4];        ///< ℓ' … ℓ''''
  double* family[2][4];  ///< ∂ψ_m of ℓ, ℓ', ℓ'', ℓ'''
  double* pair[3][3];  ///< ∂² of ℓ, ℓ', ℓ'' in (ψ₁, ψ₁), (ψ₂, ψ₁), (ψ₂, ψ₂)
};

/// A family of distributions and the responses, in the order of the blocks.
struct RowSource {
  /// Rows of one block.
  void (*evaluate)(const RowSource& source, long block, const double* eta, RowOrder order,
                   const RowOutput& out);
  /// Where the family's parameters are left to `context`: adds to their gradient with weights on
  /// ∂ψ of ℓ, ℓ' and ℓ''. Null: RowOutput has the derivatives.
  void (*add_parameter_gradient)(const RowSource& source, long block, const double* eta,
                                 const double* const* weights);
  void* context;
  const long* first;  ///< position of the block's first row
  const long* rows;   ///< of the block's longest group

  const double* response;
  const double* weight;
  const double* upper;       ///< the threshold above the row's category
  const double* lower;       ///< and below it
  const double* logit_zero;  ///< logit of the share of extra zeros
  double log_size;           ///< log k of a negative binomial
  bool unit_weights;         ///< all weights are 0 or 1
};

/// The model of one grouping factor: η = offset + Xβ + z'Λu. Its parameters are `explicit`
/// directions (β, ψ) and the free entries of the lower triangle Λ, in this order.
struct GroupProblem {
  RowSource rows;
  long n_blocks;
  int n_effects;
  const double* const* z;
  /// Columns by which explicit directions move η (kind 0) or ψ_m (kind m).
  int n_entries;
  const double* const* column;
  const int* kind;
  const int* direction;
  int n_explicit;
  int n_free;
  const int* free_row;
  const int* free_column;
  double* scratch;  ///< group_scratch_size() doubles

  [[nodiscard]] int n_directions() const { return n_explicit + n_free; }
};

/// A point, and what is found there.
struct GroupPoint {
  const double* base;    ///< offset + Xβ
  const double* factor;  ///< Λ by columns
  double* modes;         ///< n_effects × 4 a block: the start, then û
  double* curvature;     ///< H, packed lower triangle × 4 a block
  double* gradient;      ///< n_directions, or null
  double* hessian;       ///< n_directions², or null
  double* motion;        ///< with the Hessian: ∂û, n_directions × n_effects × 4 a block
};

/// Nodes and weights of a rule for the normal distribution in n_effects dimensions.
struct GroupRule {
  long points;
  const double* nodes;  ///< n_effects a point
  const double* log_weights;
};

struct GroupKernels {
  void (*binomial_logit)(const RowSource& source, long block, const double* eta, RowOrder order,
                         const RowOutput& out);
  void (*poisson_log)(const RowSource& source, long block, const double* eta, RowOrder order,
                      const RowOutput& out);
  void (*negative_binomial)(const RowSource& source, long block, const double* eta, RowOrder order,
                            const RowOutput& out);
  void (*cumulative_logit)(const RowSource& source, long block, const double* eta, RowOrder order,
                           const RowOutput& out);
  void (*zero_inflated_poisson)(const RowSource& source, long block, const double* eta,
                                RowOrder order, const RowOutput& out);
  /// −log of the likelihood by Laplace's approximation; not finite where it does not exist.
  double (*laplace)(const GroupProblem& problem, const GroupPoint& point);
  /// By adaptive quadrature.
  double (*quadrature)(const GroupProblem& problem, const GroupPoint& point, const GroupRule& rule);
};

/// The kernels for this processor.
const GroupKernels& group_kernels();

/// Doubles of scratch memory for blocks of at most `rows` rows and a rule of `points`.
constexpr long group_scratch_size(long rows, long directions, long points) {
  constexpr long row_arrays = 48;
  constexpr long node_values = 1 + 3 + 3 + 6;
  return group_lanes * (rows * row_arrays + directions * (directions + 64) +
                        points * (node_values + 4 * directions) + 8);
}

}  // namespace rapport::detail
