#pragma once

#include <rapport/base/eigen.hpp>

#include <optional>
#include <string_view>

namespace rapport {

/// Codes of categories: 0 … q − 1, and −1 where a rating is missing.
using CodeView = Eigen::Ref<const Eigen::MatrixXi>;

/// How much two different categories agree, from 0 to 1. All but `ratio` act on the positions
/// i, j = 1 … q of the categories in their list; `ratio` acts on their values x.
enum class AgreementWeights {
  unweighted,  ///< 1 if i = j, else 0
  linear,      ///< 1 − |i − j| / (q − 1)
  quadratic,   ///< 1 − (i − j)² / (q − 1)²
  ordinal,     ///< 1 − m / max m, m = (|i − j| + 1) |i − j| / 2
  radical,     ///< 1 − √(|i − j| / (q − 1))
  ratio,       ///< 1 − [(x_i − x_j) / (x_i + x_j)]² / [(max − min) / (max + min)]²
  circular,    ///< 1 − m / max m, m = sin²(π (i − j) / q)
  bipolar      ///< 1 − m / max m, m = (i − j)² / [(i + j − 2)(2q − i − j)]
};

/// "unweighted", "linear", …, by the names of the enumerators.
[[nodiscard]] std::optional<AgreementWeights> parse_agreement_weights(std::string_view text);
[[nodiscard]] std::string_view to_string(AgreementWeights weights);

/// The q × q matrix of agreement weights, 1 on the diagonal, for categories with the given `values`
/// (q ≥ 1 of them; only `ratio` looks at the numbers). Sources: Cohen 1968; Gwet 2014, chapter 3.
/// Throws InvalidArgument for `ratio` if values are not finite or two of them sum to 0.
[[nodiscard]] Eigen::MatrixXd agreement_weights(AgreementWeights weights, const VectorView& values);

/// The same for categories 1 … q.
[[nodiscard]] Eigen::MatrixXd agreement_weights(AgreementWeights weights, Index categories);

/// Throws InvalidArgument unless `weights` is square, finite, within [0, 1] and 1 on its diagonal.
void require_agreement_weights(std::string_view function, const MatrixView& weights);

/// How many raters chose each category: subjects × q, from codes (subjects × raters).
/// Throws InvalidArgument for a code outside −1 … q − 1.
[[nodiscard]] Eigen::MatrixXd category_counts(const CodeView& codes, Index categories);

}  // namespace rapport
