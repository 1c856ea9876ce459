// Times the work of the agreement room; peers' times on the same work come from
// peers/agree_peers.R.
#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/congruence.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/agree/krippendorff.hpp>
#include <rapport/agree/within_group.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>

#include <benchmark/benchmark.h>

#include <cmath>

namespace {

using namespace rapport;

/// Raters who see the true category of five with probability 0.6 and guess otherwise.
Eigen::MatrixXi codes(Index subjects, Index raters) {
  RandomStream stream(Seed{2}, 0);
  Eigen::MatrixXi result(subjects, raters);
  for (Index i = 0; i < subjects; ++i) {
    const Index truth = stream.below(5);
    for (Index j = 0; j < raters; ++j)
      result(i, j) = static_cast<int>(stream.uniform() < 0.6 ? truth : stream.below(5));
  }
  return result;
}

Eigen::MatrixXd scores(Index subjects, Index raters) {
  RandomStream stream(Seed{3}, 0);
  Eigen::MatrixXd result(subjects, raters);
  for (Index i = 0; i < subjects; ++i) {
    const double truth = stream.normal();
    for (Index j = 0; j < raters; ++j) result(i, j) = truth + stream.normal();
  }
  return result;
}

Eigen::MatrixXd quadratic() { return agreement_weights(AgreementWeights::quadratic, 5); }

void weighted_kappa(benchmark::State& state) {
  const Eigen::MatrixXi x = codes(state.range(0), 2);
  const Eigen::MatrixXd weights = quadratic();
  for (auto _ : state) benchmark::DoNotOptimize(cohen_kappa(x.col(0), x.col(1), weights).estimate);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(weighted_kappa)
    ->RangeMultiplier(10)
    ->Range(10000, 1000000)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMicrosecond);

void fleiss(benchmark::State& state) {
  const Eigen::MatrixXi x = codes(state.range(0), 6);
  const Eigen::MatrixXd weights = Eigen::MatrixXd::Identity(5, 5);
  for (auto _ : state) benchmark::DoNotOptimize(fleiss_kappa(x, weights).estimate);
}
BENCHMARK(fleiss)->Arg(100000)->Unit(benchmark::kMicrosecond);

void gwet_ac2(benchmark::State& state) {
  const Eigen::MatrixXi x = codes(state.range(0), 2);
  const Eigen::MatrixXd weights = quadratic();
  for (auto _ : state) benchmark::DoNotOptimize(gwet_ac(x, weights).estimate);
}
BENCHMARK(gwet_ac2)->Arg(100000)->Unit(benchmark::kMicrosecond);

void alpha_nominal(benchmark::State& state) {
  const Eigen::MatrixXd x = codes(state.range(0), 10).cast<double>();
  for (auto _ : state) benchmark::DoNotOptimize(krippendorff_alpha(x, Metric::nominal).estimate);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(alpha_nominal)
    ->RangeMultiplier(10)
    ->Range(1000, 100000)
    ->Complexity(benchmark::oN)
    ->Unit(benchmark::kMicrosecond);

void alpha_continuous_interval(benchmark::State& state) {
  const Eigen::MatrixXd x = scores(state.range(0), 5);
  for (auto _ : state) benchmark::DoNotOptimize(krippendorff_alpha(x, Metric::interval).estimate);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(alpha_continuous_interval)
    ->RangeMultiplier(10)
    ->Range(1000, 100000)
    ->Complexity(benchmark::oNLogN)
    ->Unit(benchmark::kMicrosecond);

void icc_all_forms(benchmark::State& state) {
  const Eigen::MatrixXd x = scores(2000, 4);
  for (auto _ : state) benchmark::DoNotOptimize(intraclass_correlation(x).forms[1].estimate);
}
BENCHMARK(icc_all_forms)->Unit(benchmark::kMicrosecond);

void icc_missing(benchmark::State& state) {
  Eigen::MatrixXd x = scores(2000, 4);
  for (Index i = 0; i < 400; ++i) x(5 * i, i % 4) = missing;
  for (auto _ : state) benchmark::DoNotOptimize(intraclass_correlation(x).forms[1].estimate);
}
BENCHMARK(icc_missing)->Unit(benchmark::kMicrosecond);

void icc_bootstrap_1000(benchmark::State& state) {
  const Eigen::MatrixXd x = scores(200, 4);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        icc_bootstrap(x, IccModel::two_way_random, IccType::agreement, IccUnit::single, Seed{1},
                      {.replicates = 1000, .interval = BootstrapInterval::percentile})
            .standard_error);
}
BENCHMARK(icc_bootstrap_1000)->Unit(benchmark::kMicrosecond);

void alpha_bootstrap_1000(benchmark::State& state) {
  const Eigen::MatrixXd x = scores(200, 4).array().round();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        krippendorff_bootstrap(x, Metric::interval, Seed{1},
                               {.replicates = 1000, .interval = BootstrapInterval::percentile})
            .standard_error);
}
BENCHMARK(alpha_bootstrap_1000)->Unit(benchmark::kMicrosecond);

/// 7382 members of 99 groups, as in Bliese & Halverson (1996).
void within_groups(benchmark::State& state) {
  constexpr Index members = 7382;
  RandomStream stream(Seed{4}, 0);
  Eigen::MatrixXd item(members, 1);
  Factor group;
  for (int g = 0; g < 99; ++g) group.levels.push_back(std::to_string(g + 1));
  for (Index i = 0; i < members; ++i) {
    group.codes.push_back(static_cast<std::int32_t>(i * 99 / members));
    item(i, 0) = std::round(3 + stream.normal());
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(within_group_rwg(item, group, {.null_variance = 2}).mean);
    benchmark::DoNotOptimize(group_icc(item, group).icc1);
  }
}
BENCHMARK(within_groups)->Unit(benchmark::kMicrosecond);

void surface(benchmark::State& state) {
  const Eigen::MatrixXd x = scores(84, 3);
  for (auto _ : state)
    benchmark::DoNotOptimize(response_surface(x.col(0), x.col(1), x.col(2)).stationary_x);
}
BENCHMARK(surface)->Unit(benchmark::kMicrosecond);

}  // namespace
