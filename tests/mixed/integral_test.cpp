#include <rapport/base/random.hpp>
#include <rapport/mixed/generalized.hpp>

#include <gtest/gtest.h>

#include "generalized_problem.hpp"
#include <cmath>
#include <string>
#include <vector>

namespace {

using rapport::Design;
using rapport::Family;
using rapport::GeneralizedOptions;
using rapport::Index;
using rapport::Link;

constexpr Index sessions = 6;
constexpr Index patients = 24;
constexpr Index n = sessions * patients;

enum class Effects { none, intercept, slope, two_terms, nested, crossed, crossed_slope };

rapport::RandomTerm term(const Design& d, const std::string& factor, Index levels, bool slope,
                         Index (*group)(Index)) {
  rapport::RandomTerm t;
  t.factor = factor;
  t.terms = {"(Intercept)"};
  if (slope) t.terms.emplace_back("time");
  for (Index g = 0; g < levels; ++g) t.levels.push_back(factor + std::to_string(g));
  for (Index i = 0; i < n; ++i) t.group.push_back(static_cast<std::int32_t>(group(i)));
  t.columns = d.fixed.leftCols(slope ? 2 : 1);
  return t;
}

/// `response` holds the linear predictor plus a logistic disturbance.
Design latent(Effects effects) {
  const auto patient = [](Index i) { return i / sessions; };
  const auto therapist = [](Index i) { return i / sessions % 4; };
  const auto item = [](Index i) { return (i * 7 + i / sessions) % 5; };
  Design d;
  rapport::RandomStream stream(rapport::Seed{11}, static_cast<std::uint64_t>(effects));
  d.fixed = Eigen::MatrixXd::Ones(n, 3);
  d.fixed_terms = {"(Intercept)", "time", "x"};
  for (Index i = 0; i < n; ++i)
    d.fixed.row(i) << 1, 0.4 * static_cast<double>(i % sessions) - 1, stream.normal();
  const bool slope = effects == Effects::slope || effects == Effects::crossed_slope;
  if (effects != Effects::none) d.random.push_back(term(d, "patient", patients, slope, patient));
  if (effects == Effects::two_terms) {
    d.random.push_back(term(d, "patient", patients, false, patient));
    d.random.back().terms = {"x"};
    d.random.back().columns = d.fixed.col(2);
  }
  if (effects == Effects::nested || effects == Effects::crossed_slope)
    d.random.push_back(term(d, "therapist", 4, slope, therapist));
  if (effects == Effects::crossed || effects == Effects::crossed_slope)
    d.random.push_back(term(d, "item", 5, false, item));
  Eigen::VectorXd eta = d.fixed * Eigen::Vector3d(0.2, 0.5, 0.6);
  for (const rapport::RandomTerm& t : d.random) {
    Eigen::MatrixXd b(static_cast<Index>(t.levels.size()), t.columns.cols());
    for (double& x : b.reshaped()) x = 0.8 * stream.normal();
    for (Index i = 0; i < n; ++i)
      eta[i] += t.columns.row(i).dot(b.row(t.group[static_cast<std::size_t>(i)]));
  }
  for (double& y : eta) {
    const double u = stream.uniform();
    y += std::log(u / (1 - u));
  }
  d.response = eta;
  return d;
}

/// Responses in the family's range that grow with the latent variable.
void respond(Design& d, Family family) {
  rapport::RandomStream stream(rapport::Seed{12}, 0);
  if (family == Family::binomial) d.weights = Eigen::VectorXd::Constant(n, 2);
  for (double& y : d.response) {
    const double p = 1 / (1 + std::exp(-y));
    switch (family) {
      case Family::binomial:
        y = p < 0.3 ? 0 : p < 0.7 ? 0.5 : 1;
        break;
      case Family::cumulative:
        y = std::floor(3.999 * p);
        break;
      case Family::beta:
        y = 0.02 + 0.96 * p;
        break;
      case Family::gamma:
        y = std::exp(0.4 * y);
        break;
      default:
        y = std::floor(std::exp(0.5 * y) * (0.4 + 1.2 * stream.uniform()));
    }
  }
}

rapport::EffectColumns columns_of(const Design& d, const std::vector<Index>& positions) {
  rapport::EffectColumns effects;
  effects.columns = d.fixed(Eigen::all, positions);
  for (const Index k : positions)
    effects.terms.push_back(d.fixed_terms[static_cast<std::size_t>(k)]);
  return effects;
}

struct Case {
  std::string name;
  Family family;
  Link link;
  bool hessian = false;  ///< exact ones of Laplace's approximation and of quadrature
  rapport::Thresholds thresholds = rapport::Thresholds::flexible;
  std::vector<Index> nominal = {};
  std::vector<Index> scale = {};
  std::vector<Index> zeros = {};
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

/// Differences of f with steps h and 2h, extrapolated (Richardson): exact up to h⁴.
template <class Value>
auto difference(const Value& f, double h) {
  return ((8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)).eval();
}

class Derivatives : public testing::TestWithParam<Case> {
 protected:
  static void check(Effects effects, Index points) {
    const Case& c = GetParam();
    SCOPED_TRACE("effects " + std::to_string(static_cast<int>(effects)) + ", points " +
                 std::to_string(points));
    Design d = latent(effects);
    respond(d, c.family);
    GeneralizedOptions options{.family = c.family, .link = c.link, .quadrature_points = points};
    options.ordinal.thresholds = c.thresholds;
    if (!c.nominal.empty()) options.ordinal.nominal = columns_of(d, c.nominal);
    if (!c.scale.empty()) options.ordinal.scale = columns_of(d, c.scale);
    if (!c.zeros.empty()) options.zero_inflation = columns_of(d, c.zeros);
    const rapport::detail::GeneralizedProblem problem(d, options);
    const auto integral = problem.integral(points);
    // Beside the optimum, where nothing vanishes.
    Eigen::VectorXd x = problem.search(*integral).x;
    for (Index k = 0; k < x.size(); ++k) x[k] += 0.1 * std::sin(1.0 + static_cast<double>(k));
    const auto criterion = problem.criterion(*integral);
    const auto at = [&](Index k, double h) {
      Eigen::VectorXd shifted = x;
      shifted[k] += h;
      rapport::Derivatives there;
      criterion(shifted, there);
      return there;
    };
    rapport::Derivatives here = at(0, 0);
    ASSERT_TRUE(std::isfinite(here.value));
    EXPECT_EQ(integral->has_hessian(), c.hessian);
    rapport::Derivatives curved;
    if (c.hessian) problem.curved_criterion (*integral)(x, curved);
    constexpr double h = 7e-4;
    const double size = std::max(1.0, here.gradient.norm());
    for (Index k = 0; k < x.size(); ++k) {
      const auto value = [&](double step) {
        return Eigen::Matrix<double, 1, 1>::Constant(at(k, step).value).eval();
      };
      EXPECT_NEAR(difference(value, h)[0], here.gradient[k], 2e-7 * size) << "direction " << k;
      if (!c.hessian) continue;
      const Eigen::VectorXd column =
          difference([&](double step) { return at(k, step).gradient; }, h);
      const double scale = std::max(1.0, curved.hessian.col(k).norm());
      EXPECT_LT((column - curved.hessian.col(k)).norm(), 2e-7 * scale) << "direction " << k;
    }
    if (c.hessian) {
      EXPECT_NEAR(curved.value, here.value, 1e-10 * std::abs(here.value));
      EXPECT_LT((curved.gradient - here.gradient).norm(), 1e-8 * size);
    }
  }
};

TEST_P(Derivatives, AreThoseOfTheIntegralByLaplace) {
  for (const Effects effects :
       {Effects::none, Effects::intercept, Effects::slope, Effects::two_terms, Effects::nested,
        Effects::crossed, Effects::crossed_slope})
    check(effects, 1);
}

TEST_P(Derivatives, AreThoseOfTheIntegralByQuadrature) {
  check(Effects::intercept, 7);
  check(Effects::slope, 5);
  check(Effects::two_terms, 4);
}

using rapport::Thresholds;
INSTANTIATE_TEST_SUITE_P(
    Families, Derivatives,
    testing::Values(
        Case{"binomial_logit", Family::binomial, Link::logit, true},
        Case{"binomial_probit", Family::binomial, Link::probit},
        Case{"binomial_cloglog", Family::binomial, Link::cloglog},
        Case{"poisson", Family::poisson, Link::log, true},
        Case{"nbinom1", Family::nbinom1, Link::log},
        Case{"nbinom2", Family::nbinom2, Link::log, true},
        Case{"gamma_log", Family::gamma, Link::log}, Case{"beta", Family::beta, Link::logit},
        Case{"cumulative_logit", Family::cumulative, Link::logit, true},
        Case{"cumulative_probit", Family::cumulative, Link::probit},
        Case{"cumulative_cloglog", Family::cumulative, Link::cloglog},
        Case{"cumulative_loglog", Family::cumulative, Link::loglog},
        Case{"equidistant", Family::cumulative, Link::logit, true, Thresholds::equidistant},
        Case{"symmetric", Family::cumulative, Link::probit, false, Thresholds::symmetric},
        Case{"structured_nominal",
             Family::cumulative,
             Link::logit,
             true,
             Thresholds::symmetric2,
             {1, 2}},
        Case{"nominal", Family::cumulative, Link::logit, true, Thresholds::flexible, {1}},
        Case{"scale", Family::cumulative, Link::logit, false, Thresholds::flexible, {}, {2}},
        Case{"nominal_scale",
             Family::cumulative,
             Link::cloglog,
             false,
             Thresholds::flexible,
             {1},
             {2}},
        Case{"zero_inflated_poisson",
             Family::poisson,
             Link::log,
             true,
             Thresholds::flexible,
             {},
             {},
             {0, 2}},
        Case{"zero_inflated_nbinom2",
             Family::nbinom2,
             Link::log,
             false,
             Thresholds::flexible,
             {},
             {},
             {0}}),
    [](const auto& one) { return one.param.name; });

}  // namespace
