#include <rapport/report/agree.hpp>
#include <rapport/report/dyad.hpp>

namespace rapport::report {
namespace {

/// A row that begins with two names, for the table of parameters.
Json named_row(const char* first_key, const std::string& first, const char* second_key,
               const std::string& second, const Parameter& p) {
  Json row = Json::object({{first_key, first}, {second_key, second}});
  const Json values = to_json(p);
  for (const auto& [key, value] : values.members()) row.set(key, value);
  return row;
}

}  // namespace

Json to_json(const ActorPartnerResult& r, const std::string& first, const std::string& second) {
  Json effects = Json::array();
  Json roles = Json::array();
  const auto add = [&](const std::string& outcome, const ActorPartnerEffects& role) {
    effects.push_back(named_row("outcome", outcome, "effect", "actor", role.actor));
    effects.push_back(named_row("outcome", outcome, "effect", "partner", role.partner));
    effects.push_back(named_row("outcome", outcome, "effect", "k", role.k));
    roles.push_back(Json::object({{"outcome", outcome},
                                  {"intercept", role.intercept},
                                  {"residual_variance", role.residual_variance}}));
  };
  add(first, r.first);
  add(second, r.second);
  return Json::object({{"n", r.n_used},
                       {"omitted", r.n_omitted},
                       {"effects", std::move(effects)},
                       {"roles", std::move(roles)},
                       {"residual_covariance", r.residual_covariance},
                       {"residual_correlation", r.residual_correlation},
                       {"equality", Json::object({{"statistic", r.equality_statistic},
                                                  {"df", r.equality_df},
                                                  {"p_value", r.equality_p_value}})}});
}

Json to_json(const OneWithManyResult& r) {
  return Json::object({{"n", r.n_used},
                       {"omitted", r.n_omitted},
                       {"focal_persons", r.focal_persons},
                       {"average_partners", r.k},
                       {"partner_mean", r.partner_mean},
                       {"focal_mean", r.focal_mean},
                       {"consensus", r.consensus},
                       {"partner_uniqueness", r.partner_uniqueness},
                       {"consensus_share", r.consensus_share},
                       {"assimilation", r.assimilation},
                       {"focal_uniqueness", r.focal_uniqueness},
                       {"assimilation_share", r.assimilation_share},
                       {"generalized_reciprocity", r.generalized_reciprocity},
                       {"generalized_correlation", r.generalized_correlation},
                       {"dyadic_reciprocity", r.dyadic_reciprocity},
                       {"dyadic_correlation", r.dyadic_correlation}});
}

Json to_json(const ConvergenceResult& r) {
  Json coefficients = Json::array();
  const auto add = [&](const char* response, const Parameter& start, const Parameter& slope) {
    coefficients.push_back(named_row("response", response, "term", "start", start));
    coefficients.push_back(named_row("response", response, "term", "slope", slope));
  };
  add("discrepancy", r.discrepancy_at_start, r.discrepancy_slope);
  add("difference", r.difference_at_start, r.difference_slope);
  return Json::object({{"n", r.n_used},
                       {"omitted", r.n_omitted},
                       {"dyads", r.dyads},
                       {"coefficients", std::move(coefficients)},
                       {"discrepancy_dyad_sd", r.discrepancy_dyad_sd},
                       {"discrepancy_residual_sd", r.discrepancy_residual_sd}});
}

Json to_json(const std::vector<SplitAlliance>& result, const std::vector<std::string>& groups) {
  Json rows = Json::array();
  std::int64_t split = 0;
  std::int64_t compared = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const SplitAlliance& one = result[i];
    split += one.split ? 1 : 0;
    compared += one.members > 1 ? 1 : 0;
    rows.push_back(Json::object({{"group", groups[i]},
                                 {"members", one.members},
                                 {"mean", one.mean},
                                 {"sd", one.sd},
                                 {"range", one.range},
                                 {"split", one.split}}));
  }
  return Json::object({{"compared", compared}, {"split", split}, {"groups", std::move(rows)}});
}

}  // namespace rapport::report
