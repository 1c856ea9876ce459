#include <rapport/base/error.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/quadrature.hpp>
#include <rapport/mixed/generalized.hpp>

#include <Eigen/LU>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace rapport {
namespace {

Design design_of(const std::string& formula, const std::string& file, Family family) {
  return make_design(parse_formula(formula), read_csv(RAPPORT_TEST_DATA "/mixed/" + file),
                     {.response = response_kind(family)});
}

struct Expected {
  double log_likelihood;
  Eigen::VectorXd estimate;
  Eigen::VectorXd standard_error;
  std::vector<double> sd;
};

void expect_fit(const GeneralizedFit& fit, const Expected& expected, double tolerance) {
  EXPECT_TRUE(fit.optimizer.converged) << fit.optimizer.message;
  EXPECT_NEAR(fit.criterion.log_likelihood, expected.log_likelihood,
              1e-8 * std::abs(expected.log_likelihood));
  ASSERT_EQ(fit.fixed.estimate.size(), expected.estimate.size());
  for (Index k = 0; k < expected.estimate.size(); ++k) {
    EXPECT_NEAR(fit.fixed.estimate[k], expected.estimate[k], tolerance)
        << fit.fixed.terms[static_cast<std::size_t>(k)];
    if (expected.standard_error.size() == 0) continue;
    EXPECT_NEAR(fit.fixed.standard_error[k], expected.standard_error[k], tolerance);
  }
  std::size_t k = 0;
  for (const RandomEffects& term : fit.random) {
    for (const double sd : term.sd)
      EXPECT_NEAR(sd, expected.sd.at(k++), 10 * tolerance) << term.factor;
  }
}

// glmmTMB 1.1.5 (reference/mixed/generalized.R): Laplace with crossed factors, one of them with
// variance 0.
TEST(GeneralizedModel, ProbitWithCrossedFactorsAgreesWithGlmmTMB) {
  const Design design =
      design_of("probit ~ x + (1 | g) + (1 | h)", "generalized.csv", Family::binomial);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::binomial, .link = Link::probit});
  expect_fit(fit,
             {.log_likelihood = -50.0947963839606,
              .estimate = Eigen::VectorXd{{-0.110385655041509, 0.649987542485250}},
              .standard_error = Eigen::VectorXd{{0.325878688557187, 0.208555961749688}},
              .sd = {1.074476453419, 0}},
             1e-5);
  EXPECT_TRUE(fit.optimizer.singular);
  EXPECT_EQ(fit.method, "Laplace");
}

// glmmTMB 1.1.5 on 7584 answers of 316 persons to 24 items.
TEST(GeneralizedModel, PersonsCrossedWithItemsAgreesWithGlmmTMB) {
  const Design design = design_of("y ~ anger + gender + btype + situ + (1 | id) + (1 | item)",
                                  "verbagg.csv", Family::binomial);
  expect_fit(
      fit_generalized_model(design),
      {.log_likelihood = -4075.69985987807,
       .estimate = Eigen::VectorXd{{0.1990648007611, 0.0574289025219, 0.3207174287274,
                                    -1.0588037172171, -2.1053904220126, -1.0554557233992}},
       .standard_error = Eigen::VectorXd{{0.4065330293857, 0.0168388408026, 0.1919270458877,
                                          0.2572844867743, 0.2594682852551, 0.2107830902476}},
       .sd = {1.3397042277, 0.4953063665}},
      1e-4);
}

// Perfectly ordered categories.
TEST(GeneralizedModel, NamesSeparationOfCategories) {
  Design design = design_of("y ~ anger + (1 | id)", "verbagg.csv", Family::binomial);
  design = select(design, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 316, 317, 318, 319, 320, 321});
  for (Index i = 0; i < design.response.size(); ++i) {
    design.fixed(i, 1) = static_cast<double>(i);
    design.response[i] = i < 6 ? 0 : i < 12 ? 1 : 2;
  }
  design.frame.response_levels.clear();
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::cumulative});
  ASSERT_FALSE(fit.warnings.empty());
  EXPECT_NE(fit.warnings.front().find("separation"), std::string::npos);
}

TEST(GeneralizedModel, CloglogWithCrossedFactorsAgreesWithGlmmTMB) {
  const Design design =
      design_of("cloglog ~ x + (1 | g) + (1 | h)", "generalized.csv", Family::binomial);
  expect_fit(fit_generalized_model(design, {.family = Family::binomial, .link = Link::cloglog}),
             {.log_likelihood = -54.0718702459328,
              .estimate = Eigen::VectorXd{{-0.844074327175089, 0.469705694981728}},
              .standard_error = Eigen::VectorXd{{0.378744429077496, 0.215716848288727}},
              .sd = {1.053418872800, 0.345001566215}},
             1e-5);
}

TEST(GeneralizedModel, PoissonWithSlopesAgreesWithGlmmTMB) {
  const Design design = design_of("poisson ~ x + (x | g)", "generalized.csv", Family::poisson);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::poisson});
  // The correlation is −1: glmmTMB stops just before the boundary.
  EXPECT_NEAR(fit.criterion.log_likelihood, -117.968495743316, 1e-6);
  EXPECT_GE(fit.criterion.log_likelihood, -117.968495743316);
  EXPECT_NEAR(fit.fixed.estimate[1], 0.530296569556414, 1e-4);
  EXPECT_NEAR(fit.random[0].sd[0], 0.39118137200391, 1e-4);
  EXPECT_TRUE(fit.optimizer.singular);
}

TEST(GeneralizedModel, NegativeBinomialAgreesWithGlmmTMB) {
  const Design design =
      design_of("nbinom ~ x + (1 | g) + (1 | h)", "generalized.csv", Family::nbinom2);
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::nbinom2});
  expect_fit(fit,
             {.log_likelihood = -136.514720946274,
              .estimate = Eigen::VectorXd{{-0.0225862019318469, 0.6845118825542463}},
              .standard_error = Eigen::VectorXd{{0.247952935075646, 0.169157960403674}},
              .sd = {0.272785185929, 0.435730261909}},
             1e-5);
  EXPECT_NEAR(fit.dispersion, 1.85645392478574, 1e-4);
}

// lme4 1.1-31, nAGQ = 25; its optimiser stops within 1e-4 of the optimum, and its likelihood lacks
// constants.
TEST(GeneralizedModel, QuadratureAgreesWithGlmer) {
  const Design design = design_of("cbind(incidence, healthy) ~ factor(period) + (1 | herd)",
                                  "cbpp.csv", Family::binomial);
  const GeneralizedFit fit = fit_generalized_model(design, {.quadrature_points = 25});
  EXPECT_EQ(fit.method, "AGQ");
  EXPECT_NEAR(fit.fixed.estimate[1], -0.991408883812732, 2e-4);
  EXPECT_NEAR(fit.random[0].sd[0], 0.647519914522493, 2e-4);
}

// ordinal 2022.11-16: clmm(rating ~ temp + contact + (1 | judge), wine, nAGQ = 15).
TEST(GeneralizedModel, CumulativeLogitAgreesWithClmm) {
  const Design design =
      design_of("rating ~ temp + contact + (1 | judge)", "wine.csv", Family::cumulative);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::cumulative, .quadrature_points = 15});
  expect_fit(fit,
             {.log_likelihood = -81.5324607109543,
              .estimate = Eigen::VectorXd{{3.06189098993152, 1.83343336318477}},
              .standard_error = Eigen::VectorXd{{0.595077214556261, 0.512171936027313}},
              .sd = {1.13478329604}},
             3e-4);
  ASSERT_EQ(fit.thresholds.size(), 4U);
  EXPECT_EQ(fit.thresholds[0].term, "1|2");
  EXPECT_NEAR(fit.thresholds[0].estimate, -1.62348745345339, 3e-4);
  EXPECT_NEAR(fit.thresholds[3].estimate, 6.08615227447819, 3e-4);
  EXPECT_NEAR(fit.thresholds[3].standard_error, 0.971942542246879, 3e-4);
}

/// A small design with one scalar effect z, twelve groups of five.
Design small_design(const std::function<double(double eta, RandomStream&)>& draw,
                    std::uint64_t seed) {
  constexpr Index groups = 12;
  constexpr Index size = 5;
  RandomStream stream(Seed{seed}, 0);
  Design design;
  design.response.resize(groups * size);
  design.fixed.resize(groups * size, 2);
  design.fixed_terms = {"(Intercept)", "x"};
  RandomTerm term;
  term.factor = "g";
  term.terms = {"(Intercept)"};
  term.columns = Eigen::MatrixXd::Ones(groups * size, 1);
  for (Index g = 0; g < groups; ++g) {
    term.levels.push_back(std::to_string(g));
    const double u = stream.normal();
    for (Index j = 0; j < size; ++j) {
      const Index row = g * size + j;
      term.group.push_back(static_cast<std::int32_t>(g));
      design.fixed.row(row) << 1, stream.normal();
      design.response[row] = draw(0.2 + 0.7 * design.fixed(row, 1) + u, stream);
    }
  }
  design.random.push_back(term);
  return design;
}

using RowLogLikelihood = std::function<double(double y, double eta, const Eigen::VectorXd& family)>;

/// −log L at (β, log sd, family) by brute-force integration over each group's effect.
double integrated(const Design& design, const RowLogLikelihood& row, const Eigen::VectorXd& at) {
  const Index p = design.fixed.cols();
  const double sd = std::exp(at[p]);
  const Eigen::VectorXd family = at.tail(at.size() - p - 1);
  const Eigen::VectorXd eta = design.fixed * at.head(p);
  double total = 0;
  const auto groups = static_cast<std::int32_t>(design.random[0].levels.size());
  for (std::int32_t g = 0; g < groups; ++g) {
    const auto density = [&](double u) {
      double log_density = 0;
      for (Index i = 0; i < design.response.size(); ++i) {
        if (design.random[0].group[static_cast<std::size_t>(i)] != g) continue;
        log_density += row(design.response[i], eta[i] + sd * u, family);
      }
      return std::exp(log_density) * normal_density(u);
    };
    total -= std::log(integrate(density, -9, 9, 1e-12));
  }
  return total;
}

/// The fit's likelihood is the integral, and the estimates are where its gradient vanishes.
void expect_maximum(const Design& design, const GeneralizedFit& fit, const RowLogLikelihood& row,
                    const Eigen::VectorXd& family, const Eigen::VectorXd& family_error) {
  const Index p = fit.fixed.estimate.size();
  Eigen::VectorXd at(p + 1 + family.size());
  at << fit.fixed.estimate, std::log(fit.random[0].sd[0]), family;
  Design kept = design;
  kept.fixed = design.fixed(Eigen::all, fit.fixed.columns);
  const auto f = [&](const Eigen::VectorXd& x) { return integrated(kept, row, x); };
  EXPECT_NEAR(-f(at), fit.criterion.log_likelihood, 1e-8);
  const auto gradient = [&](const Eigen::VectorXd& x) {
    Eigen::VectorXd g(x.size());
    for (Index k = 0; k < x.size(); ++k) {
      Eigen::VectorXd right = x;
      Eigen::VectorXd left = x;
      right[k] += 1e-3;
      left[k] -= 1e-3;
      g[k] = (f(right) - f(left)) / 2e-3;
    }
    return g;
  };
  EXPECT_LT(gradient(at).lpNorm<Eigen::Infinity>(), 5e-5);  // of the differences themselves
  // The inverse of the observed information gives the standard errors, through an independent
  // Hessian.
  Eigen::MatrixXd hessian(at.size(), at.size());
  for (Index k = 0; k < at.size(); ++k) {
    Eigen::VectorXd right = at;
    Eigen::VectorXd left = at;
    right[k] += 1e-3;
    left[k] -= 1e-3;
    hessian.col(k) = (gradient(right) - gradient(left)) / 2e-3;
  }
  const Eigen::MatrixXd covariance = hessian.inverse();
  for (Index k = 0; k < p; ++k)
    EXPECT_NEAR(fit.fixed.standard_error[k], std::sqrt(covariance(k, k)), 1e-4);
  for (Index k = 0; k < family.size(); ++k) {
    const Index place = p + 1 + k;
    EXPECT_NEAR(family_error[k], std::sqrt(covariance(place, place)), 2e-4);
  }
}

TEST(GeneralizedModel, LogitEqualsBruteForce) {
  const Design design = small_design(
      [](double eta, RandomStream& stream) {
        return stream.uniform() < 1 / (1 + std::exp(-eta)) ? 1.0 : 0.0;
      },
      3);
  const GeneralizedFit fit = fit_generalized_model(design, {.quadrature_points = 60});
  const auto row = [](double y, double eta, const Eigen::VectorXd&) {
    return y == 1 ? -std::log1p(std::exp(-eta)) : -std::log1p(std::exp(eta));
  };
  expect_maximum(design, fit, row, {}, {});
}

TEST(GeneralizedModel, NegativeBinomialEqualsBruteForce) {
  const auto draw = [](double eta, RandomStream& stream) {
    const double mean = std::exp(eta) * stream.gamma(1.5) / 1.5;
    double time = stream.exponential();
    double count = 0;
    for (; time < mean; ++count) time += stream.exponential();
    return count;
  };
  const Design design = small_design(draw, 8);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::nbinom2, .quadrature_points = 60});
  const auto row = [](double y, double eta, const Eigen::VectorXd& family) {
    const double k = std::exp(family[0]);
    const double mean = std::exp(eta);
    return std::lgamma(y + k) - std::lgamma(k) - std::lgamma(y + 1) + k * std::log(k / (k + mean)) +
           y * std::log(mean / (k + mean));
  };
  expect_maximum(design, fit, row, Eigen::VectorXd::Constant(1, std::log(fit.dispersion)),
                 Eigen::VectorXd::Constant(1, fit.dispersion_standard_error / fit.dispersion));
}

TEST(GeneralizedModel, GammaEqualsBruteForce) {
  const Design design = small_design(
      [](double eta, RandomStream& stream) { return std::exp(eta) * stream.gamma(2) / 2; }, 5);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::gamma, .quadrature_points = 60});
  const auto row = [](double y, double eta, const Eigen::VectorXd& family) {
    const double shape = std::exp(-family[0]);
    const double rate = shape / std::exp(eta);
    return shape * std::log(rate) - std::lgamma(shape) + (shape - 1) * std::log(y) - rate * y;
  };
  expect_maximum(design, fit, row, Eigen::VectorXd::Constant(1, std::log(fit.dispersion)),
                 Eigen::VectorXd::Constant(1, fit.dispersion_standard_error / fit.dispersion));
}

TEST(GeneralizedModel, NegativeBinomial1EqualsBruteForce) {
  const auto draw = [](double eta, RandomStream& stream) {
    const double mean = std::exp(eta + 1);
    const double rate = stream.gamma(mean / 3) * 3;
    double count = 0;
    for (double time = stream.exponential(); time < rate; ++count) time += stream.exponential();
    return count;
  };
  const Design design = small_design(draw, 6);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::nbinom1, .quadrature_points = 60});
  const auto row = [](double y, double eta, const Eigen::VectorXd& family) {
    const double delta = std::exp(family[0]);
    const double size = std::exp(eta) / delta;
    return std::lgamma(y + size) - std::lgamma(size) - std::lgamma(y + 1) -
           size * std::log1p(delta) + y * std::log(delta / (1 + delta));
  };
  expect_maximum(design, fit, row, Eigen::VectorXd::Constant(1, std::log(fit.dispersion)),
                 Eigen::VectorXd::Constant(1, fit.dispersion_standard_error / fit.dispersion));
}

TEST(GeneralizedModel, BetaEqualsBruteForce) {
  const auto draw = [](double eta, RandomStream& stream) {
    const double mean = 1 / (1 + std::exp(-eta));
    const double a = stream.gamma(6 * mean);
    const double b = stream.gamma(6 * (1 - mean));
    return std::clamp(a / (a + b), 1e-4, 1 - 1e-4);
  };
  const Design design = small_design(draw, 7);
  const GeneralizedFit fit =
      fit_generalized_model(design, {.family = Family::beta, .quadrature_points = 60});
  const auto row = [](double y, double eta, const Eigen::VectorXd& family) {
    const double phi = std::exp(family[0]);
    const double mean = 1 / (1 + std::exp(-eta));
    return std::lgamma(phi) - std::lgamma(mean * phi) - std::lgamma((1 - mean) * phi) +
           (mean * phi - 1) * std::log(y) + ((1 - mean) * phi - 1) * std::log1p(-y);
  };
  expect_maximum(design, fit, row, Eigen::VectorXd::Constant(1, std::log(fit.dispersion)),
                 Eigen::VectorXd::Constant(1, fit.dispersion_standard_error / fit.dispersion));
}

TEST(GeneralizedModel, CumulativeProbitEqualsBruteForce) {
  const auto draw = [](double eta, RandomStream& stream) {
    const double latent = eta + stream.normal();
    return latent < -1 ? 0.0 : latent < 0.4 ? 1.0 : latent < 1.5 ? 2.0 : 3.0;
  };
  const Design design = small_design(draw, 4);
  const GeneralizedFit fit = fit_generalized_model(
      design, {.family = Family::cumulative, .link = Link::probit, .quadrature_points = 60});
  ASSERT_EQ(fit.fixed.terms, (std::vector<std::string>{"x"}));
  Eigen::VectorXd thresholds(3);
  Eigen::VectorXd errors(3);
  for (Index j = 0; j < 3; ++j) {
    thresholds[j] = fit.thresholds[static_cast<std::size_t>(j)].estimate;
    errors[j] = fit.thresholds[static_cast<std::size_t>(j)].standard_error;
  }
  const auto row = [](double y, double eta, const Eigen::VectorXd& family) {
    const double upper = y < 3 ? normal_cdf(family[static_cast<Index>(y)] - eta) : 1;
    const double lower = y > 0 ? normal_cdf(family[static_cast<Index>(y) - 1] - eta) : 0;
    return std::log(upper - lower);
  };
  expect_maximum(design, fit, row, thresholds, errors);
}

TEST(GeneralizedModel, QuadratureConvergesAsItsPointsGrow) {
  const Design design = small_design(
      [](double eta, RandomStream& stream) {
        return stream.uniform() < 1 / (1 + std::exp(-eta)) ? 1.0 : 0.0;
      },
      3);
  const auto value = [&](Index points) {
    return fit_generalized_model(design, {.quadrature_points = points}).criterion.log_likelihood;
  };
  const double limit = value(100);
  EXPECT_NEAR(value(25), limit, 1e-8);
  EXPECT_NEAR(value(9), limit, 1e-4);
  EXPECT_GT(std::abs(value(1) - limit), std::abs(value(5) - limit));
}

// Without random effects: R's glm(cbind(incidence, healthy) ~ factor(period), binomial, cbpp).
TEST(GeneralizedModel, WithoutRandomEffectsIsMaximumLikelihood) {
  const Design design =
      design_of("cbind(incidence, healthy) ~ factor(period)", "cbpp.csv", Family::binomial);
  const GeneralizedFit fit = fit_generalized_model(design);
  EXPECT_EQ(fit.method, "ML");
  // Saturated by period: the coefficients are differences of observed logits.
  EXPECT_NEAR(1 / (1 + std::exp(-fit.fixed.estimate[0])), fit.fitted[0], 1e-12);
  EXPECT_LT(fit.optimizer.gradient_norm, 1e-6);
}

TEST(GeneralizedModel, DropsDependentColumns) {
  Design design = small_design(
      [](double eta, RandomStream& stream) {
        return stream.uniform() < 1 / (1 + std::exp(-eta)) ? 1.0 : 0.0;
      },
      3);
  const GeneralizedFit full = fit_generalized_model(design);
  design.fixed.conservativeResize(Eigen::NoChange, 3);
  design.fixed.col(2) = 2 * design.fixed.col(1) - design.fixed.col(0);
  design.fixed_terms.emplace_back("twice");
  const GeneralizedFit fit = fit_generalized_model(design);
  EXPECT_EQ(fit.fixed.dropped, (std::vector<std::string>{"twice"}));
  EXPECT_NEAR(fit.criterion.value, full.criterion.value, 1e-10);
  EXPECT_FALSE(fit.warnings.empty());
}

TEST(GeneralizedModel, RowOrderDoesNotMatter) {
  Design design = small_design(
      [](double eta, RandomStream& stream) {
        return stream.uniform() < 1 / (1 + std::exp(-eta)) ? 1.0 : 0.0;
      },
      3);
  const GeneralizedFit forward = fit_generalized_model(design);
  design.response.reverseInPlace();
  design.fixed.colwise().reverseInPlace();
  std::reverse(design.random[0].group.begin(), design.random[0].group.end());
  const GeneralizedFit backward = fit_generalized_model(design);
  EXPECT_NEAR(forward.criterion.value, backward.criterion.value, 1e-10);
  EXPECT_NEAR(forward.fitted[3], backward.fitted[design.response.size() - 4], 1e-9);
}

TEST(GeneralizedModel, RefusesWhatCannotBeEstimated) {
  Design design = small_design(
      [](double, RandomStream& stream) { return stream.uniform() < 0.5 ? 1.0 : 0.0; }, 3);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, {.link = Link::log})),
               InvalidArgument);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(design, {.quadrature_points = 0})),
               InvalidArgument);
  Design twice = design;
  twice.random.push_back(twice.random[0]);
  EXPECT_THROW(static_cast<void>(fit_generalized_model(twice)), DataError);
  Design constant = design;
  constant.response.setZero();
  EXPECT_THROW(static_cast<void>(fit_generalized_model(constant)), DataError);
  Design outside = design;
  outside.response[0] = 1.5;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(outside)), DataError);
  outside.response[0] = 2.5;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(outside, {.family = Family::poisson})),
               DataError);
  outside.response[0] = -1;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(outside, {.family = Family::nbinom2})),
               DataError);
  outside.response[0] = 3;
  EXPECT_THROW(static_cast<void>(fit_generalized_model(outside, {.family = Family::cumulative})),
               DataError);
}

TEST(GeneralizedModel, NamesSeparation) {
  Design design = small_design(
      [](double, RandomStream& stream) { return stream.uniform() < 0.5 ? 1.0 : 0.0; }, 3);
  for (Index i = 0; i < design.response.size(); ++i)
    design.response[i] = design.fixed(i, 1) > 0 ? 1 : 0;
  const GeneralizedFit fit = fit_generalized_model(design);
  ASSERT_FALSE(fit.warnings.empty());
  EXPECT_NE(fit.warnings.front().find("separation"), std::string::npos);
}

// Counts without overdispersion: the negative binomial ends at Poisson's likelihood, with Poisson's
// standard errors.
TEST(GeneralizedModel, NegativeBinomialReachesItsPoissonLimit) {
  const auto even = [](double eta, RandomStream&) { return std::round(3 * std::exp(0.3 * eta)); };
  const Design design = small_design(even, 2);
  const GeneralizedFit poisson = fit_generalized_model(design, {.family = Family::poisson});
  const GeneralizedFit fit = fit_generalized_model(design, {.family = Family::nbinom2});
  EXPECT_NEAR(fit.criterion.value, poisson.criterion.value, 1e-5);
  EXPECT_NEAR(fit.fixed.standard_error[1], poisson.fixed.standard_error[1], 1e-5);
  EXPECT_TRUE(std::isnan(fit.dispersion_standard_error));
  ASSERT_FALSE(fit.warnings.empty());
  EXPECT_NE(fit.warnings.front().find("poisson"), std::string::npos);
}

TEST(ParseFamily, KnowsItsNames) {
  EXPECT_EQ(parse_family("nbinom2"), Family::nbinom2);
  EXPECT_FALSE(parse_family("gaussish").has_value());
  EXPECT_EQ(to_string(Family::cumulative), "cumulative");
  EXPECT_EQ(parse_link("cloglog"), Link::cloglog);
  EXPECT_EQ(to_string(default_link(Family::poisson)), "log");
}

}  // namespace
}  // namespace rapport
