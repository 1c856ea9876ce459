#pragma once

#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/table.hpp>
#include <rapport/math/chains.hpp>

#include <string>
#include <vector>

namespace rapport {

/// What a variable is to the imputation.
enum class ImputedKind {
  continuous,  ///< numbers, normal given the rest
  binary,      ///< two values: a latent normal variable of variance 1 lies above 0 or not
  ordinal      ///< ordered categories: a latent normal variable between thresholds
};

/// The joint model that values are imputed from: with patients j and sessions i,
///   y_ij = X_ij B + Z_ij b_j + e_ij,  w_j = U_j C + u_j,  (b_j, u_j) ~ N(0, Ψ),  e ~ N(0, Σ),
/// y the variables that change within groups, w those of groups, all at once and with every
/// covariance free (Schafer & Yucel 2002; Goldstein, Carpenter, Kenward & Levin 2009). Every
/// variable that the later analysis uses, its response above all, belongs in it.
struct ImputationModel {
  std::vector<std::string> variables = {};        ///< that change within groups
  std::string group = {};                         ///< patients; empty: rows are independent
  std::vector<std::string> group_variables = {};  ///< one value a group
  std::string predictors = {};  ///< columns without missing values that X is made of, as in a
                                ///< formula: "session + treatment"
  std::vector<std::string> slopes = {};   ///< numeric columns without missing values whose effects
                                          ///< vary over groups (and stand in X)
  std::string group_predictors = {};      ///< the same for U
  std::vector<std::string> ordinal = {};  ///< which variables are ordered categories: text with its
                                          ///< levels in their order, or numbers
};

struct ImputationOptions {
  Index imputations = 20;  ///< m
  Index chains = 4;        ///< each begins at random; the imputations are shared out among them
  Index burn_in = 500;     ///< iterations before the first imputation of a chain
  Index thin = 100;        ///< iterations between imputations
  int threads = 1;         ///< 0: every core; results do not depend on it
  Progress progress = {};
};

struct ImputedVariable {
  std::string name;
  ImputedKind kind;
  bool of_group;
  Index n_missing;  ///< rows imputed
};

/// A parameter of the imputation model over the iterations after the burn-in.
struct ImputationParameter {
  std::string name;  ///< "beta(TERM, VARIABLE)", "sd(VARIABLE)", "cor(…)", "sd(VARIABLE|GROUP)", …
  ChainDiagnostic diagnostic;  ///< autocorrelation at the lag `thin`
};

struct [[nodiscard]] Imputation {
  std::vector<Table> tables;  ///< m, the table given with values in place of the missing ones
  std::vector<ImputedVariable> variables;
  std::vector<ImputationParameter> parameters;
  double largest_r_hat;
  double largest_autocorrelation;  ///< at the lag `thin`: that of successive imputations
  Index n_used;                    ///< rows in the model
  Index n_omitted;                 ///< rows without group or predictors: nothing is imputed in them
  std::vector<std::string> warnings;
};

/// Draws m sets of the missing values from their posterior by Gibbs sampling. Priors are flat for B
/// and C, wide half-t for SDs and uniform for correlations (Huang & Wand 2013). Numbers with two
/// distinct values and text with two levels are binary, other numbers continuous. Throws
/// InvalidArgument for an unknown column, a number of draws that is not positive, or text with
/// several levels that `ordinal` does not name; DataError for a variable that never varies or is
/// never observed, or a group variable with two values in one group.
Imputation impute(const Table& table, const ImputationModel& model, Seed seed,
                  const ImputationOptions& options = {});

}  // namespace rapport
