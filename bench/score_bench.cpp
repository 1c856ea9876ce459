#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/multilevel_reliability.hpp>
#include <rapport/score/omega.hpp>
#include <rapport/score/reliability.hpp>
#include <rapport/score/scoring.hpp>
#include <rapport/score/screening.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace rapport;

/// Six factors of six items each, cut to 1 … `upper`, a share of the answers missing.
Eigen::MatrixXd answers(Index n, double upper, double share_missing) {
  RandomStream stream(Seed{3}, 0);
  Eigen::MatrixXd x(n, 36);
  for (Index i = 0; i < n; ++i) {
    double factor = 0;
    for (Index j = 0; j < 36; ++j) {
      if (j % 6 == 0) factor = stream.normal();
      const double turned = j % 3 == 2 ? -1 : 1;
      const double latent = std::round((1 + upper) / 2 + 0.7 * turned * factor + stream.normal());
      x(i, j) = stream.uniform() < share_missing ? missing : std::clamp(latent, 1.0, upper);
    }
  }
  return x;
}

const Eigen::MatrixXd& million() {
  static const Eigen::MatrixXd x = answers(1'000'000, 7, 0.02);
  return x;
}

const Eigen::MatrixXd& complete_million() {
  static const Eigen::MatrixXd x = answers(1'000'000, 7, 0);
  return x;
}

/// Six subscales of six items, every third item reversed: the work of bench/peers/score.R.
Instrument six_subscales() {
  Instrument scale = make_scale(36, {.reversed = {3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36},
                                     .lower = 1,
                                     .upper = 5,
                                     .rule = ScoreRule::mean,
                                     .missing = MissingItems::available});
  for (int s = 0; s < 6; ++s) {
    Score subscale{.name = "s" + std::to_string(s + 1),
                   .items = {},
                   .rule = ScoreRule::mean,
                   .multiplier = 1,
                   .max_missing = 5,
                   .attainable = {},
                   .bands = {}};
    for (int j = 1; j <= 6; ++j) subscale.items.push_back(6 * s + j);
    scale.subscales.push_back(subscale);
  }
  return scale;
}

/// The machine's copy bandwidth on one core, in the bytes that scoring reads.
void copy(benchmark::State& state) {
  const Eigen::MatrixXd& x = million();
  Eigen::MatrixXd y(x.rows(), x.cols());
  const std::size_t bytes = static_cast<std::size_t>(x.size()) * sizeof(double);
  for (auto _ : state) {
    std::memcpy(y.data(), x.data(), bytes);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}
BENCHMARK(copy)->Unit(benchmark::kMillisecond);

void score_million(benchmark::State& state) {
  const Eigen::MatrixXd& x = million();
  const Instrument wai = find_instrument("wai-36");
  for (auto _ : state) benchmark::DoNotOptimize(score_scale(wai, x));
  state.SetBytesProcessed(x.size() * static_cast<Index>(sizeof(double)) *
                          static_cast<Index>(state.iterations()));
}
BENCHMARK(score_million)->Unit(benchmark::kMillisecond);

void alpha_million(benchmark::State& state) {
  const Eigen::MatrixXd& x = complete_million();
  for (auto _ : state) benchmark::DoNotOptimize(reliability(x));
  state.SetBytesProcessed(x.size() * static_cast<Index>(sizeof(double)) *
                          static_cast<Index>(state.iterations()));
}
BENCHMARK(alpha_million)->Unit(benchmark::kMillisecond);

void screen_hundred_thousand(benchmark::State& state) {
  const Eigen::MatrixXd x = million().topRows(100'000);
  const Instrument wai = find_instrument("wai-36");
  for (auto _ : state) benchmark::DoNotOptimize(screen_responses(wai, x));
}
BENCHMARK(screen_hundred_thousand)->Unit(benchmark::kMillisecond);

void score_hundred_thousand(benchmark::State& state) {
  const Eigen::MatrixXd x = answers(100'000, 5, 0.02);
  const Instrument scale = six_subscales();
  for (auto _ : state) benchmark::DoNotOptimize(score_scale(scale, x));
}
BENCHMARK(score_hundred_thousand)->Unit(benchmark::kMillisecond);

void alpha_hundred_thousand(benchmark::State& state) {
  const Eigen::MatrixXd x = answers(100'000, 5, state.range(0) != 0 ? 0.02 : 0);
  const ItemMissing rule = state.range(0) != 0 ? ItemMissing::pairwise : ItemMissing::listwise;
  for (auto _ : state) benchmark::DoNotOptimize(reliability(x, {.missing = rule}));
}
BENCHMARK(alpha_hundred_thousand)
    ->ArgName("pairwise")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

Table table(const std::string& file) {
  return read_csv(std::string(RAPPORT_BENCH_DATA) + "/score/" + file);
}

void multilevel_sai(benchmark::State& state) {
  const Table sai = table("sai_xray.csv");
  std::vector<std::string> items = sai.names();
  items.erase(items.begin(), items.begin() + 2);
  const Eigen::MatrixXd x = sai.matrix(items);
  const Factor person = sai.factor("id");
  const Factor time = sai.factor("time");
  for (auto _ : state) benchmark::DoNotOptimize(multilevel_reliability(x, person, time));
}
BENCHMARK(multilevel_sai)->Unit(benchmark::kMillisecond);

void omega_bfi(benchmark::State& state) {
  const Table bfi = table("bfi.csv");
  const Eigen::MatrixXd x = bfi.matrix(bfi.names());
  for (auto _ : state)
    benchmark::DoNotOptimize(
        omega_hierarchical(correlation_from_covariance(pairwise_covariance_matrix(x)), 5));
}
BENCHMARK(omega_bfi)->Unit(benchmark::kMillisecond);

}  // namespace
