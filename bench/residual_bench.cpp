#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/location_scale.hpp>
#include <rapport/mixed/residual.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

/// The work of bench/peers/residual.R.
namespace {

using rapport::Criterion;
using rapport::Design;
using rapport::Index;
using rapport::ResidualCorrelation;
using rapport::ResidualFit;
using rapport::ResidualStructure;
using rapport::Table;

struct Panel {
  Design design;
  ResidualStructure structure;
};

/// 1000 patients of `sessions` or fewer: y ~ session + arm + x + (1 + session | patient) with AR(1)
/// errors. With dropout, patients have 3 to 17 sessions.
Panel panel(bool dropout) {
  constexpr Index patients = 1000;
  rapport::RandomStream stream(rapport::Seed{1}, 0);
  std::vector<Index> length;
  Index n = 0;
  for (Index p = 0; p < patients; ++p) {
    length.push_back(dropout ? 3 + static_cast<Index>(15 * stream.uniform()) : 10);
    n += length.back();
  }
  Panel result;
  Design& d = result.design;
  d.response.resize(n);
  d.fixed = Eigen::MatrixXd::Ones(n, 4);
  d.fixed_terms = {"(Intercept)", "session", "arm", "x"};
  rapport::RandomTerm term;
  term.factor = "patient";
  term.terms = {"(Intercept)", "session"};
  result.structure.correlation = ResidualCorrelation::ar1;
  result.structure.time.resize(n);
  Index row = 0;
  for (Index p = 0; p < patients; ++p) {
    term.levels.push_back(std::to_string(p));
    const double u = stream.normal();
    const double v = 0.3 * stream.normal();
    double error = stream.normal() / std::sqrt(0.75);
    for (Index s = 0; s < length[static_cast<std::size_t>(p)]; ++s, ++row) {
      const double time = static_cast<double>(s) - 4.5;
      d.fixed.row(row) << 1, time, static_cast<double>(p % 2), stream.normal();
      d.response[row] =
          0.1 * time + 0.3 * d.fixed(row, 2) + 0.5 * d.fixed(row, 3) + u + v * time + error;
      result.structure.time[row] = static_cast<double>(s);
      term.group.push_back(static_cast<std::int32_t>(p));
      error = 0.5 * error + stream.normal();
    }
  }
  term.columns = d.fixed.leftCols(2);
  result.structure.group = term.group;
  d.random.push_back(std::move(term));
  return result;
}

void fit(benchmark::State& state, const Design& design, const ResidualStructure& structure) {
  Index evaluations = 0;
  for (auto _ : state) {
    const ResidualFit fit = rapport::fit_residual_model(design, structure);
    evaluations = fit.fit.optimizer.evaluations;
    benchmark::DoNotOptimize(fit);
  }
  state.counters["evaluations"] = static_cast<double>(evaluations);
}

void ar1_slope(benchmark::State& state) {
  const Panel p = panel(state.range(0) == 1);
  fit(state, p.design, p.structure);
}
BENCHMARK(ar1_slope)->ArgName("dropout")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

/// log residual variance ~ session + arm, of the same panel: without and with a random intercept.
rapport::ScaleModel scale_of(const Design& design) {
  rapport::ScaleModel scale{
      .factor = "patient", .group = design.random[0].group, .levels = design.random[0].levels};
  scale.effects.terms = {"session", "arm"};
  scale.effects.columns = design.fixed.middleCols(1, 2);
  return scale;
}
void scale_fixed(benchmark::State& state) {
  const Panel p = panel(false);
  fit(state, p.design, {.variance = log_linear_variance(scale_of(p.design).effects)});
}
BENCHMARK(scale_fixed)->Unit(benchmark::kMillisecond);
void scale_random(benchmark::State& state) {
  const Panel p = panel(false);
  const rapport::ScaleModel scale = scale_of(p.design);
  for (auto _ : state) benchmark::DoNotOptimize(rapport::fit_location_scale_model(p.design, scale));
}
BENCHMARK(scale_random)->Unit(benchmark::kMillisecond);

void alliance(benchmark::State& state, const std::string& random) {
  Table table = rapport::read_csv(RAPPORT_BENCH_DATA "/alliance/simulated_panel.csv");
  const rapport::Formula formula = rapport::parse_formula(
      "phq9 ~ session * within(wai_client, patient) + between(wai_client, patient) + treatment + " +
      random);
  const Design design = rapport::make_design(formula, table);
  const ResidualStructure structure{.correlation = ResidualCorrelation::ar1,
                                    .time = table.numbers("session")(design.rows),
                                    .group = select(table.factor("patient"), design.rows).codes};
  fit(state, design, structure);
}
void ar1_two_levels(benchmark::State& state) { alliance(state, "(session | patient)"); }
BENCHMARK(ar1_two_levels)->Unit(benchmark::kMillisecond);
void ar1_three_levels(benchmark::State& state) {
  alliance(state, "(1 | therapist) + (session | patient)");
}
BENCHMARK(ar1_three_levels)->Unit(benchmark::kMillisecond);

/// Beat the Blues: four months, two thirds of the patients complete.
void unstructured(benchmark::State& state) {
  Table table = rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/btheb_long.csv");
  const Design design = rapport::make_design(
      rapport::parse_formula("bdi ~ bdi_pre + factor(month) * treatment + drug + length"), table);
  table.set("subject", rapport::make_factor(table.numbers("subject")));
  const ResidualStructure structure{.correlation = ResidualCorrelation::unstructured,
                                    .time = table.numbers("month")(design.rows),
                                    .group = select(table.factor("subject"), design.rows).codes};
  fit(state, design, structure);
}
BENCHMARK(unstructured)->Unit(benchmark::kMillisecond);

}  // namespace
