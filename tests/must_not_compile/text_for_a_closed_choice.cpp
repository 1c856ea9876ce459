#include <rapport/math/multiple_testing.hpp>

/// A closed choice is a type: a misspelt text cannot select a method silently.
Eigen::VectorXd adjust(const Eigen::VectorXd& p) {
#ifdef RAPPORT_MISUSE
  return rapport::adjust_p_values(p, "holm");
#else
  return rapport::adjust_p_values(p, rapport::Adjustment::holm);
#endif
}
