#pragma once

// The inner loop of score_scale on raw memory: compiled once for every instruction set, chosen at
// run time. Nothing here or in the files that implement it may include Eigen or a template of the
// standard library, lest code for newer processors leak.

namespace rapport {

/// Items that are added (`forward`) and subtracted (`reversed`), each as the address of its first
/// row.
struct ItemColumns {
  const double* const* forward;
  int n_forward;
  const double* const* reversed;
  int n_reversed;
  long rows_left;  ///< rows that every column still has, at least the `n` that are added
  double lower;    ///< of every answer
  double upper;
  double mirror;  ///< lower + upper: a reversed answer x counts mirror − x
};

/// Adds the answers present in `n` rows to `sum` and counts them in `answered`; NaN is no answer.
/// True if some answer lies outside lower … upper.
using ItemSums = bool (*)(const ItemColumns& columns, long n, double* sum, double* answered);

/// The loop for this processor. All give the same digits.
ItemSums item_sums();

}  // namespace rapport
