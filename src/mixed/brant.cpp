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

/// The logit models of y > j, of one threshold after another.
struct BinaryModels {
  VectorXd slopes;  ///< p of each threshold
  MatrixXd above;   ///< n × thresholds: P(y > j)
  bool finite = true;
};

/// The design of the fit's columns behind a column of ones.
Design binary_design(const Design& design, const GeneralizedFit& fit) {
  const Index n = design.response.size();
  Design binary;
  binary.offset = design.offset;
  binary.weights = design.weights;
  binary.fixed.resize(n, static_cast<Index>(fit.fixed.columns.size()) + 1);
  binary.fixed << VectorXd::Ones(n), design.fixed(Eigen::all, fit.fixed.columns);
  binary.fixed_terms = {"(Intercept)"};
  for (const std::string& term : fit.fixed.terms) binary.fixed_terms.push_back(term);
  return binary;
}

BinaryModels fit_binary_models(const Design& design, Design binary, Index thresholds) {
  const Index p = binary.fixed.cols() - 1;
  BinaryModels models{.slopes = VectorXd(p * thresholds),
                      .above = MatrixXd(design.response.size(), thresholds)};
  for (Index j = 0; j < thresholds; ++j) {
    binary.response = (design.response.array() > static_cast<double>(j)).cast<double>();
    const GeneralizedFit own = fit_generalized_model(binary, {.family = Family::binomial});
    models.finite = models.finite && own.optimizer.converged &&
                    own.fixed.standard_error.allFinite() && own.fixed.estimate.size() == p + 1 &&
                    own.fitted.minCoeff() > 1e-7 && own.fitted.maxCoeff() < 1 - 1e-7;
    if (!models.finite) return models;
    models.slopes.segment(p * j, p) = own.fixed.estimate.tail(p);
    models.above.col(j) = own.fitted;
  }
  return models;
}

/// The covariance of the slopes (Brant 1990, eq. 4): of thresholds j ≤ l B_j⁻¹C_jlB_l⁻¹,
/// C_jl = X'diag(π_l(1 − π_j))X and B_j = C_jj, without the intercepts.
MatrixXd covariance_of_slopes(const BinaryModels& models, const MatrixXd& x,
                              const VectorXd& weights) {
  const Index p = x.cols() - 1;
  const Index thresholds = models.above.cols();
  const auto information = [&](Index j, Index l) -> MatrixXd {
    VectorXd shared = models.above.col(l).array() * (1 - models.above.col(j).array());
    if (weights.size() > 0) shared.array() *= weights.array();
    return x.transpose() * shared.asDiagonal() * x;
  };
  std::vector<Eigen::LLT<MatrixXd>> own;
  for (Index j = 0; j < thresholds; ++j) own.emplace_back(information(j, j));
  MatrixXd covariance(p * thresholds, p * thresholds);
  for (Index j = 0; j < thresholds; ++j) {
    for (Index l = j; l < thresholds; ++l) {
      const MatrixXd left = own[static_cast<std::size_t>(j)].solve(information(j, l));
      const MatrixXd both = own[static_cast<std::size_t>(l)].solve(left.transpose());
      covariance.block(p * l, p * j, p, p) = both.bottomRightCorner(p, p);
      covariance.block(p * j, p * l, p, p) = both.bottomRightCorner(p, p).transpose();
    }
  }
  return covariance;
}

/// That the slopes of these columns are those of the first threshold at every other.
BrantTest equal_slopes(const BinaryModels& models, const MatrixXd& covariance,
                       const std::string& term, const std::vector<Index>& columns) {
  const Index thresholds = models.above.cols();
  const Index p = models.slopes.size() / thresholds;
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
  const Eigen::LDLT<MatrixXd> variance(contrasts * covariance * contrasts.transpose());
  test.statistic = difference.dot(variance.solve(difference));
  test.p_value = chi_squared_upper_tail(test.statistic, test.df);
  return test;
}

}  // namespace

std::vector<BrantTest> brant_test(const Design& design, const GeneralizedFit& fit) {
  require_proportional_odds(design, fit);
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  std::vector<BrantTest> tests;
  if (p == 0) return tests;
  const Design binary = binary_design(design, fit);
  const BinaryModels models =
      fit_binary_models(design, binary, static_cast<Index>(fit.thresholds.size()));
  const MatrixXd covariance =
      models.finite ? covariance_of_slopes(models, binary.fixed, design.weights) : MatrixXd();
  std::vector<Index> all;
  for (Index k = 0; k < p; ++k) all.push_back(k);
  tests.push_back(equal_slopes(models, covariance, "(all)", all));
  for (const Index k : all)
    tests.push_back(
        equal_slopes(models, covariance, fit.fixed.terms[static_cast<std::size_t>(k)], {k}));
  return tests;
}

}  // namespace rapport
