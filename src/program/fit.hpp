#pragma once

#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/summary.hpp>

#include "command.hpp"
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace rapport::program {

/// What `rapport fit` was asked for, as the command line says it.
struct FitArguments {
  std::shared_ptr<CommonOptions> common = std::make_shared<CommonOptions>();
  std::string formula;
  bool reml = false;
  bool ml = false;
  std::string family = "gaussian";
  std::string link;
  std::string agq = "1";
  std::string thresholds = "flexible";
  std::string zero_inflation;
  std::string nominal;
  std::string scale;
  bool proportional_odds = false;
  std::string residual = "independent";
  std::string variance = "constant";
  std::string df = "satterthwaite";
  std::string ci = "wald";
  Index replicates = 1000;
  std::string weights;
  std::string contrasts = "treatment";
  bool random_effects = false;
  bool fitted = false;
  bool quantile_residuals = false;
  std::string predict;
  bool population = false;
  bool averaged = false;
  Index simulate = 0;
  std::string save;
  std::string refit;
  std::string influence;
  std::string against;
  std::string means;
  std::string slopes;
  bool stream = false;
};

/// A list of columns and an optional second part: "F by X", "X by Z=1,2,3".
struct ByClause {
  std::string first;
  std::string by;                   ///< empty without one
  std::vector<std::string> values;  ///< what stands after `=`
};

/// Reads "F", "F by X" or "X by Z=v1,v2". Throws UsageError naming the option.
[[nodiscard]] ByClause parse_by_clause(const std::string& text, const std::string& option);

/// The contrasts, weights and kind of response that the arguments name.
[[nodiscard]] DesignOptions design_options(const FitArguments& arguments, ResponseKind response);

/// Sets the points of quadrature that --agq asks for: N, "auto" or "auto:ERROR".
void set_quadrature(const FitArguments& arguments, GeneralizedOptions& options);

/// True if the model needs another likelihood than that of independent Gaussian residuals.
[[nodiscard]] bool is_generalized(const FitArguments& arguments);

/// The levels that --influence deletes: of a grouping factor of the model, or of a column.
[[nodiscard]] Factor influence_groups(const FitArguments& arguments, const Design& design,
                                      const Table& table);

/// A model, and its design, which may lack its rows.
struct ModelOfData {
  Design design;
  MixedModel model;
  Index rows;  ///< of the data after --where
  Index used;
  std::optional<std::function<VarianceExplained(const MixedFit&)>>
      explained;  ///< where the design has no rows
};

/// --stream: the model of a file that is read in pieces.
[[nodiscard]] ModelOfData stream_model(const FitArguments& arguments, const Formula& formula);

/// Fits a Gaussian model with residual correlation or variance functions.
[[nodiscard]] Outcome fit_residual(const FitArguments& arguments, const Formula& formula,
                                   const Table& table);

/// Fits a Gaussian model whose log residual variance has a random intercept.
[[nodiscard]] Outcome fit_location_scale(const FitArguments& arguments, const Formula& formula,
                                         const Table& table);

/// Fits a generalized model, or one with residual correlation or variance functions.
[[nodiscard]] Outcome fit_generalized(const FitArguments& arguments, const Formula& formula,
                                      const Table& table);

}  // namespace rapport::program
