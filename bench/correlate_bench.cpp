#include <rapport/base/random.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/correlate/weighted_tau.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

/// The work of the table in docs/correlation.md, on one thread; peers/correlate_peers.{py,R} do the
/// same work.
namespace rapport {
namespace {

struct Columns {
  Eigen::VectorXd x;
  Eigen::VectorXd y;
};

/// Normal, correlated .45; `scale` > 0 rounds to whole numbers of scale·value (2: about 15 and 17
/// distinct).
Columns columns(Index n, double scale) {
  RandomStream stream(Seed{1}, 0);
  Columns c{.x = Eigen::VectorXd(n), .y = Eigen::VectorXd(n)};
  for (Index i = 0; i < n; ++i) {
    c.x[i] = stream.normal();
    c.y[i] = 0.5 * c.x[i] + stream.normal();
  }
  if (scale > 0) {
    c.x = (scale * c.x.array()).round();
    c.y = (scale * c.y.array()).round();
  }
  return c;
}

/// Columns that share a normal factor.
Eigen::MatrixXd matrix(Index rows, Index k) {
  RandomStream stream(Seed{2}, 0);
  Eigen::MatrixXd data(rows, k);
  for (Index i = 0; i < rows; ++i) {
    const double shared = stream.normal();
    for (Index j = 0; j < k; ++j) data(i, j) = shared + stream.normal();
  }
  return data;
}

constexpr ExactOptions asymptotic{.test = ExactTest::no};

void kendall_test(benchmark::State& state) {
  const Columns c = columns(state.range(0), 0);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        kendall_tau(c.x, c.y, {.exact = asymptotic, .interval = false}).p_value);
  state.SetComplexityN(state.range(0));
}
BENCHMARK(kendall_test)
    ->RangeMultiplier(10)
    ->Range(1000, 1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oNLogN);

void kendall_test_and_interval(benchmark::State& state) {
  const Columns c = columns(state.range(0), 0);
  for (auto _ : state)
    benchmark::DoNotOptimize(kendall_tau(c.x, c.y, {.exact = asymptotic}).ci.lower);
}
BENCHMARK(kendall_test_and_interval)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void kendall_test_15_values(benchmark::State& state) {
  const Columns c = columns(state.range(0), 2);
  for (auto _ : state)
    benchmark::DoNotOptimize(kendall_tau(c.x, c.y, {.exact = asymptotic}).p_value);
}
BENCHMARK(kendall_test_15_values)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void spearman_test(benchmark::State& state) {
  const Columns c = columns(state.range(0), 0);
  for (auto _ : state)
    benchmark::DoNotOptimize(spearman_correlation(c.x, c.y, {.exact = asymptotic}).p_value);
}
BENCHMARK(spearman_test)
    ->RangeMultiplier(10)
    ->Range(1000, 1'000'000)
    ->Unit(benchmark::kMillisecond);

void spearman_test_ties(benchmark::State& state) {
  const Columns c = columns(state.range(0), 2);
  for (auto _ : state)
    benchmark::DoNotOptimize(spearman_correlation(c.x, c.y, {.exact = asymptotic}).p_value);
}
BENCHMARK(spearman_test_ties)->Arg(100'000)->Unit(benchmark::kMillisecond);

void kendall_matrix(benchmark::State& state) {
  const Eigen::MatrixXd data = matrix(10'000, state.range(0));
  const auto threads = static_cast<int>(state.range(1));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        correlation_estimates(data, CorrelationMethod::kendall, threads).sum());
}
BENCHMARK(kendall_matrix)->Args({25, 1})->Args({200, 1})->Unit(benchmark::kMillisecond);
BENCHMARK(kendall_matrix)->Args({200, 4})->Unit(benchmark::kMillisecond)->UseRealTime();

void spearman_matrix(benchmark::State& state) {
  const Eigen::MatrixXd data = matrix(10'000, state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(correlation_estimates(data, CorrelationMethod::spearman).sum());
}
BENCHMARK(spearman_matrix)->Arg(200)->Unit(benchmark::kMillisecond);

void spearman_matrix_holm(benchmark::State& state) {
  const Eigen::MatrixXd data = matrix(10'000, state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        correlation_matrix(data, {.method = CorrelationMethod::spearman}).p_adjusted(0, 1));
}
BENCHMARK(spearman_matrix_holm)->Arg(200)->Unit(benchmark::kMillisecond);

void weighted_tau_both(benchmark::State& state) {
  const Columns c = columns(state.range(0), 0);
  for (auto _ : state) benchmark::DoNotOptimize(weighted_tau(c.x, c.y).estimate);
}
BENCHMARK(weighted_tau_both)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void hoeffding(benchmark::State& state) {
  const Columns c = columns(state.range(0), 0);
  for (auto _ : state) benchmark::DoNotOptimize(hoeffding_d(c.x, c.y).estimate);
}
BENCHMARK(hoeffding)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void somers_d_ties(benchmark::State& state) {
  const Columns c = columns(state.range(0), 2);
  for (auto _ : state) benchmark::DoNotOptimize(somers_d(c.x, c.y).p_value);
}
BENCHMARK(somers_d_ties)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void repeated_measures(benchmark::State& state) {
  const Columns c = columns(10'000, 0);
  ClusterCodes person;
  for (std::int32_t i = 0; i < 10'000; ++i) person.push_back(i / 20);
  for (auto _ : state)
    benchmark::DoNotOptimize(repeated_measures_correlation(c.x, c.y, person).p_value);
}
BENCHMARK(repeated_measures)->Unit(benchmark::kMicrosecond);

/// 25 six-point items of 2800 persons with five factors, as long and wide as psych's bfi;
/// RAPPORT_BENCH_ITEMS names a CSV of real items to take instead (numbers, empty where missing).
Eigen::MatrixXd items() {
  if (const char* path = std::getenv("RAPPORT_BENCH_ITEMS")) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    std::vector<double> values;
    Index columns = 0;
    Index rows = 0;
    while (std::getline(in, line)) {
      std::istringstream cells(line + ",");
      columns = 0;
      for (std::string cell; std::getline(cells, cell, ',') && columns < 25; ++columns)
        values.push_back(cell.empty() || cell == "NA" ? missing : std::stod(cell));
      ++rows;
    }
    return Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
        values.data(), rows, columns);
  }
  RandomStream stream(Seed{3}, 0);
  Eigen::MatrixXd data(2800, 25);
  for (Index i = 0; i < data.rows(); ++i)
    for (Index f = 0; f < 5; ++f) {
      const double factor = stream.normal();
      for (Index j = 0; j < 5; ++j)
        data(i, 5 * f + j) = std::clamp(std::round(1.2 * (factor + stream.normal()) + 4), 1.0, 6.0);
    }
  return data;
}

void polychoric_25_items(benchmark::State& state) {
  const Eigen::MatrixXd data = items();
  for (auto _ : state) benchmark::DoNotOptimize(polychoric_matrix(data).sum());
}
BENCHMARK(polychoric_25_items)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rapport
