#pragma once

#include <rapport/math/pooling.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/inference.hpp>

#include <optional>
#include <string>
#include <vector>

namespace rapport {

struct PooledFitOptions {
  std::optional<GeneralizedOptions> generalized = std::nullopt;  ///< empty: a Gaussian mixed model
  Criterion criterion = Criterion::reml;                         ///< of a Gaussian model
  DegreesOfFreedom df = DegreesOfFreedom::satterthwaite;  ///< what tests would have without missing
                                                          ///< values; generalized: ∞
  DesignOptions design = {};
  double confidence_level = 0.95;
  int threads = 1;  ///< over imputations; 0: every core
};

struct PooledTermTest {
  std::string term;
  PooledTest test;
};

/// The SD of one random effect over the imputations.
struct PooledSpread {
  std::string factor;
  std::string term;
  double sd;  ///< root of the mean variance
  double smallest;
  double largest;
};

/// One model fitted to every imputation, and what the fits say together.
struct [[nodiscard]] PooledFit {
  std::string formula;
  std::vector<std::string> terms;     ///< of the fixed effects
  PooledEstimates fixed;              ///< as `terms`
  std::vector<PooledTermTest> tests;  ///< D1 of each term's type III hypothesis
  std::vector<PooledSpread> random;
  double residual_sd;  ///< root of the mean variance; NaN for a generalized model
  Index n_used;        ///< rows in the smallest of the fits
  Index n_singular;    ///< fits with a singular covariance matrix
  std::vector<std::string> warnings;
};

/// Fits `formula` to each table and pools the fixed effects by Rubin's rules. within(), between()
/// and lag() are computed from the completed values. Throws InvalidArgument for fewer than two
/// tables, DataError if a fit does not converge or if a column has to be dropped in some tables
/// only.
PooledFit fit_imputed(const Formula& formula, const std::vector<Table>& tables,
                      const PooledFitOptions& options = {});

/// Two nested models over the imputations, fitted by maximum likelihood.
struct [[nodiscard]] PooledComparison {
  PooledTest d2;
  std::optional<PooledTest> d3;  ///< Gaussian models only
  Eigen::VectorXd statistics;    ///< the likelihood ratio χ² of each imputation
  double df;
};

/// Tests what `larger` has beyond `smaller`.
PooledComparison compare_imputed(const Formula& larger, const Formula& smaller,
                                 const std::vector<Table>& tables,
                                 const PooledFitOptions& options = {});

/// −2 log L of a Gaussian mixed model at given parameters: `coefficients` of every column of the
/// design, the covariance matrix of each random term, and σ.
[[nodiscard]] double gaussian_deviance(const Design& design, const VectorView& coefficients,
                                       const std::vector<Eigen::MatrixXd>& covariances,
                                       double sigma);

}  // namespace rapport
