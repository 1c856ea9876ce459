#pragma once

#include <optional>
#include <string_view>

#include <rapport/base/eigen.hpp>

namespace rapport {

enum class Adjustment { none, bonferroni, holm, hochberg, benjamini_hochberg, benjamini_yekutieli };

/// "none", "bonferroni", "holm", "hochberg", "bh", "by".
[[nodiscard]] std::optional<Adjustment> parse_adjustment(std::string_view text);

/// Adjusted p-values in the order given; NaN stays NaN and does not count as a test.
[[nodiscard]] Eigen::VectorXd adjust_p_values(const VectorView& p_values, Adjustment adjustment);

}  // namespace rapport
