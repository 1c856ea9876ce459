#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/brant.hpp>

#include <Eigen/Cholesky>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

void require_proportional_odds(const Design& design, const GeneralizedFit& fit) {
  const OrdinalOptions& ordinal = fit.options.ordinal;
  if (fit.family == Family::cumulative && fit.link == Link::logit && design.random.empty() &&
      ordinal.nominal.terms.empty() && ordinal.scale.terms.empty() && fit.thresholds.size() > 1)
    return;
  throw InvalidArgument(
      "brant_test: `fit` is not a proportional-odds model; a cumulative logit model of three or "
      "more categories without random, nominal and scale effects is required");
}

/// The slopes of the logit models of y > j, thresholds one below the other, and their covariance
/// (Brant 1990, eq. 4): of j ≤ l, B_j⁻¹ X'diag(π_l − π_jπ_l)X B_l⁻¹, B_j = X'diag(π_j(1 − π_j))X.
struct BinaryModels {
  VectorXd slopes;
  MatrixXd covariance;
  bool finite = true;
};

BinaryModels fit_binary_models(const Design& design, const GeneralizedFit& fit) {
  const Index n = design.response.size();
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  const auto thresholds = static_cast<Index>(fit.thresholds.size());
  Design binary;
  binary.offset = design.offset;
  binary.weights = design.weights;
  binary.fixed.resize(n, p + 1);
  binary.fixed << VectorXd::Ones(n), design.fixed(Eigen::all, fit.fixed.columns);
  binary.fixed_terms = {"(Intercept)"};
  for (const std::string& term : fit.fixed.terms) binary.fixed_terms.push_back(term);
  const VectorXd weights = design.weights.size() == 0 ? VectorXd::Ones(n).eval() : design.weights;
  BinaryModels models{.slopes = VectorXd(p * thresholds),
                      .covariance = MatrixXd(p * thresholds, p * thresholds)};
  MatrixXd above(n, thresholds);
  std::vector<MatrixXd> inverse;
  for (Index j = 0; j < thresholds; ++j) {
    binary.response = (design.response.array() > static_cast<double>(j)).cast<double>();
    const GeneralizedFit own = fit_generalized_model(binary, {.family = Family::binomial});
    models.finite = models.finite && own.optimizer.converged &&
                    own.fixed.standard_error.allFinite() && own.fixed.estimate.size() == p + 1 &&
                    own.fitted.minCoeff() > 1e-7 && own.fitted.maxCoeff() < 1 - 1e-7;
    if (!models.finite) return models;
    models.slopes.segment(p * j, p) = own.fixed.estimate.tail(p);
    above.col(j) = own.fitted;
    const VectorXd variance = weights.array() * own.fitted.array() * (1 - own.fitted.array());
    const MatrixXd information = binary.fixed.transpose() * variance.asDiagonal() * binary.fixed;
    inverse.push_back(information.llt().solve(MatrixXd::Identity(p + 1, p + 1)));
  }
  for (Index j = 0; j < thresholds; ++j) {
    for (Index l = j; l < thresholds; ++l) {
      const VectorXd shared = weights.array() * above.col(l).array() * (1 - above.col(j).array());
      const MatrixXd cross = inverse[static_cast<std::size_t>(j)] *
                             (binary.fixed.transpose() * shared.asDiagonal() * binary.fixed) *
                             inverse[static_cast<std::size_t>(l)];
      models.covariance.block(p * j, p * l, p, p) = cross.bottomRightCorner(p, p);
      models.covariance.block(p * l, p * j, p, p) = cross.bottomRightCorner(p, p).transpose();
    }
  }
  return models;
}

/// That the slopes of these columns are those of the first threshold at every other.
BrantTest equal_slopes(const BinaryModels& models, const std::string& term,
                       const std::vector<Index>& columns, Index p, Index thresholds) {
  const auto width = static_cast<Index>(columns.size());
  const Index df = width * (thresholds - 1);
  BrantTest test{
      .term = term, .statistic = missing, .df = static_cast<double>(df), .p_value = missing};
  if (!models.finite) return test;
  MatrixXd contrasts = MatrixXd::Zero(df, p * thresholds);
  for (Index j = 1; j < thresholds; ++j) {
    for (Index k = 0; k < width; ++k) {
      const Index column = columns[static_cast<std::size_t>(k)];
      contrasts((j - 1) * width + k, column) = 1;
      contrasts((j - 1) * width + k, p * j + column) = -1;
    }
  }
  const VectorXd difference = contrasts * models.slopes;
  const Eigen::LDLT<MatrixXd> covariance(contrasts * models.covariance * contrasts.transpose());
  test.statistic = difference.dot(covariance.solve(difference));
  test.p_value = chi_squared_upper_tail(test.statistic, test.df);
  return test;
}

}  // namespace

std::vector<BrantTest> brant_test(const Design& design, const GeneralizedFit& fit) {
  require_proportional_odds(design, fit);
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  const auto thresholds = static_cast<Index>(fit.thresholds.size());
  std::vector<BrantTest> tests;
  if (p == 0) return tests;
  const BinaryModels models = fit_binary_models(design, fit);
  std::vector<Index> all;
  for (Index k = 0; k < p; ++k) all.push_back(k);
  tests.push_back(equal_slopes(models, "(all)", all, p, thresholds));
  for (const Index k : all)
    tests.push_back(
        equal_slopes(models, fit.fixed.terms[static_cast<std::size_t>(k)], {k}, p, thresholds));
  return tests;
}

}  // namespace rapport
