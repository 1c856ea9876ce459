#pragma once

#include <rapport/mixed/design.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport {

/// How the thresholds θ_1 < … < θ_{k−1} of a cumulative model lie.
enum class Thresholds {
  flexible,    ///< anywhere
  symmetric,   ///< mirrored about their middle: parameters central (or central.1, central.2),
               ///< spacing.1, …
  symmetric2,  ///< mirrored about 0: parameters spacing.1, …; without a shift of their own
  equidistant  ///< evenly spaced: parameters threshold.1 and spacing
};

/// "flexible", "symmetric", "symmetric2", "equidistant".
[[nodiscard]] std::optional<Thresholds> parse_thresholds(std::string_view text);
[[nodiscard]] std::string_view to_string(Thresholds thresholds);

/// Columns with effects of their own kind on an ordinal response, without an intercept.
struct EffectColumns {
  std::vector<std::string> terms = {};
  Eigen::MatrixXd columns = {};       ///< n × terms; empty without terms
  std::vector<Index> positions = {};  ///< where they stand among the columns of the frame's plan
  ModelFrame frame = {};              ///< so that new rows are coded alike
};

/// What a cumulative model may have beside one shift x'β of flexible thresholds:
/// P(y ≤ j) = F((θ_j + n'γ_j − x'β − z'b) / exp(s'ζ)).
struct OrdinalOptions {
  Thresholds thresholds = Thresholds::flexible;
  /// n: effects that differ between thresholds (partial proportional odds; Peterson & Harrell
  /// 1990), positive where they make low categories likelier. With structured thresholds each
  /// threshold parameter has its own effect. A fixed effect that depends on n is dropped.
  EffectColumns nominal = {};
  /// s: effects on the logarithm of the scale (McCullagh 1980).
  EffectColumns scale = {};
};

/// The fixed columns of a design (made of any formula with the same rows) as effects on the
/// response of `design`, whose inputs its variables join so that marginal means know them. Constant
/// columns and those that depend on others are left out. Throws DataError if the rows differ.
[[nodiscard]] EffectColumns effect_columns(const Design& effects, Design& design);

/// The options on some of the rows (positions in the design, ascending).
[[nodiscard]] OrdinalOptions select(const OrdinalOptions& options, const std::vector<Index>& rows);

}  // namespace rapport
