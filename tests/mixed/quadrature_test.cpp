#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/mixed/generalized.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace rapport {
namespace {

/// Groups of 6 to 9 rows with q correlated effects of 1, x and w.
Design small_design(Index q, Index groups, const std::function<double(double, RandomStream&)>& draw,
                    std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 0);
  Index n = 0;
  for (Index g = 0; g < groups; ++g) n += 6 + g % 4;
  Design design;
  design.response.resize(n);
  design.fixed = Eigen::MatrixXd::Ones(n, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  RandomTerm term;
  term.factor = "g";
  term.columns = Eigen::MatrixXd::Ones(n, q);
  for (Index k = 0; k < q; ++k) term.terms.push_back("z" + std::to_string(k));
  Index row = 0;
  for (Index g = 0; g < groups; ++g) {
    term.levels.push_back(std::to_string(g));
    Eigen::VectorXd b(q);
    for (double& effect : b) effect = 0.7 * stream.normal();
    for (Index j = 0; j < 6 + g % 4; ++j, ++row) {
      design.fixed(row, 1) = stream.normal();
      for (Index k = 1; k < q; ++k) term.columns(row, k) = stream.normal();
      if (q > 1) term.columns(row, 1) = design.fixed(row, 1);
      term.group.push_back(static_cast<std::int32_t>(g));
      const double eta = 0.2 + 0.4 * design.fixed(row, 1) + term.columns.row(row).dot(b);
      design.response[row] = draw(eta, stream);
    }
  }
  design.random.push_back(term);
  return design;
}

double draw_binary(double eta, RandomStream& stream) {
  return stream.uniform() < 1 / (1 + std::exp(-eta)) ? 1 : 0;
}

using RowLogLikelihood = std::function<double(double y, double eta)>;

double logit_row(double y, double eta) {
  return y == 1 ? -std::log1p(std::exp(-eta)) : -std::log1p(std::exp(eta));
}

/// ∫ of a group's likelihood over u ~ N(0, I) at given Λ by the trapezoidal rule on a fine grid,
/// whose error falls faster than any power of the step for such integrands.
class BruteForce {
 public:
  BruteForce(const Design& design, const Eigen::VectorXd& eta, const Eigen::MatrixXd& factor,
             RowLogLikelihood row)
      : design_(design), eta_(eta), factor_(factor), row_(std::move(row)) {}

  double log_likelihood() {
    double total = 0;
    const auto groups = static_cast<std::int32_t>(design_.random[0].levels.size());
    for (std::int32_t g = 0; g < groups; ++g) {
      rows_.clear();
      for (Index i = 0; i < design_.response.size(); ++i) {
        if (design_.random[0].group[static_cast<std::size_t>(i)] == g) rows_.push_back(i);
      }
      u_.resize(factor_.cols());
      total += std::log(integral(0));
    }
    return total;
  }

 private:
  double integral(Index k) {
    if (k == u_.size()) return std::exp(log_density());
    constexpr double step = 0.25;
    double sum = 0;
    for (int i = -32; i <= 32; ++i) {
      u_[k] = step * i;
      sum += integral(k + 1);
    }
    return sum * step;
  }
  [[nodiscard]] double log_density() const {
    const Eigen::VectorXd b = factor_ * u_;
    double sum = -0.5 * u_.squaredNorm() - 0.91893853320467274178 * static_cast<double>(u_.size());
    for (const Index i : rows_)
      sum += row_(design_.response[i], eta_[i] + design_.random[0].columns.row(i).dot(b));
    return sum;
  }

  const Design& design_;
  const Eigen::VectorXd& eta_;
  const Eigen::MatrixXd& factor_;
  RowLogLikelihood row_;
  std::vector<Index> rows_;
  Eigen::VectorXd u_;
};

double brute_force(const Design& design, const GeneralizedFit& fit, const RowLogLikelihood& row) {
  const Eigen::VectorXd eta = design.fixed(Eigen::all, fit.fixed.columns) * fit.fixed.estimate;
  return BruteForce(design, eta, fit.factors[0], row).log_likelihood();
}

TEST(Quadrature, TwoEffectsEqualBruteForce) {
  const Design design = small_design(2, 14, draw_binary, 5);
  const GeneralizedFit fit = fit_generalized_model(design, {.quadrature_points = 41});
  EXPECT_EQ(fit.method, "AGQ");
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.log_likelihood, brute_force(design, fit, logit_row), 1e-8);
}

TEST(Quadrature, ThreeEffectsEqualBruteForce) {
  const auto draw = [](double eta, RandomStream& stream) {
    double count = 0;
    for (double time = stream.exponential(); time < std::exp(0.5 * eta); ++count)
      time += stream.exponential();
    return count;
  };
  const auto row = [](double y, double eta) {
    return y * eta - std::exp(eta) - std::lgamma(y + 1);
  };
  const Design design = small_design(3, 9, draw, 6);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::poisson, .quadrature_points = 25});
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.log_likelihood, brute_force(design, fit, row), 1e-8);
}

/// Families without kernels of their own go through the same rule: probit's Laplace and quadrature
/// against brute force, two effects.
TEST(Quadrature, TwoEffectsWithProbitEqualBruteForce) {
  const Design design = small_design(2, 14, draw_binary, 9);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.link = Link::probit, .quadrature_points = 41});
  const auto row = [](double y, double eta) {
    return std::log(0.5 * std::erfc((y == 1 ? -eta : eta) / std::sqrt(2.0)));
  };
  EXPECT_TRUE(fit.optimizer.converged);
  EXPECT_NEAR(fit.criterion.log_likelihood, brute_force(design, fit, row), 1e-8);
}

TEST(Quadrature, ConvergesAsItsPointsGrow) {
  const Design design = small_design(2, 14, draw_binary, 5);
  const auto value = [&](Index points) {
    return fit_generalized_model(design, {.quadrature_points = points}).criterion.log_likelihood;
  };
  const double limit = value(61);
  double before = std::abs(value(1) - limit);
  for (const Index points : {5, 11, 21, 41}) {
    const double error = std::abs(value(points) - limit);
    EXPECT_LT(error, 0.5 * before + 1e-11) << points;
    before = error;
  }
}

/// Separate terms of one factor, (1 | g) + (0 + x | g), are one set of effects with a diagonal
/// covariance.
TEST(Quadrature, TermsOfOneFactorAreIntegratedTogether) {
  Design design = small_design(2, 14, draw_binary, 5);
  RandomTerm slope = design.random[0];
  design.random[0].columns = Eigen::MatrixXd(slope.columns.leftCols(1));
  design.random[0].terms = {"z0"};
  slope.columns = Eigen::MatrixXd(slope.columns.rightCols(1));
  slope.terms = {"z1"};
  design.random.push_back(slope);
  const GeneralizedFit fit = fit_generalized_model(design, {.quadrature_points = 41});
  ASSERT_EQ(fit.random.size(), 2U);
  Design joint = design;
  joint.random.resize(1);
  joint.random[0].columns.conservativeResize(Eigen::NoChange, 2);
  joint.random[0].columns.col(1) = slope.columns.col(0);
  const Eigen::MatrixXd factor =
      Eigen::Vector2d(fit.random[0].sd[0], fit.random[1].sd[0]).asDiagonal();
  const Eigen::VectorXd eta = design.fixed * fit.fixed.estimate;
  EXPECT_NEAR(fit.criterion.log_likelihood,
              BruteForce(joint, eta, factor, logit_row).log_likelihood(), 1e-8);
}

TEST(Quadrature, ChoosesItsPointsForAnError) {
  const Design design = small_design(2, 14, draw_binary, 5);
  const double limit =
      fit_generalized_model(design, {.quadrature_points = 61}).criterion.log_likelihood;
  Index before = 0;
  for (const double error : {1e-2, 1e-5, 1e-9}) {
    const GeneralizedFit fit =
        fit_generalized_model(design, {.quadrature_points = 3, .quadrature_error = error});
    EXPECT_LE(fit.quadrature_error, error);
    EXPECT_NEAR(fit.criterion.log_likelihood, limit, 3 * error);
    EXPECT_GT(fit.quadrature_points, before);
    EXPECT_EQ(fit.options.quadrature_points, fit.quadrature_points);
    before = fit.quadrature_points;
  }
}

TEST(Quadrature, RefusesWhatItCannotIntegrate) {
  Design design = small_design(2, 14, draw_binary, 5);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, {.quadrature_points = 150})),
               InvalidArgument);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, {.quadrature_error = 0.0})),
               InvalidArgument);
  RandomTerm other = design.random[0];
  other.factor = "h";
  for (std::size_t i = 0; i < other.group.size(); ++i)
    other.group[i] = static_cast<std::int32_t>(i % other.levels.size());
  design.random.push_back(other);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, {.quadrature_points = 5})),
               InvalidArgument);
}

}  // namespace
}  // namespace rapport
