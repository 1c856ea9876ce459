#include <rapport/alliance/outcome.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace rapport {
namespace {

ContrastEstimate undefined() {
  return {.estimate = missing,
          .standard_error = missing,
          .statistic = missing,
          .df = missing,
          .p_value = missing,
          .ci = {.lower = missing, .upper = missing}};
}

/// The name of an interaction as the model holds it, whichever variable stands first.
std::string interaction(const FittedModel& model, const std::string& a, const std::string& b) {
  return model.has(a + ":" + b) ? a + ":" + b : b + ":" + a;
}

/// Levels of a factor over the rows that a model uses.
std::vector<std::int32_t> codes_used(const FittedModel& model, const Factor& factor) {
  std::vector<std::int32_t> codes;
  for (const Index row : model.design().rows)
    codes.push_back(factor.codes[static_cast<std::size_t>(row)]);
  return codes;
}

Index distinct(const std::vector<std::int32_t>& codes) {
  return static_cast<Index>(std::set<std::int32_t>(codes.begin(), codes.end()).size());
}

Index repeated(const std::vector<std::int32_t>& codes) {
  std::map<std::int32_t, int> count;
  for (const std::int32_t code : codes) ++count[code];
  return std::count_if(count.begin(), count.end(),
                       [](const auto& entry) { return entry.second > 1; });
}

/// A variance in its parts within and between the patients' means.
struct SplitVariance {
  double within = 0;
  double between = 0;
};

SplitVariance split(const Eigen::VectorXd& values, const Factor& patient) {
  const Eigen::VectorXd within = within_group(values, patient);
  const auto n = static_cast<double>(values.size());
  const double total = (values.array() - values.mean()).square().sum() / n;
  SplitVariance parts{.within = within.squaredNorm() / n, .between = 0};
  parts.between = total - parts.within;
  return parts;
}

/// The mean variance of the random effects, z'Tz, in its parts within and between patients.
SplitVariance random_variance(const FittedModel& model, const Factor& patient) {
  SplitVariance parts;
  const Design& design = model.design();
  for (std::size_t k = 0; k < design.random.size(); ++k) {
    const Eigen::MatrixXd& z = design.random[k].columns;
    const Eigen::MatrixXd& covariance = model.fit().random[k].covariance;
    Eigen::MatrixXd deviation(z.rows(), z.cols());
    for (Index j = 0; j < z.cols(); ++j) deviation.col(j) = within_group(z.col(j), patient);
    const Eigen::MatrixXd mean = z - deviation;
    const auto average = [&](const Eigen::MatrixXd& columns) {
      return (columns * covariance).cwiseProduct(columns).sum() / static_cast<double>(z.rows());
    };
    parts.within += average(deviation);
    parts.between += average(mean);
  }
  return parts;
}

void add_r_squared(const FittedModel& model, const Factor& patient, Disaggregation& result) {
  Factor used{.codes = codes_used(model, patient), .levels = patient.levels};
  const SplitVariance fixed = split(fitted_values(model.design(), model.fit(), true), used);
  const SplitVariance random = random_variance(model, used);
  const double residual = model.fit().residual.sd * model.fit().residual.sd;
  result.r_squared_within = fixed.within / (fixed.within + random.within + residual);
  result.r_squared_between = fixed.between / (fixed.between + random.between);
  const double explained = fixed.within + fixed.between;
  result.r_squared_total = explained / (explained + random.within + random.between + residual);
}

double sd_within(const VectorView& x, const Factor& group) {
  return moments(within_group(x, group)).sd;
}
double sd_of_means(const VectorView& x, const Factor& group) {
  return moments(group_means(x, group)).sd;
}

}  // namespace

std::vector<StudyRater> raters_of(const StudyColumns& columns) {
  if (columns.alliance.empty()) return {};
  std::vector<StudyRater> all = {{.name = "client", .column = columns.alliance}};
  if (!columns.therapist_alliance.empty())
    all.push_back({.name = "therapist", .column = columns.therapist_alliance});
  all.insert(all.end(), columns.raters.begin(), columns.raters.end());
  return all;
}

std::string session_column(const StudyColumns& columns, SessionScale scale) {
  return scale == SessionScale::linear ? columns.session : "log_session";
}

StudyTerms study_terms(const StudyColumns& columns, bool random_slope) {
  StudyTerms terms{.patient = quoted_name(columns.patient),
                   .session = quoted_name(columns.session),
                   .alliance = quoted_name(columns.alliance),
                   .outcome = quoted_name(columns.outcome),
                   .within = {},
                   .between_patient = {},
                   .between_therapist = {},
                   .random = {}};
  terms.within = "within(" + terms.alliance + ", " + terms.patient + ")";
  terms.between_patient = "between(" + terms.alliance + ", " + terms.patient + ")";
  terms.random = (random_slope ? "(1 + " + terms.session : "(1") + " | " + terms.patient + ")";
  if (columns.therapist.empty()) return terms;
  const std::string therapist = quoted_name(columns.therapist);
  terms.between_therapist = "between(" + terms.alliance + ", " + therapist + ")";
  // Written without within(), so that the slope of within() is its own coefficient.
  terms.between_patient = "I(" + terms.between_patient + " - " + terms.between_therapist + ")";
  terms.random += " + (1 | " + therapist + ")";
  return terms;
}

Disaggregation disaggregate(const FittedModel& model, const Table& table, const Panel& panel,
                            const StudyColumns& columns) {
  const StudyTerms terms = study_terms(columns);
  const Eigen::VectorXd& alliance = table.numbers(columns.alliance);
  const Eigen::VectorXd& outcome = table.numbers(columns.outcome);
  Disaggregation result{};
  result.within = model.effect(terms.within);
  const bool between = model.has(terms.between_patient);
  const auto against = [&](const std::string& a, const std::string& b, double of_a, double of_b) {
    return model.has(a) && model.has(b) ? model.combination({{a, of_a}, {b, of_b}}) : undefined();
  };
  result.between_patient = between ? model.effect(terms.between_patient) : undefined();
  result.between_therapist =
      model.has(terms.between_therapist) ? model.effect(terms.between_therapist) : undefined();
  result.contextual = against(terms.between_patient, terms.within, 1, -1);
  result.therapist_contextual = against(terms.between_therapist, terms.between_patient, 1, -1);
  result.reliability = decompose(panel, alliance).mean_reliability;
  const double lambda = result.reliability;
  result.between_patient_corrected =
      against(terms.between_patient, terms.within, 1 / lambda, -(1 - lambda) / lambda);
  result.standardized_within = result.within.estimate * sd_within(alliance, panel.patient) /
                               sd_within(outcome, panel.patient);
  result.standardized_between = result.between_patient.estimate *
                                sd_of_means(alliance, panel.patient) /
                                sd_of_means(outcome, panel.patient);
  const std::vector<std::int32_t> patients = codes_used(model, panel.patient);
  result.n_sessions = model.fit().data.observations;
  result.n_patients = distinct(patients);
  result.n_patients_within = repeated(patients);
  result.n_therapists = panel.has_therapist() ? distinct(codes_used(model, panel.therapist)) : 0;
  add_r_squared(model, panel.patient, result);
  return result;
}

SessionModeration moderate_by_session(const FittedModel& model, const StudyColumns& columns,
                                      const std::vector<double>& sessions, SessionScale scale,
                                      double level) {
  const StudyTerms terms = study_terms(columns);
  const std::string moderator = session_column(columns, scale);
  const bool linear = scale == SessionScale::linear;
  std::vector<std::string> values;
  for (const double session : sessions)
    values.push_back(shortest_decimal(linear ? session : std::log(session)));
  SessionModeration result{
      .scale = scale,
      .estimand = linear ? "change of the within-patient effect with each session"
                         : "change of the within-patient effect when the number of sessions grows "
                           "by a factor of e (log session)",
      .interaction = model.effect(interaction(model, quoted_name(moderator), terms.within)),
      .sessions = sessions,
      .slopes = simple_slopes(model.design(), model.fit().fixed, model.inference(), terms.within,
                              moderator, values, level),
      .region = {}};
  result.region = result.slopes.region;
  if (!result.region || linear) return result;
  for (double JohnsonNeyman::*bound : {&JohnsonNeyman::lower, &JohnsonNeyman::upper,
                                       &JohnsonNeyman::minimum, &JohnsonNeyman::maximum})
    *result.region.*bound = std::exp(*result.region.*bound);
  return result;
}

std::string growth_formula(const StudyColumns& columns, bool random_slope) {
  const StudyTerms terms = study_terms(columns, random_slope);
  const std::string treatment =
      columns.treatment.empty() ? "" : " * " + quoted_name(columns.treatment);
  return terms.outcome + " ~ " + terms.session + treatment + " + " + terms.random;
}

GrowthCurve growth_curve(const FittedModel& model, const Table& table,
                         const StudyColumns& columns) {
  const auto slopes = [&](const std::string& by) {
    return simple_slopes(model.design(), model.fit().fixed, model.inference(), columns.session, by)
        .slopes;
  };
  GrowthCurve result{};
  result.rate = slopes("").front().slope;
  result.n_sessions = model.fit().data.observations;
  result.n_patients = distinct(codes_used(model, table.factor(columns.patient)));
  if (columns.treatment.empty()) return result;
  for (const SimpleSlope& at : slopes(columns.treatment))
    result.treatments.push_back({.treatment = at.at.front().second, .slope = at.slope});
  std::vector<std::string> products;
  for (const std::string& term : model.fit().fixed.terms)
    if (term.find(':') != std::string::npos) products.push_back(term);
  result.interaction = model.joint_test(products);
  return result;
}

TreatmentModeration moderate_by_treatment(const FittedModel& model, const Table& table,
                                          const StudyColumns& columns, double standardizer) {
  const StudyTerms terms = study_terms(columns);
  const std::vector<std::string> levels = table.factor(columns.treatment).levels;
  const std::string name = quoted_name(columns.treatment);
  TreatmentModeration result{};
  std::vector<std::string> products;
  for (std::size_t k = 0; k < levels.size(); ++k) {
    TermWeights slope = {{terms.within, 1.0}};
    if (k > 0) {
      const std::string product = interaction(model, terms.within, name + levels[k]);
      if (!model.has(product)) continue;
      products.push_back(product);
      slope.emplace_back(product, 1.0);
      result.differences.push_back({.treatment = levels[k], .slope = model.effect(product)});
    }
    result.slopes.push_back({.treatment = levels[k], .slope = model.combination(slope)});
  }
  if (products.empty())
    throw DataError("moderation by treatment: `" + columns.treatment + "` has a single level");
  result.interaction = model.joint_test(products);
  result.equivalence_bound = 0.1 / standardizer;
  result.equivalence_p_value = 0;
  for (const TreatmentSlope& difference : result.differences) {
    const ContrastEstimate& d = difference.slope;
    const double margin = (result.equivalence_bound - std::abs(d.estimate)) / d.standard_error;
    result.equivalence_p_value =
        std::max(result.equivalence_p_value, students_t_upper_tail(margin, d.df));
  }
  return result;
}

}  // namespace rapport
