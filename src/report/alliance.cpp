#include <rapport/report/alliance.hpp>

namespace rapport::report {
namespace {

Json count(Index n) { return Json(static_cast<std::int64_t>(n)); }

Json effect_json(const LaggedEffect& effect, const std::vector<double>& waves) {
  return Json::object({{"from", effect.from_x ? "x" : "y"},
                       {"to", effect.to_x ? "x" : "y"},
                       {"wave", waves[static_cast<std::size_t>(effect.wave - 1)]},
                       {"estimate", effect.estimate},
                       {"standard_error", effect.standard_error},
                       {"ci_lower", effect.ci.lower},
                       {"ci_upper", effect.ci.upper},
                       {"statistic", effect.statistic},
                       {"p_value", effect.p_value},
                       {"standardized", effect.standardized}});
}

Json intercepts_json(const CrossLaggedFit& fit) {
  return Json::object({{"x_variance", fit.x_variance},
                       {"y_variance", fit.y_variance},
                       {"covariance", fit.covariance},
                       {"correlation", fit.correlation},
                       {"x_variance_standard_error", fit.intercept_standard_errors[0]},
                       {"y_variance_standard_error", fit.intercept_standard_errors[1]},
                       {"covariance_standard_error", fit.intercept_standard_errors[2]}});
}

}  // namespace

Json to_json(const SessionCounts& counts) {
  return Json::object({{"patients", count(counts.patients)},
                       {"therapists", count(counts.therapists)},
                       {"sessions", count(counts.sessions)},
                       {"mean", counts.mean},
                       {"median", counts.median},
                       {"minimum", counts.minimum},
                       {"maximum", counts.maximum}});
}

Json to_json(const CrossLaggedFit& fit, const std::vector<double>& waves) {
  Json effects = Json::array();
  for (const LaggedEffect& effect : fit.effects) effects.push_back(effect_json(effect, waves));
  Json within = Json::array();
  Json means = Json::array();
  for (std::size_t t = 0; t < waves.size(); ++t) {
    const WithinCovariance& covariance = fit.within_covariances[t];
    within.push_back(Json::object({{"wave", waves[t]},
                                   {"estimate", covariance.estimate},
                                   {"correlation", covariance.correlation}}));
    const auto k = static_cast<Index>(t);
    means.push_back(
        Json::object({{"wave", waves[t]}, {"x", fit.x_means[k]}, {"y", fit.y_means[k]}}));
  }
  Json result =
      Json::object({{"model", "ri-clpm"}, {"n", count(fit.n_used)}, {"waves", Json::array()}});
  Json sessions = Json::array();
  for (const double wave : waves) sessions.push_back(wave);
  result.set("waves", std::move(sessions));
  result.set("log_likelihood", fit.log_likelihood);
  result.set("unrestricted_log_likelihood", fit.unrestricted_log_likelihood);
  result.set("parameters", count(fit.parameters));
  result.set("chi_square", Json::object({{"statistic", fit.chi_square.statistic},
                                         {"df", fit.chi_square.df},
                                         {"p_value", fit.chi_square.p_value}}));
  result.set("cfi", fit.cfi);
  result.set("tli", fit.tli);
  result.set("rmsea", fit.rmsea);
  result.set("srmr", fit.srmr);
  result.set("aic", fit.aic);
  result.set("bic", fit.bic);
  result.set("effects", std::move(effects));
  result.set("random_intercepts", intercepts_json(fit));
  result.set("within_covariances", std::move(within));
  result.set("means", std::move(means));
  result.set("convergence", Json::object({{"converged", fit.converged},
                                          {"iterations", count(fit.iterations)},
                                          {"proper", fit.proper}}));
  return result;
}

}  // namespace rapport::report
