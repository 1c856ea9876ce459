#include <rapport/alliance/analysis.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include "study_builder.hpp"
#include <algorithm>
#include <cmath>
#include <set>

namespace rapport {
namespace detail {

std::string rounded_text(double value) { return shortest_decimal(std::round(value * 100) / 100); }

namespace {

std::string file_of(const Table& table) {
  return table.origin().file.empty() ? "table" : table.origin().file;
}

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text;
}

void require_variation(const StudyBuilder& study, const std::string& name) {
  const Moments all = moments(study.table.numbers(name));
  if (all.n_used == 0)
    throw DataError("column \"" + name + "\" has no value; nothing can be analysed",
                    file_of(study.table));
  if (all.minimum == all.maximum)
    throw DataError(
        "column \"" + name + "\" is constant (" + rounded_text(all.minimum) + "); it has to vary",
        file_of(study.table));
}

void require_raters(const StudyColumns& columns) {
  std::set<std::string> names;
  for (const StudyRater& rater : raters_of(columns))
    if (!names.insert(rater.name).second)
      throw InvalidArgument("analyse_study: `raters` names \"" + rater.name + "\" twice");
}

/// How many patients have alliance and outcome, in how many sessions.
struct PatientSessions {
  Index patients = 0;
  Index repeated = 0;  ///< patients with two sessions or more
  Index sessions = 0;
};

PatientSessions count_sessions(const StudyBuilder& study) {
  const Eigen::VectorXd both =
      study.has_alliance() ? Eigen::VectorXd(study.alliance() + study.outcome()) : study.outcome();
  PatientSessions counts;
  for (std::size_t p = 0; p + 1 < study.panel.first.size(); ++p) {
    Index count = 0;
    for (Index k = study.panel.first[p]; k < study.panel.first[p + 1]; ++k)
      if (!is_missing(both[study.panel.order[static_cast<std::size_t>(k)]])) ++count;
    counts.sessions += count;
    counts.patients += count > 0 ? 1 : 0;
    counts.repeated += count > 1 ? 1 : 0;
  }
  return counts;
}

/// Within-patient effects need patients with two sessions, and between-patient effects two
/// patients. Where patients have one session, two raters can still be compared.
void require_sessions(StudyBuilder& study) {
  const PatientSessions counts = count_sessions(study);
  if (counts.patients < 2)
    throw DataError("only " + std::to_string(counts.patients) + " patient (column \"" +
                        study.columns.patient + "\") has " +
                        (study.has_alliance() ? "alliance and outcome" : "the outcome") +
                        "; at least 2 are required",
                    file_of(study.table));
  study.result.one_session = counts.repeated == 0;
  if (study.result.one_session && raters_of(study.columns).size() < 2)
    throw DataError(
        "no patient (column \"" + study.columns.patient +
            "\") has two sessions with alliance and outcome; within-patient effects need them",
        file_of(study.table));
  if (study.result.one_session) {
    study.result.n_used = counts.sessions;
    study.warn(
        "patients have one session each: their raters are compared, and nothing can be said of "
        "change within patients");
    return;
  }
  study.random_slope = counts.sessions > 2 * counts.patients;
  if (study.random_slope) return;
  study.terms = study_terms(study.columns, false);
  study.warn("with " + std::to_string(counts.sessions) + " sessions of " +
             std::to_string(counts.patients) +
             " patients, patients' own slopes cannot be estimated: the models "
             "have random intercepts only");
}

void screen(StudyBuilder& study) {
  study.result.screening =
      screen_study(study.table, study.panel, study.columns, study.options.screening);
  for (const StudyFinding& finding : study.result.screening.findings)
    if (finding.severity == Severity::error) study.warn("screening: " + finding.message);
}

void prepare_sessions(StudyBuilder& study) {
  Table& table = study.result.session_table;
  table = study.table;
  if (!study.has_alliance()) return;
  const Eigen::VectorXd& x = study.alliance();
  const Factor& patient = study.panel.patient;
  const Eigen::VectorXd deviation = detrended_within_group(x, patient, study.panel.session);
  table.set("alliance_detrended", Eigen::VectorXd(x - within_group(x, patient) + deviation));
  if (study.options.session_scale == SessionScale::logarithmic &&
      !(study.panel.session.array() <= 0).any())
    table.set("log_session", Eigen::VectorXd(study.panel.session.array().log()));
}

void describe_all(StudyBuilder& study) {
  StudyAnalysis& result = study.result;
  const std::vector<StudyRater> raters = raters_of(study.columns);
  std::vector<std::string> names = {study.columns.outcome};
  if (study.has_alliance()) names.insert(names.begin(), study.columns.alliance);
  for (std::size_t k = 1; k < raters.size(); ++k) names.push_back(raters[k].column);
  result.sessions = session_counts(study.panel, study.table.matrix(names));
  for (const std::string& name : names)
    result.variables.push_back(describe(study.panel, study.table.numbers(name), name));
  result.by_session = describe_sessions(
      study.panel,
      study.has_alliance() ? study.alliance()
                           : Eigen::VectorXd::Constant(study.table.rows(), missing),
      study.outcome(), study.level());
  if (study.panel.n_omitted > 0)
    study.warn(std::to_string(study.panel.n_omitted) +
               " rows without patient, session or therapist are left out");
  if (result.sessions.patients < 20)
    study.warn("only " + std::to_string(result.sessions.patients) +
               " patients: differences between patients are estimated poorly");
}

/// A patient of two therapists makes the levels crossed, which changes what "between patients"
/// means.
void check_therapists(StudyBuilder& study) {
  if (!study.panel.has_therapist()) return;
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;
  std::set<std::int32_t> patients;
  for (const Index row : study.panel.order) {
    const auto at = static_cast<std::size_t>(row);
    pairs.emplace(study.panel.patient.codes[at], study.panel.therapist.codes[at]);
    patients.insert(study.panel.patient.codes[at]);
  }
  if (pairs.size() > patients.size())
    study.warn(std::to_string(pairs.size() - patients.size()) +
               " patients have sessions with more than one therapist: patients and therapists are "
               "crossed; if codes of patients repeat between therapists, make them distinct");
  if (study.result.sessions.therapists < 10)
    study.warn("only " + std::to_string(study.result.sessions.therapists) +
               " therapists: differences between therapists are estimated poorly");
}

/// Why nothing can be said of therapists; empty if something can.
std::string therapists_hidden(const Panel& panel) {
  if (!panel.has_therapist()) return "";
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;
  std::set<std::int32_t> patients;
  std::set<std::int32_t> therapists;
  for (const Index row : panel.order) {
    const auto at = static_cast<std::size_t>(row);
    pairs.emplace(panel.patient.codes[at], panel.therapist.codes[at]);
    patients.insert(panel.patient.codes[at]);
    therapists.insert(panel.therapist.codes[at]);
  }
  if (therapists.size() == 1) return "there is one therapist";
  if (pairs.size() == therapists.size() && pairs.size() == patients.size())
    return "every therapist has one patient, so that their differences are those of the patients";
  return "";
}

/// As many early sessions as were asked for, or fewer, so that half of the patients have an outcome
/// after them.
Index early_sessions(StudyBuilder& study) {
  std::vector<double> last(static_cast<std::size_t>(study.panel.patients()), -1e308);
  for (const Index row : study.panel.order)
    if (!is_missing(study.outcome()[row]))
      last[static_cast<std::size_t>(study.panel.patient.codes[static_cast<std::size_t>(row)])] =
          study.panel.session[row];  // rows come by session
  const auto after = [&](Index k) {
    return std::count_if(last.begin(), last.end(),
                         [&](double session) { return session > static_cast<double>(k); });
  };
  const auto first = static_cast<Index>(std::floor(study.result.by_session.front().session));
  Index k = study.options.early_sessions;
  while (k > first && 2 * after(k) < study.result.sessions.patients) --k;
  if (k < study.options.early_sessions && !study.result.one_session)
    study.warn("early alliance: that of sessions up to " + std::to_string(k) +
               ", since most patients have no outcome after session " +
               std::to_string(study.options.early_sessions));
  return k;
}

/// The parts in the order in which they are reported; each stands on those before it.
std::vector<StudyPart> parts_of(const StudyBuilder& study) {
  const StudyColumns& columns = study.columns;
  const bool several_raters = raters_of(columns).size() > 1;
  const bool repeated = !study.result.one_session;
  const bool alliance = repeated && study.has_alliance();
  std::vector<StudyPart> parts;
  const auto add = [&](bool wanted, const char* name, void (*part)(StudyBuilder&)) {
    if (wanted) parts.push_back({.name = name, .add = part});
  };
  add(repeated, "growth", add_growth);
  add(alliance, "correlations", add_correlations);
  add(alliance, "within and between effects", add_disaggregation);
  add(alliance, "ways of centring", add_specifications);
  add(alliance, "alliance by session", add_session_moderation);
  add(alliance && !columns.treatment.empty(), "alliance by treatment", add_treatment_moderation);
  add(alliance, "lagged models", add_lagged_models);
  add(alliance, "distributed lags", add_distributed_lags);
  add(alliance && !columns.time.empty(), "lags in continuous time", add_continuous_time);
  add(alliance, "cross-lagged panel model", add_cross_lagged);
  add(several_raters, "agreement", add_agreement);
  add(several_raters, "congruence", add_congruence);
  add(alliance, "early alliance", add_early_alliance);
  add(alliance && several_raters, "perspectives", add_perspectives);
  add(several_raters, "comparison of ratings", add_rating_comparison);
  add(alliance && study.panel.has_therapist(), "therapist effects", add_therapist_effects);
  add(alliance && !columns.dropout.empty(), "dropout", add_dropout);
  add(repeated, "change", add_change);
  add(alliance, "ruptures", add_ruptures);
  add(alliance, "outcome after ruptures", add_rupture_outcome);
  return parts;
}

/// A part that the data do not allow becomes a warning.
void attempt(StudyBuilder& study, const StudyPart& part) {
  try {
    part.add(study);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    study.warn(part.name + ": left out, since " + error.what());
  }
}

/// One warning for all models that say the same.
void warn_of_singular_models(StudyBuilder& study) {
  for (const auto& [message, names] : study.singular) {
    std::string models;
    for (const std::string& name : names) models += (models.empty() ? "`" : ", `") + name + "`";
    study.warn((names.size() == 1 ? "model " : "models ") + models + ": " + message);
  }
}

void report_progress(const StudyBuilder& study, std::size_t done, std::size_t total) {
  if (study.options.progress &&
      !study.options.progress(static_cast<Index>(done), static_cast<Index>(total)))
    throw Interrupted("analyse_study: interrupted");
}

}  // namespace

const FittedModel& StudyBuilder::keep(StudyModel model) {
  result.models.push_back(std::move(model));
  const StudyModel& kept = result.models.back();
  const MixedFit& fitted = kept.model.fit();
  if (!fitted.optimizer.converged)
    warn("model `" + kept.name + "` stopped before its optimum; its numbers are not final");
  if (fitted.optimizer.singular)
    singular[without_prefix(fitted.optimizer.message, "converged; ")].push_back(kept.name);
  for (const std::string& dropped : fitted.fixed.dropped)
    warn("model `" + kept.name + "`: `" + dropped + "` depends on other terms and is left out");
  return kept.model;
}

const FittedModel& StudyBuilder::fit(const std::string& name, const std::string& question,
                                     const std::string& formula) {
  return keep({.name = name,
               .of_patients = false,
               .question = question,
               .model = FittedModel(formula, result.session_table, level())});
}

const FittedModel& StudyBuilder::fit_patients(const std::string& name, const std::string& question,
                                              const std::string& formula) {
  return keep({.name = name,
               .of_patients = true,
               .question = question,
               .model = FittedModel(formula, result.patients, level())});
}

const FittedModel& StudyBuilder::fit_in_time(const std::string& name, const std::string& question,
                                             const std::string& formula) {
  const SerialResiduals serial{.time = columns.time, .group = columns.patient};
  return keep({.name = name,
               .of_patients = false,
               .question = question,
               .model = FittedModel(formula, result.session_table, serial, level()),
               .options = {"--residual", to_string(serial)}});
}

}  // namespace detail

StudyAnalysis analyse_study(const Table& table, const StudyColumns& columns,
                            const StudyOptions& options) {
  require_level("analyse_study", "confidence_level", options.confidence_level);
  require_at_least("analyse_study", "early_sessions", options.early_sessions, 1);
  require_at_least("analyse_study", "lags", options.lags, 1);
  detail::require_raters(columns);
  Panel panel = make_panel(
      table,
      {.patient = columns.patient, .session = columns.session, .therapist = columns.therapist});
  if (const std::string hidden = detail::therapists_hidden(panel); !hidden.empty()) {
    StudyColumns without = columns;
    without.therapist.clear();
    StudyAnalysis result = analyse_study(table, without, options);
    result.warnings.insert(result.warnings.begin(), hidden + ": therapists are left out");
    return result;
  }
  detail::StudyBuilder study{.table = table,
                             .columns = columns,
                             .options = options,
                             .panel = std::move(panel),
                             .terms = study_terms(columns)};
  study.result.columns = columns;
  study.result.level = options.confidence_level;
  study.result.n_rows = table.rows();
  if (study.has_alliance()) detail::require_variation(study, columns.alliance);
  detail::require_variation(study, columns.outcome);
  detail::require_sessions(study);
  detail::screen(study);
  detail::prepare_sessions(study);
  detail::describe_all(study);
  detail::check_therapists(study);
  study.result.early_sessions = detail::early_sessions(study);
  study.result.patients = patient_table(table, study.panel, columns, study.result.early_sessions);
  const std::vector<detail::StudyPart> parts = detail::parts_of(study);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    detail::report_progress(study, k, parts.size());
    detail::attempt(study, parts[k]);
  }
  detail::warn_of_singular_models(study);
  detail::report_progress(study, parts.size(), parts.size());
  return std::move(study.result);
}

}  // namespace rapport
