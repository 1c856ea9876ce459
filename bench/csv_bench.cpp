#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>

#include <benchmark/benchmark.h>

#include <string>

namespace rapport {
namespace {

/// Rows of twelve numbers with up to four decimals, as questionnaires and scores give them.
std::string numeric_text(Index rows) {
  RandomStream random(Seed{1}, 0);
  std::string text = "a,b,c,d,e,f,g,h,i,j,k,l\n";
  for (Index i = 0; i < rows; ++i)
    for (int j = 0; j < 12; ++j) {
      const double value =
          static_cast<double>(random.below(10'000'000)) / (j < 6 ? 10'000 : 1'000'000);
      text += shortest_decimal(value);
      text += j < 11 ? ',' : '\n';
    }
  return text;
}

/// The same with a patient's code and a treatment before the numbers.
std::string mixed_text(Index rows) {
  std::string text = "patient,treatment,session,wai,phq9,sat\n";
  RandomStream random(Seed{2}, 0);
  for (Index i = 0; i < rows; ++i) {
    text += "P" + std::to_string(i / 10) + (i % 20 < 10 ? ",CBT," : ",TAU,") +
            std::to_string(i % 10 + 1);
    for (int j = 0; j < 3; ++j)
      text += "," + shortest_decimal(static_cast<double>(random.below(1000)) / 100);
    text += '\n';
  }
  return text;
}

void parse(benchmark::State& state, const std::string& text) {
  for (auto _ : state) benchmark::DoNotOptimize(parse_csv(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void numeric(benchmark::State& state) { parse(state, numeric_text(state.range(0))); }
void mixed(benchmark::State& state) { parse(state, mixed_text(state.range(0))); }

BENCHMARK(numeric)
    ->Name("parse_csv/numeric")
    ->Arg(1'000)
    ->Arg(100'000)
    ->Arg(500'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(mixed)->Name("parse_csv/panel")->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rapport
