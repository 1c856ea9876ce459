#include <rapport/alliance/meta.hpp>
#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

namespace {

using namespace rapport;

std::string path(const char* file) { return std::string(RAPPORT_BENCH_DATA) + "/meta/" + file; }

MetaData bcg() {
  Table table = read_csv(path("bcg.csv"));
  let(table, "yi = log((tpos / (tpos + tneg)) / (cpos / (cpos + cneg)))");
  let(table, "vi = 1 / tpos - 1 / (tpos + tneg) + 1 / cpos - 1 / (cpos + cneg)");
  return make_meta_data(table, {.effect = "yi", .variance = "vi"});
}

MetaData assink() {
  return make_meta_data(read_csv(path("assink2016.csv")),
                        {.effect = "yi", .variance = "vi", .study = "study", .effect_id = "esid"});
}

/// Studies of one to five effects.
MetaData simulated(Index studies) {
  RandomStream stream(Seed{1}, 0);
  std::vector<double> y, v;
  MetaData data;
  for (Index s = 0; s < studies; ++s) {
    const double study = 0.3 + 0.2 * stream.normal();
    for (Index e = 0; e <= stream.below(5); ++e) {
      v.push_back(0.005 + 0.05 * stream.uniform());
      y.push_back(study + 0.15 * stream.normal() + std::sqrt(v.back()) * stream.normal());
      data.study.push_back(static_cast<std::int32_t>(s));
    }
  }
  data.effect = Eigen::Map<Eigen::VectorXd>(y.data(), static_cast<Index>(y.size()));
  data.variance = Eigen::Map<Eigen::VectorXd>(v.data(), static_cast<Index>(v.size()));
  return data;
}

void random_effects(benchmark::State& state) {
  const MetaData data = bcg();
  for (auto _ : state) benchmark::DoNotOptimize(fit_meta(data));
}
BENCHMARK(random_effects);

void three_levels(benchmark::State& state) {
  const MetaData data = assink();
  for (auto _ : state) benchmark::DoNotOptimize(fit_meta(data));
}
BENCHMARK(three_levels);

void three_levels_robust(benchmark::State& state) {
  const MetaData data = assink();
  const MetaFit fit = fit_meta(data);
  for (auto _ : state) benchmark::DoNotOptimize(robust_coefficients(data, fit));
}
BENCHMARK(three_levels_robust);

void three_levels_of_size(benchmark::State& state) {
  const MetaData data = simulated(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(fit_meta(data));
  state.SetComplexityN(state.range(0));
}
BENCHMARK(three_levels_of_size)
    ->RangeMultiplier(4)
    ->Range(64, 16384)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMicrosecond);

void thousand_bootstraps(benchmark::State& state) {
  const MetaData data = simulated(300);
  const BootstrapOptions options{.replicates = 1000, .interval = BootstrapInterval::percentile};
  for (auto _ : state) benchmark::DoNotOptimize(bootstrap_meta(data, Seed{1}, {}, options));
}
BENCHMARK(thousand_bootstraps)->Unit(benchmark::kMillisecond);

}  // namespace
