#include <rapport/base/random.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/omega.hpp>
#include <rapport/score/reliability.hpp>
#include <rapport/score/screening.hpp>

#include <gtest/gtest.h>

#include "validation.hpp"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace rapport {
namespace {

using validation::monte_carlo_error;
using validation::replicates;

/// n × k normal answers with one factor.
Eigen::MatrixXd latent_answers(Index n, Index k, double loading, RandomStream& stream) {
  Eigen::MatrixXd x(n, k);
  for (Index i = 0; i < n; ++i) {
    const double factor = stream.normal();
    for (Index j = 0; j < k; ++j)
      x(i, j) = loading * factor + std::sqrt(1 - loading * loading) * stream.normal();
  }
  return x;
}

/// Honest answers on the instrument's range: one factor, the reversed items answered the other way
/// round.
Eigen::MatrixXd honest_answers(const Instrument& key, Index n, double loading,
                               RandomStream& stream) {
  const double middle = (key.lower + key.upper) / 2;
  const double spread = (key.upper - key.lower) / 5;
  const Eigen::MatrixXd latent = latent_answers(n, key.items, loading, stream);
  const Eigen::MatrixXd answers =
      (middle + spread * latent.array()).round().cwiseMax(key.lower).cwiseMin(key.upper).matrix();
  return keyed_responses(key, answers);
}

/// Share of honest files of `n` rows in which each kind is reported.
std::map<FindingKind, double> false_alarms(const char* name, Index n, double loading, Index runs) {
  const Instrument key = find_instrument(name);
  std::map<FindingKind, double> share;
  for (Index run = 0; run < runs; ++run) {
    RandomStream stream(Seed{4}, static_cast<std::uint64_t>(run));
    const Eigen::MatrixXd answers = honest_answers(key, n, loading, stream);
    const Eigen::VectorXd total = score_scale(key, answers).total;
    const Eigen::MatrixXd other = honest_answers(key, n, loading, stream);
    for (const Finding& finding :
         screen_responses(key, answers,
                          {.supplied = {{.column = "total", .subscale = -1, .values = total}},
                          .other_rater = other}))
      share[finding.kind] += 1 / static_cast<double>(runs);
  }
  for (const auto& [kind, rate] : share)
    std::printf("  %-18s n = %3d loading %.1f  %-22s %.4f\n", name, static_cast<int>(n), loading,
                std::string(to_text(kind)).c_str(), rate);
  return share;
}

/// The rates that docs/screen.md states.
TEST(ScoreValidation, FalseAlarmsOfScreening) {
  const Index runs = replicates(60);
  for (const char* name : {"wai-36", "wai-s", "haq-ii", "rri-c", "core-om", "shs"})
    for (const Index n : {30, 100, 300}) {
      const std::map<FindingKind, double> share = false_alarms(name, n, 0.6, runs);
      for (const auto& [kind, rate] : share) {
        // four items: equal rows are common, and listed all the same
        const bool by_chance =
            std::string(name) == "shs" && kind == FindingKind::duplicate_responses;
        const double stated = by_chance ? 1 : 0.02;
        EXPECT_LE(rate, stated + 4 * monte_carlo_error(0.02, runs))
            << name << ' ' << n << ' ' << to_text(kind);
      }
    }
}

/// Items that measure next to nothing: the worst case for the check of reversals.
TEST(ScoreValidation, FalseAlarmsOfWeakItems) {
  const Index runs = replicates(60);
  for (const Index n : {30, 100, 300}) {
    const std::map<FindingKind, double> share = false_alarms("wai-s", n, 0.3, runs);
    const auto at = share.find(FindingKind::negative_item_rest);
    EXPECT_LE(at == share.end() ? 0 : at->second, 0.02 + 4 * monte_carlo_error(0.02, runs)) << n;
  }
}

/// Feldt's interval is exact for tau-equivalent normal items; the others come near.
TEST(ScoreValidation, CoverageOfReliability) {
  const Index runs = replicates(200);
  for (const Index n : {30, 100}) {
    constexpr Index k = 6;
    constexpr double loading = 0.6;
    constexpr double truth = 36 * 0.36 / (36 * 0.36 + 6 * 0.64);
    std::map<std::string, double> covered;
    for (Index run = 0; run < runs; ++run) {
      RandomStream stream(Seed{5}, static_cast<std::uint64_t>(run));
      const Eigen::MatrixXd x = latent_answers(n, k, loading, stream);
      const auto note = [&](const char* method, const ConfidenceInterval& ci) {
        covered[method] +=
            ci.lower <= truth && truth <= ci.upper ? 1 / static_cast<double>(runs) : 0;
      };
      note("feldt", cronbach_alpha(x).ci);
      note("asymptotic", cronbach_alpha(x, {.interval = AlphaInterval::asymptotic}).ci);
      note("distribution-free",
           cronbach_alpha(x, {.interval = AlphaInterval::distribution_free}).ci);
      note("omega", omega_total(x).ci);
    }
    for (const auto& [method, share] : covered)
      std::printf("  n = %3d  %-18s %.4f\n", static_cast<int>(n), method.c_str(), share);
    const double error = monte_carlo_error(0.95, runs);
    EXPECT_NEAR(covered["feldt"], 0.95, 4 * error) << n;
    EXPECT_NEAR(covered["asymptotic"], 0.95, 0.04 + 4 * error) << n;
    EXPECT_NEAR(covered["distribution-free"], 0.95, 0.05 + 4 * error) << n;
    EXPECT_NEAR(covered["omega"], 0.95, 0.04 + 4 * error) << n;
  }
}

}  // namespace
}  // namespace rapport
