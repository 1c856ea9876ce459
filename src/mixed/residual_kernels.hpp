#pragma once

// The inner loops of ResidualObjective, on raw memory: compiled once for every instruction set,
// chosen at run time. Nothing here or in the files that implement it may include Eigen or a
// template of the standard library, lest code for newer processors leak.

namespace rapport {

/// q effects of the block, s columns shared with its cluster, in rows of `lanes` times four
/// doubles, the last of which are 0. A block holds G_ZZ (lower triangle packed by columns, filled
/// up to a multiple of four) and G_ZS (q rows); a cluster G_SS (s rows).
struct ResidualShape {
  long q;
  long s;
  long lanes;

  [[nodiscard]] constexpr long stride() const { return 4 * lanes; }
  [[nodiscard]] constexpr long zz() const { return (q * (q + 1) / 2 + 3) / 4 * 4; }
  [[nodiscard]] constexpr long own() const { return zz() + q * stride(); }
  [[nodiscard]] constexpr long shared() const { return s * stride(); }
  /// Doubles that `eliminate` leaves for `adjoint`: M = L⁻¹Λ' by columns, and M G_ZS.
  [[nodiscard]] constexpr long half() const { return q * q + q * stride(); }
  [[nodiscard]] constexpr long scratch() const { return 3 * q * q + (2 * q + 1) * stride(); }
};

struct ResidualKernels {
  /// Adds ww' of a row w = (z, s), q + stride doubles: to G_ZZ and G_ZS in `own`, G_SS in `shared`.
  void (*square)(const ResidualShape& shape, const double* w, double* own, double* shared);
  /// Adds wv' + vw'.
  void (*cross)(const ResidualShape& shape, const double* w, const double* v, double* own,
                double* shared);
  /// out[0 … size) = Σ_k value[feature[k]] data[k · size …); size a multiple of four.
  void (*combine)(const double* value, const int* feature, long n, long size, const double* data,
                  double* out);
  /// sum[feature[k]] += ⟨by, data[k · size …)⟩.
  void (*contract)(const double* by, const int* feature, long n, long size, const double* data,
                   double* sum);
  /// LL' = I + Λ'G_ZZΛ; shared −= (M G_ZS)'(M G_ZS). Returns |LL'|, or 0 where that is not
  /// positive.
  double (*eliminate)(const ResidualShape& shape, const double* factor, const double* own,
                      double* scratch, double* half, double* shared);
  /// The adjoint of the block's Gram matrices from that of the cluster's, J (s rows): N + EJE' and
  /// −EJ with E = M'M G_ZS, N = M'M, entries off the diagonal of the whole twice. slope (q × q) +=
  /// G − GNG − LJL', L = G_ZS − GE: the criterion's slope in ΛΛ'. `weight`: how often N and G − GNG
  /// count.
  void (*adjoint)(const ResidualShape& shape, double weight, const double* own, const double* half,
                  const double* adjoint, double* scratch, double* out, double* slope);
};

/// The kernels for this processor.
const ResidualKernels& residual_kernels();

}  // namespace rapport
