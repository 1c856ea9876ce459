#include <rapport/base/random.hpp>
#include <rapport/mixed/design.hpp>

#include <benchmark/benchmark.h>

namespace rapport {
namespace {

const char* const formula =
    "phq9 ~ session * alliance_within + alliance_between + (1 + session | patient)";

/// Patients of ten sessions, in order.
Table panel(Index rows) {
  RandomStream stream(Seed{1}, 0);
  Eigen::VectorXd outcome(rows), session(rows), within(rows), between(rows), patient(rows);
  for (Index i = 0; i < rows; ++i) {
    session[i] = static_cast<double>(i % 10);
    patient[i] = static_cast<double>(i / 10);
    within[i] = stream.normal();
    between[i] = i % 10 == 0 ? stream.normal() : between[i - 1];
    outcome[i] = stream.normal() - session[i];
  }
  Table table;
  table.add("phq9", outcome);
  table.add("session", session);
  table.add("alliance_within", within);
  table.add("alliance_between", between);
  table.add("patient", patient);
  return table;
}

void parse(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(parse_formula(formula));
}
BENCHMARK(parse);

void make(benchmark::State& state) {
  const Table table = panel(state.range(0));
  const Formula parsed = parse_formula(formula);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(make_design(parsed, table));
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetComplexityN(state.range(0));
}
BENCHMARK(make)
    ->RangeMultiplier(10)
    ->Range(1000, 1000000)
    ->Unit(benchmark::kMicrosecond)
    ->Complexity(benchmark::oN);

}  // namespace
}  // namespace rapport
