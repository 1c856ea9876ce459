#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/ranks.hpp>

#include <benchmark/benchmark.h>

namespace {

using rapport::Index;

Eigen::VectorXd continuous(Index n) {
  rapport::RandomStream stream(rapport::Seed{1}, 0);
  Eigen::VectorXd x(n);
  for (double& value : x) value = stream.normal();
  return x;
}

Eigen::VectorXd likert(Index n) {
  rapport::RandomStream stream(rapport::Seed{1}, 0);
  Eigen::VectorXd x(n);
  for (double& value : x) value = static_cast<double>(1 + stream.below(7));
  return x;
}

void midranks_continuous(benchmark::State& state) {
  const Eigen::VectorXd x = continuous(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(rapport::midranks(x));
  state.SetComplexityN(state.range(0));
}
BENCHMARK(midranks_continuous)->Range(1 << 5, 1 << 20)->Complexity(benchmark::oN);

void midranks_likert(benchmark::State& state) {
  const Eigen::VectorXd x = likert(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(rapport::midranks(x));
  state.SetComplexityN(state.range(0));
}
BENCHMARK(midranks_likert)->Range(1 << 5, 1 << 20)->Complexity(benchmark::oN);

void moments(benchmark::State& state) {
  const Eigen::VectorXd x = continuous(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(rapport::moments(x));
}
BENCHMARK(moments)->Arg(1 << 10)->Arg(1 << 20);

void students_t_tail(benchmark::State& state) {
  double x = 0;
  for (auto _ : state) benchmark::DoNotOptimize(rapport::students_t_upper_tail(x += 1e-6, 17.3));
}
BENCHMARK(students_t_tail);

void students_t_quantile(benchmark::State& state) {
  double p = 0.5;
  for (auto _ : state) benchmark::DoNotOptimize(rapport::students_t_quantile(p += 1e-9, 17.3));
}
BENCHMARK(students_t_quantile);

void bivariate_normal_cdf(benchmark::State& state) {
  const double correlation = 0.1 * static_cast<double>(state.range(0));
  double x = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(rapport::bivariate_normal_cdf(x += 1e-9, 0.7, correlation));
}
BENCHMARK(bivariate_normal_cdf)->Arg(2)->Arg(6)->Arg(9);

void studentized_range_upper_tail(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(rapport::studentized_range_upper_tail(3.5, 4, 20));
}
BENCHMARK(studentized_range_upper_tail)->Unit(benchmark::kMicrosecond);

}  // namespace
