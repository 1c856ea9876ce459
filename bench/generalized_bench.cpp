#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/generalized.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

/// The work of bench/peers/generalized.R: 1000 patients of 10 sessions, and published data.
namespace {

using rapport::Design;
using rapport::Index;

struct Panel {
  Design design;
  Eigen::VectorXd session;
};

/// y ~ session + arm + x + (1 | patient) or (1 + session | patient); the linear predictor stands in
/// for the response.
Panel panel(bool slopes) {
  constexpr Index patients = 1000;
  constexpr Index sessions = 10;
  rapport::RandomStream stream(rapport::Seed{1}, 0);
  const Index n = patients * sessions;
  Panel result;
  Design& d = result.design;
  d.response.resize(n);
  d.fixed = Eigen::MatrixXd::Ones(n, 4);
  d.fixed_terms = {"(Intercept)", "session", "arm", "x"};
  rapport::RandomTerm term;
  term.factor = "patient";
  term.terms = {"(Intercept)"};
  if (slopes) term.terms.emplace_back("session");
  result.session.resize(n);
  for (Index p = 0; p < patients; ++p) {
    term.levels.push_back(std::to_string(p));
    const double u = stream.normal();
    const double v = slopes ? 0.3 * stream.normal() : 0;
    for (Index s = 0; s < sessions; ++s) {
      const Index row = p * sessions + s;
      const double time = static_cast<double>(s) - 4.5;
      d.fixed.row(row) << 1, time, static_cast<double>(p % 2), stream.normal();
      d.response[row] = 0.1 * time + 0.3 * d.fixed(row, 2) + 0.5 * d.fixed(row, 3) + u + v * time;
      result.session[row] = static_cast<double>(s);
      term.group.push_back(static_cast<std::int32_t>(p));
    }
  }
  term.columns = d.fixed.leftCols(slopes ? 2 : 1);
  d.random.push_back(std::move(term));
  return result;
}

Design binary(bool slopes) {
  Design d = panel(slopes).design;
  rapport::RandomStream stream(rapport::Seed{2}, 0);
  for (double& y : d.response) y = stream.uniform() < 1 / (1 + std::exp(-y)) ? 1 : 0;
  return d;
}

void fit(benchmark::State& state, const Design& design,
         const rapport::GeneralizedOptions& options) {
  for (auto _ : state) benchmark::DoNotOptimize(rapport::fit_generalized_model(design, options));
}

void logit_intercept(benchmark::State& state) {
  fit(state, binary(false), {.quadrature_points = state.range(0)});
}
BENCHMARK(logit_intercept)->Arg(1)->Arg(15)->Unit(benchmark::kMillisecond);

void logit_slope(benchmark::State& state) { fit(state, binary(true), {}); }
BENCHMARK(logit_slope)->Unit(benchmark::kMillisecond);

void negative_binomial(benchmark::State& state) {
  Design d = panel(false).design;
  rapport::RandomStream stream(rapport::Seed{3}, 0);
  for (double& y : d.response) {
    const double mean = std::exp(0.5 * y + 0.5) * stream.gamma(2) / 2;
    double count = 0;
    for (double time = stream.exponential(); time < mean; ++count) time += stream.exponential();
    y = count;
  }
  fit(state, d, {.family = rapport::Family::nbinom2});
}
BENCHMARK(negative_binomial)->Unit(benchmark::kMillisecond);

void cumulative_logit(benchmark::State& state) {
  Design d = panel(false).design;
  rapport::RandomStream stream(rapport::Seed{4}, 0);
  for (double& y : d.response) {
    const double u = stream.uniform();
    const double latent = y + std::log(u / (1 - u));
    y = latent < -1.5 ? 0 : latent < 0 ? 1 : latent < 1.5 ? 2 : 3;
  }
  fit(state, d, {.family = rapport::Family::cumulative});
}
BENCHMARK(cumulative_logit)->Unit(benchmark::kMillisecond);

void cbpp(benchmark::State& state) {
  const Design d = rapport::make_design(
      rapport::parse_formula("cbind(incidence, healthy) ~ factor(period) + (1 | herd)"),
      rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/cbpp.csv"),
      {.response = rapport::ResponseKind::binary});
  fit(state, d, {.quadrature_points = state.range(0)});
}
BENCHMARK(cbpp)->Arg(1)->Arg(9)->Unit(benchmark::kMillisecond);

void respiratory(benchmark::State& state) {
  const Design d = rapport::make_design(
      rapport::parse_formula(
          "good ~ treatment + baseline + gender + age + factor(centre) + (1 | subject)"),
      rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/respiratory.csv"),
      {.response = rapport::ResponseKind::binary});
  fit(state, d, {.quadrature_points = state.range(0)});
}
BENCHMARK(respiratory)->Arg(1)->Arg(9)->Unit(benchmark::kMillisecond);

void verbagg(benchmark::State& state) {
  const Design d = rapport::make_design(
      rapport::parse_formula("y ~ anger + gender + btype + situ + (1 | id) + (1 | item)"),
      rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/verbagg.csv"),
      {.response = rapport::ResponseKind::binary});
  fit(state, d, {});
}
BENCHMARK(verbagg)->Unit(benchmark::kMillisecond);

void wine(benchmark::State& state) {
  const Design d =
      rapport::make_design(rapport::parse_formula("rating ~ temp + contact + (1 | judge)"),
                           rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/wine.csv"),
                           {.response = rapport::ResponseKind::ordered});
  fit(state, d, {.family = rapport::Family::cumulative, .quadrature_points = state.range(0)});
}
BENCHMARK(wine)->Arg(1)->Arg(9)->Unit(benchmark::kMillisecond);

void wine_crossed(benchmark::State& state) {
  const Design d = rapport::make_design(
      rapport::parse_formula("rating ~ temp + contact + (1 | judge) + (1 | bottle)"),
      rapport::read_csv(RAPPORT_BENCH_DATA "/mixed/wine.csv"),
      {.response = rapport::ResponseKind::ordered});
  fit(state, d, {.family = rapport::Family::cumulative});
}
BENCHMARK(wine_crossed)->Unit(benchmark::kMillisecond);

}  // namespace
