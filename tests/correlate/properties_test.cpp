#include <rapport/base/error.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/correlate/weighted_tau.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"
#include <functional>
#include <limits>
#include <rapidcheck.h>

/// What holds for all data, heavy ties and constants among them.
namespace rapport {
namespace {

struct Coefficient {
  std::string name;
  std::function<CorrelationResult(const Eigen::VectorXd&, const Eigen::VectorXd&)> of;
  bool symmetric;  ///< in x and y
  bool signed_;    ///< turns its sign with y; else keeps it
  bool ranked;     ///< unchanged by monotone transformations
  bool doubled;    ///< the estimate is unchanged when every row stands twice
};

CorrelationResult short_form(const KendallResult& r) {
  return {.estimate = r.estimate,
          .standard_error = r.standard_error,
          .ci = r.ci,
          .statistic = r.statistic,
          .p_value = r.p_value};
}

const std::vector<Coefficient>& coefficients() {
  using V = Eigen::VectorXd;
  static const std::vector<Coefficient> all = {
      {"pearson", [](const V& x, const V& y) { return pearson_correlation(x, y); }, true, true,
       false, true},
      {"spearman", [](const V& x, const V& y) { return spearman_correlation(x, y); }, true, true,
       true, true},
      {"kendall", [](const V& x, const V& y) { return short_form(kendall_tau(x, y)); }, true, true,
       true, false},
      {"kendall_a", [](const V& x, const V& y) { return kendall_tau_a(x, y); }, true, true, true,
       false},
      {"kendall_c", [](const V& x, const V& y) { return stuart_tau_c(x, y); }, true, true, true,
       true},
      {"gamma", [](const V& x, const V& y) { return goodman_kruskal_gamma(x, y); }, true, true,
       true, true},
      {"somers_d", [](const V& x, const V& y) { return somers_d(x, y); }, false, true, true, true},
      {"weighted_tau", [](const V& x, const V& y) { return weighted_tau(x, y); }, true, false, true,
       false},
      {"xi", [](const V& x, const V& y) { return chatterjee_xi(x, y); }, false, false, true, false},
      {"hoeffding", [](const V& x, const V& y) { return hoeffding_d(x, y); }, true, false, true,
       false},
      {"bergsma_dassios", [](const V& x, const V& y) { return bergsma_dassios_tau(x, y); }, true,
       false, true, false},
      {"blomqvist", [](const V& x, const V& y) { return blomqvist_beta(x, y); }, true, true, false,
       true},
  };
  return all;
}

bool same(double a, double b, double tolerance = 1e-11) {
  return (std::isnan(a) && std::isnan(b)) || a == b ||
         std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

/// Few whole values (0, 1, 2, …) or many.
std::pair<Eigen::VectorXd, Eigen::VectorXd> any_columns() {
  const auto n = static_cast<Index>(*rc::gen::inRange(0, 40));
  const int levels = *rc::gen::element(1, 2, 3, 5, 1000);
  const auto values = [&] {
    Eigen::VectorXd x(n);
    for (double& value : x) value = *rc::gen::inRange(0, levels);
    return x;
  };
  Eigen::VectorXd x = values();
  return {x, values()};
}

TEST(CorrelationProperties, EstimatesAndIntervalsLieWhereTheyMust) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    for (const Coefficient& c : coefficients()) {
      const CorrelationResult r = c.of(x, y);
      RC_ASSERT(std::isnan(r.estimate) ||
                (r.estimate >= (c.name == "hoeffding" ? -2.5 : -1.0) && r.estimate <= 1));
      RC_ASSERT(std::isnan(r.p_value) || (r.p_value >= 0 && r.p_value <= 1 + 1e-12));
      RC_ASSERT(std::isnan(r.standard_error) || r.standard_error >= 0);
      if (!std::isnan(r.ci.lower))
        RC_ASSERT(r.ci.lower >= -1 && r.ci.lower <= r.estimate + 1e-12 &&
                  r.estimate <= r.ci.upper + 1e-12 && r.ci.upper <= 1);
      if (x.size() > 0 && x.minCoeff() == x.maxCoeff() && c.symmetric &&
          c.name != "bergsma_dassios" && c.name != "kendall_a")
        RC_ASSERT(std::isnan(r.estimate));
    }
  }));
}

TEST(CorrelationProperties, Exchange) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    for (const Coefficient& c : coefficients()) {
      if (!c.symmetric) continue;
      const CorrelationResult a = c.of(x, y);
      const CorrelationResult b = c.of(y, x);
      RC_ASSERT(same(a.estimate, b.estimate));
      RC_ASSERT(same(a.standard_error, b.standard_error, 1e-7));
      RC_ASSERT(same(a.statistic, b.statistic));
      if (std::abs(a.estimate) < 1 - 1e-9) RC_ASSERT(same(a.p_value, b.p_value, 1e-9));
    }
  }));
}

TEST(CorrelationProperties, Reversal) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    for (const Coefficient& c : coefficients()) {
      if (c.name == "weighted_tau" || c.name == "xi") continue;  // top-heavy; defined by ≤ and ≥
      const CorrelationResult a = c.of(x, y);
      const CorrelationResult b = c.of(x, -y);
      RC_ASSERT(same(a.estimate, c.signed_ ? -b.estimate : b.estimate));
      if (std::abs(a.estimate) < 1 - 1e-9) RC_ASSERT(same(a.p_value, b.p_value, 1e-9));
      if (c.signed_) RC_ASSERT(same(a.ci.lower, -b.ci.upper, 1e-7));
    }
  }));
}

TEST(CorrelationProperties, MonotoneTransformation) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    const Eigen::VectorXd bent =
        x.array().cube() * 5 - 7;  // exact, unlike exp in vectors and alone
    for (const Coefficient& c : coefficients()) {
      if (!c.ranked) continue;
      const CorrelationResult a = c.of(x, y);
      const CorrelationResult b = c.of(bent, y);
      RC_ASSERT(same(a.estimate, b.estimate));
      if (std::abs(a.estimate) < 1 - 1e-9) RC_ASSERT(same(a.p_value, b.p_value, 1e-9));
    }
  }));
}

TEST(CorrelationProperties, OrderOfRows) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    for (const Coefficient& c : coefficients()) {
      const CorrelationResult a = c.of(x, y);
      const CorrelationResult b = c.of(x.reverse(), y.reverse());
      RC_ASSERT(same(a.estimate, b.estimate, 1e-10));
      if (std::abs(a.estimate) < 1 - 1e-9)
        RC_ASSERT(same(a.p_value, b.p_value, 1e-9));  // steep there
    }
  }));
}

TEST(CorrelationProperties, Duplication) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    RC_PRE(x.size() >= 2);
    Eigen::VectorXd x2(2 * x.size());
    Eigen::VectorXd y2(2 * x.size());
    x2 << x, x;
    y2 << y, y;
    for (const Coefficient& c : coefficients())
      if (c.doubled) RC_ASSERT(same(c.of(x, y).estimate, c.of(x2, y2).estimate));
    // τ-b of doubled rows: the same pairs four times and no others, so that it does not change
    // either.
    RC_ASSERT(same(kendall_tau(x, y).estimate, kendall_tau(x2, y2).estimate));
  }));
}

TEST(CorrelationProperties, WeightsAreCounts) {
  EXPECT_TRUE(rc::check([] {
    const auto [x, y] = any_columns();
    Eigen::VectorXd weights(x.size());
    for (double& w : weights) w = *rc::gen::inRange(0, 4);
    const auto total = static_cast<Index>(weights.sum());
    Eigen::VectorXd x_expanded(total);
    Eigen::VectorXd y_expanded(total);
    Index row = 0;
    for (Index i = 0; i < x.size(); ++i)
      for (double copy = 0; copy < weights[i]; ++copy) {
        x_expanded[row] = x[i];
        y_expanded[row++] = y[i];
      }
    const ExactOptions asymptotic{.test = ExactTest::no};
    const auto check = [](const auto& weighted, const auto& expanded) {
      RC_ASSERT(same(weighted.estimate, expanded.estimate));
      if (std::abs(weighted.estimate) > 1 - 1e-9) return;  // p is too steep there to compare
      RC_ASSERT(same(weighted.p_value, expanded.p_value, 1e-9));
      RC_ASSERT(same(weighted.ci.lower, expanded.ci.lower, 1e-7));
      RC_ASSERT(weighted.n == expanded.n);
    };
    if (total < 2) return;
    check(weighted_pearson_correlation(x, y, weights), pearson_correlation(x_expanded, y_expanded));
    check(weighted_spearman_correlation(x, y, weights),
          spearman_correlation(x_expanded, y_expanded, {.exact = asymptotic}));
    check(weighted_kendall_tau(x, y, weights),
          kendall_tau(x_expanded, y_expanded, {.exact = asymptotic}));
  }));
}

TEST(CorrelationProperties, InfinityIsRefused) {
  const Eigen::VectorXd x{{1, 2, 3, 4, 5, 6}};
  Eigen::VectorXd y = x;
  for (const double sign : {1.0, -1.0}) {
    y[2] = sign * std::numeric_limits<double>::infinity();
    for (const Coefficient& c : coefficients()) {
      EXPECT_THROW((void)c.of(x, y), InvalidArgument) << c.name;
      EXPECT_THROW((void)c.of(y, x), InvalidArgument) << c.name;
    }
  }
}

TEST(CorrelationProperties, TinySamplesAreUndefinedNotWrong) {
  for (const Index n : {0, 1})
    for (const Coefficient& c : coefficients()) {
      const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(n, 1, 1);
      EXPECT_TRUE(std::isnan(c.of(x, x).estimate)) << c.name;
      EXPECT_TRUE(std::isnan(c.of(x, x).p_value)) << c.name;
    }
}

}  // namespace
}  // namespace rapport
