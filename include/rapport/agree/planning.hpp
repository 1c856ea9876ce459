#pragma once

#include <rapport/base/eigen.hpp>

namespace rapport {

/// Numbers of subjects for a study of agreement. All throw InvalidArgument for numbers out of
/// range.

struct TestPlan {
  double alpha = 0.05;
  double power = 0.80;
  bool two_sided = true;
};

/// κ of two raters and two categories: subjects to reject κ = `null` when it is `kappa`, the raters
/// choosing the category with probabilities `rate1` and `rate2` (Cantor 1996).
[[nodiscard]] Index subjects_for_kappa_test(double rate1, double rate2, double kappa, double null,
                                            const TestPlan& plan = {});

/// Power of that test with so many subjects: the normal approximation that
/// subjects_for_kappa_test inverts (of a two-sided test, the side of `kappa`).
[[nodiscard]] double kappa_test_power(double rate1, double rate2, double kappa, double null,
                                      double subjects, double alpha = 0.05, bool two_sided = true);

/// κ of two raters and two categories: subjects for an interval no wider than `width` (the variance
/// of Fleiss, Cohen & Everitt 1969).
[[nodiscard]] Index subjects_for_kappa_width(double rate1, double rate2, double kappa, double width,
                                             double confidence_level = 0.95);

/// ICC(1,1) or ICC(3,1) of k raters: subjects for an interval no wider than `width` (Bonett 2002).
[[nodiscard]] Index subjects_for_icc_width(double icc, double raters, double width,
                                           double confidence_level = 0.95);

/// Power of the one-sided F test of ICC(1,1) = `null` with n subjects and k raters when it is
/// `icc`: exact, from F itself (Donner & Eliasziw 1987).
[[nodiscard]] double icc_test_power(double icc, double null, double subjects, double raters,
                                    double alpha = 0.05);

/// The least number of subjects whose power reaches `power`. −1 beyond 10⁶.
[[nodiscard]] Index subjects_for_icc_test(double icc, double null, double raters,
                                          double power = 0.80, double alpha = 0.05);

}  // namespace rapport
