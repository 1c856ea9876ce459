// The integral over the random effects of groups, four at a time, under the rules of
// lanes_body.hpp. The parts stand in the order of their dependence.

// clang-format off
#include "lanes_body.hpp"
#include "row_kernels_body.hpp"
#include "group_parts_body.hpp"
#include "group_block_body.hpp"
#include "group_hessian_body.hpp"
#include "group_quadrature_body.hpp"
// clang-format on

template <int Q>
double integrate(const GroupProblem& problem, const GroupPoint& point, const GroupRule* rule) {
  long longest = 0;
  for (long b = 0; b < problem.n_blocks; ++b)
    longest = problem.rows.rows[b] > longest ? problem.rows.rows[b] : longest;
  Block<Q> block(problem, point, longest, rule == nullptr ? 0 : rule->points);
  Lanes total = {};
  for (long b = 0; b < problem.n_blocks; ++b) {
    if (!block.go_to(b)) return __builtin_nan("");
    total += rule == nullptr ? block.laplace() : block.quadrature(*rule);
    if (!all_finite(total)) return __builtin_nan("");
  }
  block.finish();
  return sum_of(total);
}

inline double laplace(const GroupProblem& problem, const GroupPoint& point) {
  if (problem.n_effects == 1) return integrate<1>(problem, point, nullptr);
  if (problem.n_effects == 2) return integrate<2>(problem, point, nullptr);
  return integrate<3>(problem, point, nullptr);
}

inline double quadrature(const GroupProblem& problem, const GroupPoint& point,
                         const GroupRule& rule) {
  if (problem.n_effects == 1) return integrate<1>(problem, point, &rule);
  if (problem.n_effects == 2) return integrate<2>(problem, point, &rule);
  return integrate<3>(problem, point, &rule);
}
