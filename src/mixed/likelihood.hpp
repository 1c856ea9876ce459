#pragma once

#include <rapport/mixed/generalized.hpp>

#include <memory>

namespace rapport::detail {

/// Derivatives of a row's log-likelihood in its linear predictor, for a run of rows.
struct RowDerivatives {
  double* first;
  double* second;  ///< null: first derivatives only
  double* third;   ///< null: not wanted
};

/// Weights on a row's derivatives in the family's own parameters ψ: the gradient collects
/// value · ∂ℓ/∂ψ + first · ∂ℓ'/∂ψ + second · ∂ℓ''/∂ψ, primes in the linear predictor.
struct RowWeights {
  const double* value;
  const double* first;
  const double* second;
};

/// log-likelihood of the rows given their linear predictors, with every constant.
class Likelihood {
 public:
  virtual ~Likelihood() = default;
  /// Parameters of the family beside the mean: log dispersion, or thresholds.
  [[nodiscard]] virtual Index n_parameters() const { return 0; }
  /// False if they lie outside their range.
  virtual bool set_parameters(const Eigen::VectorXd& /*parameters*/) { return true; }
  [[nodiscard]] virtual Eigen::VectorXd start() const { return {}; }
  /// The part of the log-likelihood of all rows that no linear predictor enters.
  [[nodiscard]] virtual double constant() const { return 0; }
  /// Rows first … first + n − 1, with their linear predictors: the sum of their log-likelihoods but
  /// for the constant.
  virtual double evaluate(Index first, Index n, const double* eta,
                          const RowDerivatives& out) const = 0;
  virtual void add_parameter_gradient(Index /*first*/, Index /*n*/, const double* /*eta*/,
                                      const RowWeights& /*weights*/,
                                      Eigen::VectorXd& /*gradient*/) const {}
  /// The mean, or for categories the probability of the one seen.
  [[nodiscard]] virtual double fitted(Index row, double eta) const = 0;
  /// A linear predictor that suits the rows' responses without a model, for a first step.
  [[nodiscard]] virtual double first_guess(Index row) const = 0;
};

/// Checks the responses. `weights` may be empty. `categories` is k for Family::cumulative.
std::unique_ptr<Likelihood> make_likelihood(Family family, Link link,
                                            const Eigen::VectorXd& response,
                                            const Eigen::VectorXd& weights, Index categories);

}  // namespace rapport::detail
