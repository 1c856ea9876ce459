#include <rapport/base/error.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/rank_biserial.hpp>

#include <gtest/gtest.h>

#include "support/rank_oracles.hpp"

namespace rapport {
namespace {

using oracle::simulated_column;

const std::map<std::string, double>& peers() {
  static const std::map<std::string, double> values = oracle::peer_values("peers_r.csv");
  return values;
}

TEST(Xi, AgreesWithTheDefinition) {
  const auto python = oracle::peer_values("peers_python.csv");
  const auto untied = chatterjee_xi(simulated_column("x"), simulated_column("y"));
  EXPECT_NEAR(untied.estimate, python.at("xi.untied"), 1e-14);
  EXPECT_NEAR(untied.standard_error, std::sqrt(0.4 / 60), 1e-15);
  EXPECT_NEAR(chatterjee_xi(simulated_column("x"), simulated_column("yt")).estimate,
              python.at("xi.y_tied"), 1e-14);
}

TEST(Xi, TiesInXAreTheMeanOfRandomBreaks) {
  // 40 000 random orders, each with a spread below 0.1: the mean has an error below 5e-4.
  const auto python = oracle::peer_values("peers_python.csv");
  EXPECT_NEAR(chatterjee_xi(simulated_column("xt"), simulated_column("yt")).estimate,
              python.at("xi.x_tied.mean_of_random_breaks"), 2e-3);
}

TEST(Xi, NullMomentsWithTiesInXAreThoseOfAllPermutations) {
  const Eigen::VectorXd x{{1, 1, 2, 3, 3, 3, 4}};
  for (const Eigen::VectorXd& y :
       {Eigen::VectorXd{{3, 1, 2, 7, 5, 6, 4}}, Eigen::VectorXd{{1, 1, 2, 3, 2, 2, 3}}}) {
    std::vector<Index> order = {0, 1, 2, 3, 4, 5, 6};
    double sum = 0;
    double squares = 0;
    double all = 0;
    do {
      Eigen::VectorXd shuffled(7);
      for (Index i = 0; i < 7; ++i) shuffled[i] = y[order[static_cast<std::size_t>(i)]];
      const double xi = chatterjee_xi(x, shuffled).estimate;
      sum += xi;
      squares += xi * xi;
      all += 1;
    } while (std::ranges::next_permutation(order).found);
    const auto found = chatterjee_xi(x, y);
    EXPECT_NEAR(found.standard_error, std::sqrt(squares / all - sum * sum / (all * all)), 1e-13);
    EXPECT_NEAR(found.statistic, (found.estimate - sum / all) / found.standard_error, 1e-11);
  }
}

TEST(Xi, OfAFunctionTendsToOne) {
  RandomStream stream(Seed{31}, 0);
  const Eigen::VectorXd x = oracle::random_values(stream, 2000, 0);
  const Eigen::VectorXd y = x.array().square();
  EXPECT_GT(chatterjee_xi(x, y).estimate, 0.98);
  EXPECT_LT(chatterjee_xi(y, x).estimate, 0.6);
}

TEST(Hoeffding, AgreesWithHmisc) {
  EXPECT_NEAR(hoeffding_d(simulated_column("x"), simulated_column("y")).estimate,
              peers().at("hoeffding"), 1e-8);
  EXPECT_NEAR(hoeffding_d(simulated_column("xt"), simulated_column("yt")).estimate,
              peers().at("hoeffding.ties"), 1e-8);
}

// Blum, Kiefer & Rosenblatt (1961), table II: P(½π⁴ n B > 2.844) = .05 and P(> 4.230) = .01, where
// nB is our statistic.
TEST(Hoeffding, LimitReproducesPublishedTable) {
  RandomStream stream(Seed{32}, 0);
  const Eigen::VectorXd x = oracle::random_values(stream, 500, 0);
  const Eigen::VectorXd noise = oracle::random_values(stream, 500, 0);
  constexpr double half_pi4 = 97.40909103400244 / 2;
  const auto p_at = [&](double critical) {  // the dependence is raised until the statistic meets
                                            // the critical value
    double low = 0;
    double high = 1;
    CorrelationResult d;
    for (int step = 0; step < 16; ++step) {
      d = hoeffding_d(x, noise + (low + high) / 2 * x);
      (d.statistic * half_pi4 < critical ? low : high) = (low + high) / 2;
    }
    EXPECT_NEAR(d.statistic * half_pi4, critical, 0.02);
    return d.p_value;
  };
  EXPECT_NEAR(p_at(2.844), 0.05, 0.001);
  EXPECT_NEAR(p_at(4.230), 0.01, 0.0003);
}

/// The definition over all ordered fours: a(x)·a(y) with a = sign(|z1−z2| + |z3−z4| − |z1−z3| −
/// |z2−z4|). Taken on ranks, which have no rounding.
double tau_star_by_definition(const Eigen::VectorXd& values_x, const Eigen::VectorXd& values_y) {
  const Eigen::VectorXd x = oracle::midranks_by_definition(values_x);
  const Eigen::VectorXd y = oracle::midranks_by_definition(values_y);
  const auto a = [](const Eigen::VectorXd& z, Index i, Index j, Index k, Index l) {
    return oracle::sign(std::abs(z[i] - z[j]) + std::abs(z[k] - z[l]) - std::abs(z[i] - z[k]) -
                        std::abs(z[j] - z[l]));
  };
  const Index n = x.size();
  double sum = 0;
  double all = 0;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j)
      for (Index k = 0; k < n; ++k)
        for (Index l = 0; l < n; ++l) {
          if (i == j || i == k || i == l || j == k || j == l || k == l) continue;
          sum += a(x, i, j, k, l) * a(y, i, j, k, l);
          all += 1;
        }
  return sum / all;
}

TEST(BergsmaDassios, AgreesWithTheDefinition) {
  std::uint64_t replicate = 0;
  for (const Index n : {4, 5, 9, 14})
    for (const Index levels_x : {0, 2, 5})
      for (const Index levels_y : {0, 3}) {
        RandomStream stream(Seed{33}, replicate++);
        const Eigen::VectorXd x = oracle::random_values(stream, n, levels_x);
        const Eigen::VectorXd y =
            oracle::random_values(stream, n, levels_y) + (n % 2 == 0 ? 1.0 : 0.0) * x;
        EXPECT_NEAR(bergsma_dassios_tau(x, y).estimate, tau_star_by_definition(x, y), 1e-13)
            << n << ": " << levels_x << "/" << levels_y;
      }
}

TEST(BergsmaDassios, OfAMonotoneFunctionIsTwoThirds) {
  const Eigen::VectorXd x = Eigen::VectorXd::LinSpaced(30, 0, 1);
  EXPECT_NEAR(bergsma_dassios_tau(x, x.array().exp()).estimate, 2.0 / 3, 1e-14);
  EXPECT_NEAR(bergsma_dassios_tau(x, -x).estimate, 2.0 / 3, 1e-14);
}

TEST(Blomqvist, CountsQuadrants) {
  // Medians 2.5 and 5: quadrants (−,−), (−,+), (+,−), (+,+) hold 2, 0, 0, 2 and then 1, 1, 1, 1.
  EXPECT_EQ(blomqvist_beta(Eigen::VectorXd{{1, 2, 3, 4}}, Eigen::VectorXd{{2, 4, 6, 8}}).estimate,
            1);
  EXPECT_EQ(blomqvist_beta(Eigen::VectorXd{{1, 2, 3, 4}}, Eigen::VectorXd{{2, 6, 4, 8}}).estimate,
            0);
  EXPECT_EQ(blomqvist_beta(Eigen::VectorXd{{1, 2, 3}}, Eigen::VectorXd{{3, 2, 1}}).estimate,
            -1);  // the median itself aside
  EXPECT_TRUE(
      std::isnan(blomqvist_beta(Eigen::VectorXd{{1, 1, 1}}, Eigen::VectorXd{{3, 2, 1}}).estimate));
}

TEST(Cramer, AgreesWithR) {
  const auto v = cramers_v(simulated_column("xt"), simulated_column("yt"));
  EXPECT_NEAR(v.statistic, peers().at("chisq"), 1e-11);
  EXPECT_NEAR(v.p_value, peers().at("chisq.p"), 1e-13);
  EXPECT_NEAR(v.estimate, std::sqrt(v.statistic / (60 * 4)), 1e-14);
  EXPECT_LT(v.ci.lower, v.bias_corrected);
  EXPECT_GT(v.ci.upper, v.bias_corrected);
  EXPECT_EQ(cramers_v(simulated_column("xt"), simulated_column("xt")).estimate, 1);
}

Eigen::VectorXd group_values(const std::string& column, double group, Index rows) {
  const Eigen::VectorXd values = simulated_column(column).head(rows);
  const Eigen::VectorXd groups = simulated_column("group").head(rows);
  Eigen::VectorXd chosen(rows);
  Index n = 0;
  for (Index i = 0; i < rows; ++i)
    if (groups[i] == group) chosen[n++] = values[i];
  return chosen.head(n);
}

TEST(RankBiserial, AgreesWithR) {
  const std::vector<std::pair<std::string, Alternative>> sides = {
      {"two.sided", Alternative::two_sided},
      {"less", Alternative::less},
      {"greater", Alternative::greater}};
  const Eigen::VectorXd a = group_values("yt", 0, 60);
  const Eigen::VectorXd b = group_values("yt", 1, 60);
  const Eigen::VectorXd xt = simulated_column("xt");
  const Eigen::VectorXd yt = simulated_column("yt");
  for (const auto& [name, side] : sides) {
    const auto z = rank_biserial_correlation(a, b, {.alternative = side});
    EXPECT_NEAR(z.p_value, peers().at("wilcoxon.z.p." + name), 1e-13);
    EXPECT_NEAR(
        rank_biserial_correlation(a, b, {.alternative = side, .exact = {.test = ExactTest::no}})
            .p_value,
        z.p_value, 0);
    EXPECT_NEAR(rank_biserial_correlation(a, b, {.alternative = side, .continuity = true}).p_value,
                peers().at("wilcoxon.zc.p." + name), 1e-13);
    const auto exact = rank_biserial_correlation(group_values("y", 0, 40), group_values("y", 1, 40),
                                                 {.alternative = side});
    EXPECT_EQ(exact.p_value_method, PValueMethod::exact);
    EXPECT_NEAR(exact.p_value, peers().at("wilcoxon.exact.p." + name), 1e-12);
    EXPECT_NEAR(paired_rank_biserial_correlation(xt, yt, {.alternative = side}).p_value,
                peers().at("signed.z.p." + name), 1e-13);
    const auto paired = paired_rank_biserial_correlation(
        simulated_column("x").head(40), simulated_column("y").head(40), {.alternative = side});
    EXPECT_EQ(paired.p_value_method, PValueMethod::exact);
    EXPECT_NEAR(paired.p_value, peers().at("signed.exact.p." + name), 1e-12);
  }
  EXPECT_NEAR(rank_biserial_correlation(a, b, {.continuity = true}).p_value,
              peers().at("wilcoxon.zc.p.two.sided"), 1e-13);
  EXPECT_EQ(rank_biserial_correlation(a, b).u, peers().at("wilcoxon.u"));
  EXPECT_EQ(paired_rank_biserial_correlation(xt, yt).u, peers().at("signed.v"));
}

TEST(RankBiserial, IsTheBalanceOfAllComparisons) {
  const Eigen::VectorXd a = group_values("yt", 0, 60);
  const Eigen::VectorXd b = group_values("yt", 1, 60);
  double balance = 0;
  for (const double u : a)
    for (const double v : b) balance += oracle::sign(u - v);
  const auto r = rank_biserial_correlation(a, b);
  EXPECT_NEAR(r.estimate, balance / 900, 1e-15);
  EXPECT_NEAR(rank_biserial_correlation(b, a).estimate, -r.estimate, 1e-15);
  EXPECT_NEAR(rank_biserial_correlation(b, a).standard_error, r.standard_error, 1e-14);
}

TEST(RankBiserial, IsUndefinedForAnEmptyGroup) {
  EXPECT_TRUE(
      std::isnan(rank_biserial_correlation(Eigen::VectorXd(0), Eigen::VectorXd{{1, 2}}).estimate));
  EXPECT_TRUE(std::isnan(
      paired_rank_biserial_correlation(Eigen::VectorXd{{1, 2}}, Eigen::VectorXd{{1, 2}}).estimate));
  EXPECT_EQ(
      rank_biserial_correlation(Eigen::VectorXd{{1, missing}}, Eigen::VectorXd{{0, 2}}).n_omitted,
      1);
}

}  // namespace
}  // namespace rapport
