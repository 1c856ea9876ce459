#pragma once

#include <rapport/mixed/cross_products.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/objective.hpp>

#include <memory>
#include <string>
#include <vector>

namespace rapport {

/// A term of Design::random within the levels of the model: terms that group the rows alike share a
/// level.
struct TermPlace {
  std::string factor;
  std::vector<std::string> terms;
  LevelNames levels;
  Index level;  ///< among the model's levels
  Index first;  ///< its first column there
  std::vector<std::int32_t>
      level_group;  ///< the level's group of each of the term's groups; empty: the same numbers
  Eigen::MatrixXd transform;  ///< q × q: effects in the user's units = transform · internal effects
                              ///< · response scale

  [[nodiscard]] Index size() const { return static_cast<Index>(terms.size()); }
};

/// The model on its internal scale: y = (response − offset − shift) · scale, columns of X and Z
/// centred and scaled where that changes nothing.
struct MixedModel::Data {
  Index observations;
  Index omitted;
  int threads;
  std::vector<TermPlace> terms;
  CovarianceStructure structure;
  std::unique_ptr<CrossProducts> products;

  std::vector<std::string> fixed_terms;  ///< of the p columns kept
  std::vector<Index> fixed_columns;      ///< where they stand in the design
  std::vector<std::string> dropped;
  Eigen::MatrixXd
      fixed_transform;  ///< p × p: β = fixed_transform · internal β / response_scale + fixed_shift
  double fixed_log_determinant;  ///< log|fixed_transform|
  Eigen::VectorXd fixed_shift;   ///< p: what centring the response took away
  double response_scale;         ///< internal response per unit of the response
  double log_weights;            ///< Σ log w

  /// The criterion in the user's units less that of the internal scale.
  [[nodiscard]] double criterion_offset(Criterion criterion) const;
  [[nodiscard]] Index rank() const { return static_cast<Index>(fixed_terms.size()); }
};

/// Where a search starts.
[[nodiscard]] Eigen::VectorXd start_theta(const MixedModel::Data& data);

/// The result of a search, in the user's units.
MixedFit describe_fit(const MixedModel::Data& data, const CriterionOptimum& optimum,
                      const FitOptions& options);

/// The fixed effects at a point.
FixedEffects describe_fixed(const MixedModel::Data& data, const ProfiledValue& value);

/// Of a search only the parameters, and whether the fit is singular.
MixedFit describe_estimates(const MixedModel::Data& data, const CriterionOptimum& optimum);

}  // namespace rapport
