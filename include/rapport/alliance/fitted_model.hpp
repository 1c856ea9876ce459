#pragma once

#include <rapport/data/table.hpp>
#include <rapport/mixed/design.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/residual.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapport {

/// A linear combination of fixed effects by their names.
using TermWeights = std::vector<std::pair<std::string, double>>;

/// Residuals that carry over: CAR(1), a correlation of ρ^|t − s| between times t and s of one
/// group.
struct SerialResiduals {
  std::string time;   ///< a numeric column, rising within the group
  std::string group;  ///< a column
};
/// "car1(time | group)", as `rapport fit --residual` takes it.
[[nodiscard]] std::string to_string(const SerialResiduals& serial);

/// A Gaussian mixed model of an analysis: the formula that gives it, and what can be asked of it.
class FittedModel {
 public:
  /// Parses the formula, makes the design from the table's rows and fits by REML with
  /// Satterthwaite's degrees of freedom. Throws as parse_formula, make_design and MixedModel do.
  FittedModel(std::string_view formula, const Table& table, double level = 0.95);
  /// The same with serially correlated residuals; rows without a time are left out.
  FittedModel(std::string_view formula, const Table& table, const SerialResiduals& serial,
              double level = 0.95);

  [[nodiscard]] const std::string& formula() const { return formula_; }
  [[nodiscard]] const Design& design() const { return design_; }
  /// Only of a model with independent residuals; else InvalidArgument.
  [[nodiscard]] const MixedModel& model() const;
  /// The residual structure; null of a model with independent residuals.
  [[nodiscard]] const ResidualFit* residuals() const { return residuals_ ? &*residuals_ : nullptr; }
  [[nodiscard]] const MixedFit& fit() const { return fit_; }
  [[nodiscard]] const FixedInference& inference() const { return inference_; }

  /// True if the term was estimated (it is in the formula and did not depend on others).
  [[nodiscard]] bool has(std::string_view term) const;
  /// One fixed effect, or a combination of several. Throws InvalidArgument for a term that was not
  /// estimated.
  [[nodiscard]] ContrastEstimate effect(const std::string& term) const {
    return combination({{term, 1.0}});
  }
  [[nodiscard]] ContrastEstimate combination(const TermWeights& weights) const;
  /// Every fixed effect in the order of fit().fixed.terms.
  [[nodiscard]] std::vector<ContrastEstimate> effects() const;
  /// The joint test that all these terms are 0; those not estimated are left out.
  [[nodiscard]] ContrastTest joint_test(const std::vector<std::string>& terms) const;

 private:
  [[nodiscard]] Index position(std::string_view term) const;

  std::string formula_;
  Design design_;
  std::optional<MixedModel> model_;
  std::optional<ResidualFit> residuals_;
  MixedFit fit_;
  FixedInference inference_;
};

}  // namespace rapport
