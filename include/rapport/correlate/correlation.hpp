#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>

#include <string_view>

namespace rapport {

/// Whether a p-value is exact: given the ties, under all n! orders of one variable against the
/// other.
enum class ExactTest {
  automatic,  ///< without ties for n ≤ 9 (Spearman) and n < 50 (Kendall, rank-biserial), else
              ///< asymptotic
  yes,        ///< enumerated while cheap, else a series (no ties) or seeded permutation
  no          ///< asymptotic
};

/// How a p-value was found.
enum class PValueMethod {
  asymptotic,
  exact,       ///< the whole null distribution
  series,      ///< Edgeworth series of the exact null distribution
  permutation  ///< seeded random permutations, (1 + hits) / (1 + permutations)
};

/// "asymptotic", "exact", "series", "permutation".
[[nodiscard]] std::string_view to_string(PValueMethod method);

/// A coefficient of association with its uncertainty. A field that the method does not define is
/// NaN.
struct [[nodiscard]] CorrelationResult {
  double estimate =
      missing;  ///< in [−1, 1]; NaN where undefined: fewer than two pairs, or a constant variable
  double standard_error = missing;
  ConfidenceInterval ci = {};
  double statistic = missing;
  double df = missing;       ///< of a t statistic; NaN where the statistic is normal
  double p_value = missing;  ///< under the alternative asked for
  PValueMethod p_value_method = PValueMethod::asymptotic;
  double n = 0;         ///< pairs used; with weights, the sum of their weights
  Index n_used = 0;     ///< rows used
  Index n_omitted = 0;  ///< rows left out because a value was missing
};

/// Options of coefficients that have no other.
struct CorrelationOptions {
  Alternative alternative = Alternative::two_sided;
  double confidence_level = 0.95;
  Missing missing = Missing::omit;
};

/// How an exact test is carried out.
struct ExactOptions {
  ExactTest test = ExactTest::automatic;
  Index permutations = 100'000;  ///< where enumeration is too dear
  Seed seed = Seed{1};           ///< of the permutations
  int threads = 1;               ///< 0: every core; the result does not depend on it
};

/// tanh(atanh(estimate) ± z · standard_error): the interval that Fisher's transformation gives.
/// |estimate| = 1 gives a single point; NaN unless the standard error (on Fisher's scale) is
/// finite.
[[nodiscard]] ConfidenceInterval fisher_interval(double estimate, double standard_error,
                                                 double level);

namespace detail {

/// The complete pairs of two columns, copied only where a value is missing.
struct CompletePairs {
  Eigen::VectorXd x;
  Eigen::VectorXd y;
  Index n_omitted = 0;
};

/// True if no value is missing. Throws InvalidArgument for an infinite one.
bool is_complete(std::string_view function, std::string_view name, const VectorView& values);

/// Rows on which neither value is missing; none at all under Missing::propagate; throws under
/// Missing::reject.
CompletePairs select_complete(std::string_view function, const VectorView& x, const VectorView& y,
                              Missing policy);

/// The rows on which no value is missing and the weight is above 0.
struct WeightedPairs {
  Eigen::VectorXd x;
  Eigen::VectorXd y;
  Eigen::VectorXd weights;
  Index n_omitted = 0;
};
WeightedPairs select_weighted(std::string_view function, const VectorView& x, const VectorView& y,
                              const VectorView& weights, Missing policy);

/// Throws InvalidArgument unless −1 ≤ r ≤ 1 and n ≥ 2.
void require_summary(std::string_view function, double r, double n);

/// compute(x, y, n_omitted) on the complete pairs.
template <class Compute>
auto on_complete_pairs(std::string_view function, const VectorView& x, const VectorView& y,
                       Missing policy, const Compute& compute);

void require_paired(std::string_view function, const VectorView& x, const VectorView& y);

template <class Compute>
auto on_complete_pairs(std::string_view function, const VectorView& x, const VectorView& y,
                       Missing policy, const Compute& compute) {
  require_paired(function, x, y);
  const bool x_is_complete = is_complete(function, "x", x);
  const bool y_is_complete = is_complete(function, "y", y);
  if (x_is_complete && y_is_complete) return compute(x, y, Index{0});
  const CompletePairs pairs = select_complete(function, x, y, policy);
  return compute(VectorView(pairs.x), VectorView(pairs.y), pairs.n_omitted);
}

}  // namespace detail
}  // namespace rapport
