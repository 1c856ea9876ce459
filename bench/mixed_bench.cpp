// Times whole fits from a table in memory (design, compression, search), and inference; peers'
// times on the same data come from peers/mixed.R. The panels are simulated like those of
// peers/mixed.R, with this library's own random numbers.
#include <rapport/data/csv.hpp>
#include <rapport/mixed/formula.hpp>
#include <rapport/mixed/inference.hpp>

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace {

using namespace rapport;

Factor codes_to_factor(std::vector<std::int32_t> codes, Index levels) {
  Factor factor;
  factor.codes = std::move(codes);
  for (Index g = 0; g < levels; ++g) factor.levels.push_back(std::to_string(g));
  return factor;
}

/// Ten sessions a patient, ten patients a therapist; real-valued times if `irregular`.
Table panel(Index rows, bool irregular) {
  RandomStream stream(Seed{1}, 0);
  const Index patients = rows / 10;
  Eigen::VectorXd session(rows), within(rows), between(rows), outcome(rows);
  std::vector<std::int32_t> patient, therapist;
  double therapist_level = 0;
  double therapist_slope = 0;
  for (Index p = 0; p < patients; ++p) {
    if (p % 10 == 0) {
      therapist_level = 0.9 * stream.normal();
      therapist_slope = 0.12 * stream.normal();
    }
    const double mean = 7 * stream.normal();
    const double z = stream.normal();
    const double level = 3.2 * z + therapist_level;
    const double slope = 0.3 * (-0.25 * z + 0.968 * stream.normal()) + therapist_slope;
    for (Index s = 0; s < 10; ++s) {
      const Index i = 10 * p + s;
      session[i] = static_cast<double>(s) + (irregular ? 0.8 * stream.uniform() : 0);
      within[i] = 4.5 * stream.normal();
      between[i] = mean;
      outcome[i] = 15.5 - 0.55 * session[i] - 0.14 * within[i] - 0.01 * session[i] * within[i] -
                   0.12 * mean + level + slope * session[i] + 2.2 * stream.normal();
      patient.push_back(static_cast<std::int32_t>(p));
      therapist.push_back(static_cast<std::int32_t>(p / 10));
    }
  }
  Table table;
  table.add("patient", codes_to_factor(patient, patients));
  table.add("therapist", codes_to_factor(therapist, (patients + 9) / 10));
  table.add("session", session);
  table.add("alliance_w", within);
  table.add("alliance_b", between);
  table.add("phq", outcome);
  return table;
}

/// Every rating by a random rater of a random patient.
Table crossed(Index rows) {
  RandomStream stream(Seed{2}, 0);
  const Index n_a = rows / 20;
  const Index n_b = rows / 100;
  Eigen::VectorXd a(n_a), b(n_b), x(rows), y(rows);
  for (double& value : a) value = stream.normal();
  for (double& value : b) value = 0.6 * stream.normal();
  std::vector<std::int32_t> code_a, code_b;
  for (Index i = 0; i < rows; ++i) {
    code_a.push_back(static_cast<std::int32_t>(stream.below(n_a)));
    code_b.push_back(static_cast<std::int32_t>(stream.below(n_b)));
    x[i] = stream.normal();
    y[i] = 5 + 0.5 * x[i] + a[code_a.back()] + b[code_b.back()] + 1.5 * stream.normal();
  }
  Table table;
  table.add("a", codes_to_factor(code_a, n_a));
  table.add("b", codes_to_factor(code_b, n_b));
  table.add("x", x);
  table.add("y", y);
  return table;
}

/// As many levels in both factors; each level of a meets six levels of b at most, its neighbours.
Table sparsely_crossed(Index rows) {
  RandomStream stream(Seed{3}, 0);
  const Index levels = rows / 5;
  Eigen::VectorXd a(levels), b(levels), x(rows), y(rows);
  for (double& value : a) value = stream.normal();
  for (double& value : b) value = 0.6 * stream.normal();
  std::vector<std::int32_t> code_a, code_b;
  for (Index i = 0; i < rows; ++i) {
    const Index level = i < levels ? i : stream.below(levels);
    code_a.push_back(static_cast<std::int32_t>(level));
    code_b.push_back(
        static_cast<std::int32_t>(i < levels ? i : (level + stream.below(6)) % levels));
    x[i] = stream.normal();
    y[i] = 5 + 0.5 * x[i] + a[code_a.back()] + b[code_b.back()] + 1.5 * stream.normal();
  }
  Table table;
  table.add("a", codes_to_factor(code_a, levels));
  table.add("b", codes_to_factor(code_b, levels));
  table.add("x", x);
  table.add("y", y);
  return table;
}

Table file(const std::string& name) {
  Table table = read_csv(RAPPORT_BENCH_DATA "/mixed/" + name + ".csv");
  table.set("Subject", table.factor("Subject"));
  return table;
}

constexpr const char* two_levels =
    "phq ~ session * alliance_w + alliance_b + (1 + session | patient)";
constexpr const char* three_levels =
    "phq ~ session * alliance_w + alliance_b + (1 + session | therapist/patient)";

void fit_table(benchmark::State& state, const Table& table, const std::string& formula) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        fit_mixed_model(parse_formula(formula), table, {.random_effects = false}));
  }
}

void sleepstudy(benchmark::State& state) {
  fit_table(state, file("sleepstudy"), "Reaction ~ Days + (Days | Subject)");
}
void orthodont(benchmark::State& state) {
  fit_table(state, file("orthodont"), "distance ~ age * Sex + (age | Subject)");
}
void oxboys(benchmark::State& state) {
  fit_table(state, file("oxboys"), "height ~ age + (age | Subject)");
}
void nested_panel(benchmark::State& state) {
  fit_table(state, panel(state.range(0), false), two_levels);
}
void irregular_panel(benchmark::State& state) {
  fit_table(state, panel(state.range(0), true), two_levels);
}
void three_level_panel(benchmark::State& state) {
  fit_table(state, panel(state.range(0), false), three_levels);
}
void crossed_panel(benchmark::State& state) {
  fit_table(state, crossed(state.range(0)), "y ~ x + (1 | a) + (1 | b)");
}

void sparsely_crossed_panel(benchmark::State& state) {
  fit_table(state, sparsely_crossed(state.range(0)), "y ~ x + (1 | a) + (1 | b)");
}

/// lme4::InstEval, which peers/mixed.sh writes to a file.
void insteval(benchmark::State& state) {
  const char* path = std::getenv("RAPPORT_INSTEVAL");
  if (path == nullptr) {
    state.SkipWithError("RAPPORT_INSTEVAL names no file of lme4::InstEval");
    return;
  }
  Table table = read_csv(path);
  for (const char* name : {"s", "d", "dept", "service"}) table.set(name, table.factor(name));
  fit_table(state, table, "y ~ service + (1 | s) + (1 | d) + (1 | dept)");
}

/// Every coefficient, given the fit.
void infer(benchmark::State& state, const char* formula, const Table& table) {
  const MixedModel model(parse_formula(formula), table);
  const MixedFit fit = model.fit({.random_effects = false});
  for (auto _ : state) {
    const FixedInference inference(model, fit, DegreesOfFreedom::kenward_roger);
    for (Index j = 0; j < fit.fixed.estimate.size(); ++j)
      benchmark::DoNotOptimize(
          inference.contrast(Eigen::VectorXd::Unit(fit.fixed.estimate.size(), j)));
  }
}
void kenward_roger(benchmark::State& state) {
  infer(state, two_levels, panel(state.range(0), false));
}
void kenward_roger_three_levels(benchmark::State& state) {
  infer(state, three_levels, panel(state.range(0), false));
}

/// The simulated alliance panel of 120 patients of 15 therapists.
void kenward_roger_alliance(benchmark::State& state) {
  infer(state,
        "phq9 ~ session * within(wai_client, patient) + between(wai_client, patient) + treatment + "
        "(1 + session | therapist/patient)",
        read_csv(RAPPORT_BENCH_DATA "/alliance/simulated_panel.csv"));
}

MixedModel sleepstudy_model() {
  return MixedModel(
      make_design(parse_formula("Reaction ~ Days + (Days | Subject)"), file("sleepstudy")));
}

void bootstrap_1000(benchmark::State& state) {
  const MixedModel model = sleepstudy_model();
  const MixedFit fit = model.fit({.criterion = Criterion::ml});
  for (auto _ : state)
    benchmark::DoNotOptimize(parametric_bootstrap(model, fit, Seed{1}, {.replicates = 1000}));
}

void profile_all(benchmark::State& state) {
  const MixedModel model = sleepstudy_model();
  for (auto _ : state) benchmark::DoNotOptimize(profile_intervals(model));
}

/// Without each level of a grouping factor, given the fit.
void influence(benchmark::State& state, const Table& table, const char* formula,
               const std::string& factor) {
  const Design design = make_design(parse_formula(formula), table);
  const MixedFit fit = fit_mixed_model(design);
  for (const RandomTerm& term : design.random)
    if (term.factor == factor)
      for (auto _ : state)
        benchmark::DoNotOptimize(deletion_influence(design, fit, term.group, term.levels));
}
void influence_sleepstudy(benchmark::State& state) {
  influence(state, file("sleepstudy"), "Reaction ~ Days + (Days | Subject)", "Subject");
}
void influence_patients(benchmark::State& state) {
  influence(state, panel(state.range(0), false), two_levels, "patient");
}
void influence_irregular(benchmark::State& state) {
  influence(state, panel(state.range(0), true), two_levels, "patient");
}
void influence_therapists(benchmark::State& state) {
  influence(state, panel(state.range(0), false), three_levels, "therapist");
}
void influence_patients_of_therapists(benchmark::State& state) {
  influence(state, panel(state.range(0), false), three_levels, "therapist:patient");
}

BENCHMARK(sleepstudy)->Unit(benchmark::kMicrosecond);
BENCHMARK(orthodont)->Unit(benchmark::kMicrosecond);
BENCHMARK(oxboys)->Unit(benchmark::kMicrosecond);
BENCHMARK(nested_panel)->RangeMultiplier(10)->Range(1000, 1000000)->Unit(benchmark::kMillisecond);
BENCHMARK(irregular_panel)->Arg(1000000)->Unit(benchmark::kMillisecond);
BENCHMARK(three_level_panel)
    ->RangeMultiplier(10)
    ->Range(1000, 1000000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(crossed_panel)->RangeMultiplier(10)->Range(10000, 100000)->Unit(benchmark::kMillisecond);
BENCHMARK(sparsely_crossed_panel)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK(insteval)->Unit(benchmark::kMillisecond);
BENCHMARK(kenward_roger)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK(kenward_roger_three_levels)
    ->Arg(1000)
    ->Arg(100000)
    ->Arg(1000000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(kenward_roger_alliance)->Unit(benchmark::kMillisecond);
BENCHMARK(bootstrap_1000)->Unit(benchmark::kMillisecond);
BENCHMARK(profile_all)->Unit(benchmark::kMillisecond);

}  // namespace
BENCHMARK(influence_sleepstudy)->Unit(benchmark::kMillisecond);
BENCHMARK(influence_patients)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);
BENCHMARK(influence_irregular)->Arg(10000)->Unit(benchmark::kMillisecond);
BENCHMARK(influence_therapists)->Arg(10000)->Unit(benchmark::kMillisecond);
BENCHMARK(influence_patients_of_therapists)->Arg(10000)->Unit(benchmark::kMillisecond);
