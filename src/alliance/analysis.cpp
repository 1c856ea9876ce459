#include <rapport/alliance/analysis.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace rapport {
namespace {

std::string file_of(const Table& table) {
  return table.origin().file.empty() ? "table" : table.origin().file;
}

/// "1,294 sessions" stays out of here: plain digits, and the shortest decimals.
std::string text(double value) { return shortest_decimal(std::round(value * 100) / 100); }

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text;
}

/// Builds the analysis part by part. A part that the data do not allow becomes a warning.
class Study {
 public:
  Study(const Table& table, const StudyColumns& columns, const StudyOptions& options)
      : table_(table),
        columns_(columns),
        options_(options),
        panel_(make_panel(table, {.patient = columns.patient,
                                  .session = columns.session,
                                  .therapist = columns.therapist})),
        terms_(study_terms(columns)) {
    result_.columns = columns;
    result_.level = options.confidence_level;
    result_.n_rows = table.rows();
  }

  StudyAnalysis analyse() {
    require_variation(columns_.alliance);
    require_variation(columns_.outcome);
    require_repeated_sessions();
    prepare_sessions();
    describe_all();
    check_therapists();
    attempt("correlations", [&] { correlations(); });
    attempt("within and between effects", [&] { disaggregation(); });
    attempt("ways of centring", [&] { specifications(); });
    attempt("alliance by session", [&] { by_session(); });
    if (!columns_.treatment.empty()) attempt("alliance by treatment", [&] { by_treatment(); });
    attempt("lagged models", [&] { lagged(); });
    attempt("cross-lagged panel model", [&] { cross_lagged(); });
    if (!columns_.therapist_alliance.empty()) {
      attempt("agreement", [&] { agreement(); });
      attempt("congruence", [&] { congruence(); });
    }
    result_.patients = patient_table(table_, panel_, columns_, options_.early_sessions);
    attempt("early alliance", [&] { early(); });
    if (!columns_.therapist_alliance.empty()) attempt("perspectives", [&] { perspectives(); });
    if (panel_.has_therapist()) attempt("therapist effects", [&] { therapists(); });
    if (!columns_.dropout.empty()) attempt("dropout", [&] { dropout(); });
    attempt("change", [&] { change(); });
    attempt("ruptures", [&] { ruptures(); });
    return std::move(result_);
  }

 private:
  [[nodiscard]] const Eigen::VectorXd& alliance() const {
    return table_.numbers(columns_.alliance);
  }
  [[nodiscard]] const Eigen::VectorXd& outcome() const { return table_.numbers(columns_.outcome); }

  void attempt(const std::string& what, const std::function<void()>& part) {
    try {
      part();
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      result_.warnings.push_back(what + ": left out, since " + error.what());
    }
  }

  void require_variation(const std::string& name) const {
    const Moments all = moments(table_.numbers(name));
    if (all.n_used == 0)
      throw DataError("column \"" + name + "\" has no value; nothing can be analysed",
                      file_of(table_));
    if (all.minimum == all.maximum)
      throw DataError(
          "column \"" + name + "\" is constant (" + text(all.minimum) + "); it has to vary",
          file_of(table_));
  }

  /// Within-patient effects need patients with two sessions, and between-patient effects two
  /// patients.
  void require_repeated_sessions() {
    Eigen::VectorXd both = alliance() + outcome();
    Index patients = 0;
    Index repeated = 0;
    Index sessions = 0;
    for (Index p = 0; p < panel_.patients(); ++p) {
      Index count = 0;
      for (Index k = panel_.first[static_cast<std::size_t>(p)];
           k < panel_.first[static_cast<std::size_t>(p) + 1]; ++k)
        if (!is_missing(both[panel_.order[static_cast<std::size_t>(k)]])) ++count;
      sessions += count;
      if (count > 0) ++patients;
      if (count > 1) ++repeated;
    }
    if (patients < 2)
      throw DataError("only " + std::to_string(patients) + " patient (column \"" +
                          columns_.patient +
                          "\") has alliance and outcome; at least 2 are required",
                      file_of(table_));
    if (repeated == 0)
      throw DataError(
          "no patient (column \"" + columns_.patient +
              "\") has two sessions with alliance and outcome; within-patient effects need them",
          file_of(table_));
    random_slope_ = sessions > 2 * patients;
    if (random_slope_) return;
    terms_ = study_terms(columns_, false);
    result_.warnings.push_back("with " + std::to_string(sessions) + " sessions of " +
                               std::to_string(patients) +
                               " patients, patients' own slopes cannot be estimated: the models "
                               "have random intercepts only");
  }

  void prepare_sessions() {
    result_.session_table = table_;
    const Eigen::VectorXd& x = alliance();
    const Eigen::VectorXd deviation = detrended_within_group(x, panel_.patient, panel_.session);
    result_.session_table.set("alliance_detrended",
                              Eigen::VectorXd(x - within_group(x, panel_.patient) + deviation));
  }

  void describe_all() {
    std::vector<std::string> names = {columns_.alliance, columns_.outcome};
    if (!columns_.therapist_alliance.empty()) names.push_back(columns_.therapist_alliance);
    result_.sessions = session_counts(panel_, table_.matrix(names));
    for (const std::string& name : names)
      result_.variables.push_back(describe(panel_, table_.numbers(name), name));
    result_.by_session =
        describe_sessions(panel_, alliance(), outcome(), options_.confidence_level);
    if (panel_.n_omitted > 0)
      result_.warnings.push_back(std::to_string(panel_.n_omitted) +
                                 " rows without patient, session or therapist are left out");
    if (result_.sessions.patients < 20)
      result_.warnings.push_back("only " + std::to_string(result_.sessions.patients) +
                                 " patients: differences between patients are estimated poorly");
  }

  /// A patient of two therapists makes the levels crossed, which changes what "between patients"
  /// means.
  void check_therapists() {
    if (!panel_.has_therapist()) return;
    std::set<std::pair<std::int32_t, std::int32_t>> pairs;
    std::set<std::int32_t> patients;
    for (const Index row : panel_.order) {
      const std::int32_t patient = panel_.patient.codes[static_cast<std::size_t>(row)];
      pairs.emplace(patient, panel_.therapist.codes[static_cast<std::size_t>(row)]);
      patients.insert(patient);
    }
    if (pairs.size() > patients.size())
      result_.warnings.push_back(
          std::to_string(pairs.size() - patients.size()) +
          " patients have sessions with more than one therapist: patients and therapists are "
          "crossed; "
          "if codes of patients repeat between therapists, make them distinct");
    if (result_.sessions.therapists < 10)
      result_.warnings.push_back(
          "only " + std::to_string(result_.sessions.therapists) +
          " therapists: differences between therapists are estimated poorly");
  }

  const FittedModel& fit(const std::string& name, const std::string& question,
                         const std::string& formula, bool of_patients = false) {
    result_.models.push_back(
        {.name = name,
         .of_patients = of_patients,
         .question = question,
         .model = FittedModel(formula, of_patients ? result_.patients : result_.session_table,
                              options_.confidence_level)});
    const FittedModel& model = result_.models.back().model;
    if (!model.fit().optimizer.converged)
      result_.warnings.push_back("model `" + name +
                                 "` stopped before its optimum; its numbers are not final");
    if (model.fit().optimizer.singular)
      result_.warnings.push_back(
          "model `" + name + "`: " + without_prefix(model.fit().optimizer.message, "converged; "));
    for (const std::string& dropped : model.fit().fixed.dropped)
      result_.warnings.push_back("model `" + name + "`: `" + dropped +
                                 "` depends on other terms and is left out");
    return model;
  }

  /// The parts that every model of levels has.
  [[nodiscard]] std::string between_terms() const {
    return terms_.between_patient +
           (terms_.between_therapist.empty() ? "" : " + " + terms_.between_therapist);
  }
  [[nodiscard]] std::string treatment_term() const {
    return columns_.treatment.empty() ? "" : " + " + quoted_name(columns_.treatment);
  }

  void disaggregation() {
    const FittedModel& model =
        fit("within_between", "alliance within and between patients and therapists",
            terms_.outcome + " ~ " + terms_.session + " + " + terms_.within + " + " +
                between_terms() + treatment_term() + " + " + terms_.random);
    result_.disaggregation = disaggregate(model, table_, panel_, columns_);
    result_.n_used = model.fit().data.observations;
    if (result_.disaggregation->reliability < 0.8)
      result_.warnings.push_back(
          "the patients' mean alliance has a reliability of " +
          text(result_.disaggregation->reliability) +
          ": the uncorrected between-patient effect is drawn towards the within-patient one");
  }

  /// The same question by other centrings, so that a reader sees what depends on the choice.
  void specifications() {
    const StudyModel* main = nullptr;
    for (const StudyModel& model : result_.models)
      if (model.name == "within_between") main = &model;
    if (main == nullptr) return;
    result_.specifications.push_back(
        {.model = main->name,
         .estimand = "person-mean centred, time in the model: sessions above the patient's own "
                     "mean, the outcome's course apart",
         .effect = result_.disaggregation->within});
    const auto add = [&](const std::string& name, const std::string& estimand,
                         const std::string& term, const std::string& rest) {
      const FittedModel& model =
          fit(name, estimand,
              terms_.outcome + " ~ " + term + rest + treatment_term() + " + " + terms_.random);
      result_.specifications.push_back(
          {.model = name, .estimand = estimand, .effect = model.effect(term)});
    };
    const std::string time = " + " + terms_.session;
    add("not_centred", "no centring: a blend of the effects within and between patients",
        terms_.alliance, time);
    add("without_time",
        "person-mean centred without time: shared trends of alliance and outcome count as effect",
        terms_.within, " + " + between_terms());
    add("detrended",
        "deviations from the patient's own line over sessions: only what departs from the "
        "patient's trend",
        "within(alliance_detrended, " + terms_.patient + ")", time + " + " + between_terms());
  }

  void by_session() {
    const FittedModel& model =
        fit("by_session", "does the alliance's effect change with sessions",
            terms_.outcome + " ~ " + terms_.session + " * " + terms_.within + " + " +
                between_terms() + treatment_term() + " + " + terms_.random);
    std::vector<double> sessions;
    for (const double session : {1.0, 3.0, 5.0, 10.0, result_.by_session.back().session})
      if (session <= result_.by_session.back().session &&
          session >= result_.by_session.front().session &&
          std::find(sessions.begin(), sessions.end(), session) == sessions.end())
        sessions.push_back(session);
    result_.session_moderation =
        moderate_by_session(model, columns_, sessions, options_.confidence_level);
  }

  void by_treatment() {
    const std::string treatment = quoted_name(columns_.treatment);
    const FittedModel& model =
        fit("by_treatment", "does the alliance work alike whatever the treatment",
            terms_.outcome + " ~ " + terms_.session + " * " + treatment + " + " + terms_.within +
                " * " + treatment + " + " + between_terms() + " + " + terms_.random);
    const double standardizer = result_.variables[0].sd_within / result_.variables[1].sd_within;
    result_.treatment_moderation = moderate_by_treatment(model, table_, columns_, standardizer);
  }

  void lagged() {
    const FittedModel& forward =
        fit("alliance_to_outcome", "alliance one session earlier and the outcome",
            lagged_formula(columns_, columns_.alliance, columns_.outcome));
    result_.alliance_to_outcome = lagged_influence(forward, table_, columns_);
    const FittedModel& backward =
        fit("outcome_to_alliance", "outcome one session earlier and the alliance",
            lagged_formula(columns_, columns_.outcome, columns_.alliance));
    result_.outcome_to_alliance = lagged_influence(backward, table_, columns_);
    if (result_.sessions.median < 15)
      result_.warnings.push_back("lagged models: with a median of " +
                                 text(result_.sessions.median) +
                                 " sessions a patient, centring on the patient's mean biases an "
                                 "effect that is adjusted for the previous outcome "
                                 "(Nickell 1981); read the cross-lagged panel model instead");
  }

  void correlations() {
    std::vector<std::string> names = {columns_.alliance, columns_.outcome};
    if (!columns_.therapist_alliance.empty()) names.push_back(columns_.therapist_alliance);
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = i + 1; j < names.size(); ++j)
        result_.correlations.push_back(
            {.x = names[i],
             .y = names[j],
             .correlation = within_between_correlation(
                 table_.numbers(names[i]), table_.numbers(names[j]), panel_.patient.codes,
                 {.confidence_level = options_.confidence_level})});
  }

  void early() {
    const FittedModel effect =
        fit("early_alliance", "early alliance and the final outcome, adjusted for intake",
            early_formula(result_.patients, false), true);
    const FittedModel adjusted =
        fit("early_alliance_adjusted", "the same, adjusted for the change before",
            early_formula(result_.patients, true), true);
    result_.early = early_alliance(effect, adjusted, result_.patients, options_.early_sessions,
                                   result_.variables[0].icc);
  }

  void perspectives() {
    const FittedModel& model = fit("perspectives", "both ratings of the alliance in one model",
                                   perspective_formula(columns_, random_slope_));
    result_.perspectives =
        compare_perspectives(model, table_, result_.patients, columns_, options_.seed,
                             {.replicates = options_.replicates,
                              .confidence_level = options_.confidence_level,
                              .interval = BootstrapInterval::percentile,
                              .threads = options_.threads});
  }

  void therapists() {
    const FittedModel model = fit("therapists", "how much therapists differ in the final outcome",
                                  "final ~ intake + (1 | therapist)", true);
    const FittedModel split = fit(
        "therapists_split", "whose alliance counts: the patient's or the therapist's",
        "final ~ intake + within(mean_alliance, therapist) + between(mean_alliance, therapist) + "
        "(1 | therapist)",
        true);
    result_.therapists =
        therapist_effects(model, split, result_.patients, options_.confidence_level);
  }

  /// Hazard and retention; the columns that the hazard rests on go to the table of sessions.
  void dropout() {
    const PersonPeriod period = person_period(table_, {.patient = columns_.patient,
                                                       .session = columns_.session,
                                                       .alliance = columns_.alliance,
                                                       .therapist = columns_.therapist,
                                                       .dropout = columns_.dropout,
                                                       .completed = ""});
    for (const char* name : {"leaves", "alliance_within", "alliance_between"}) {
      Eigen::VectorXd all = Eigen::VectorXd::Constant(table_.rows(), missing);
      all(period.rows) = period.table.numbers(name);
      result_.session_table.set(name, std::move(all));
    }
    result_.dropout = dropout_hazard(
        period, {.frailty = panel_.has_therapist() ? Frailty::therapist : Frailty::none,
                 .confidence_level = options_.confidence_level});
    for (const std::string& warning : result_.dropout->warnings)
      result_.warnings.push_back("dropout: " + warning);
    result_.retention =
        retention_by_alliance(period, {.confidence_level = options_.confidence_level});
  }

  void change() {
    result_.change =
        outcome_change(result_.patients, panel_, outcome(), options_.outcome_reliability);
  }

  void ruptures() {
    result_.ruptures = find_ruptures(panel_, alliance(), options_.ruptures);
    result_.aftermath =
        rupture_aftermath(panel_, *result_.ruptures, outcome(), options_.ruptures.repair_sessions,
                          options_.confidence_level);
  }

  [[nodiscard]] RaterAgreement agree(const Eigen::VectorXd& client,
                                     const Eigen::VectorXd& therapist) const {
    Eigen::MatrixXd ratings(client.size(), 2);
    ratings << client, therapist;
    const double level = options_.confidence_level;
    return {.bland_altman = bland_altman(client, therapist, {.confidence_level = level}),
            .icc = intraclass_correlation(ratings, {.confidence_level = level}),
            .concordance = concordance_correlation(client, therapist, {.confidence_level = level})};
  }

  /// On the sessions that both rated.
  void agreement() {
    Eigen::VectorXd client = alliance();
    Eigen::VectorXd therapist = table_.numbers(columns_.therapist_alliance);
    for (Index i = 0; i < client.size(); ++i)
      if (is_missing(client[i]) || is_missing(therapist[i])) client[i] = therapist[i] = missing;
    result_.agreement = agree(client, therapist);
    result_.agreement_of_means =
        agree(group_means(client, panel_.patient), group_means(therapist, panel_.patient));
  }

  void congruence() {
    const Eigen::VectorXd& therapist = table_.numbers(columns_.therapist_alliance);
    result_.congruence = response_surface(outcome(), alliance(), therapist,
                                          {.confidence_level = options_.confidence_level,
                                           .centre = pooled_mean(alliance(), therapist),
                                           .patient = panel_.patient.codes});
  }

  /// The first sessions, in so far as half of the patients have them: at most five.
  void cross_lagged() {
    std::vector<double> waves;
    for (const SessionDescription& at : result_.by_session) {
      const bool common = 2 * at.n_both >= result_.sessions.patients;
      const bool next = waves.empty() || at.session == waves.back() + 1;
      if (!common && waves.empty()) continue;
      if (!common || !next || waves.size() == 5) break;
      waves.push_back(at.session);
    }
    if (waves.size() < 3)
      throw DataError("fewer than 3 consecutive sessions are shared by half of the patients");
    result_.cross_lagged = StudyCrossLagged{
        .waves = waves,
        .fit = random_intercept_cross_lagged(
            in_waves(panel_, alliance(), waves), in_waves(panel_, outcome(), waves),
            {.equal_over_time = true, .confidence_level = options_.confidence_level})};
    if (!result_.cross_lagged->fit.proper || !result_.cross_lagged->fit.converged)
      result_.warnings.emplace_back(
          "cross-lagged panel model: no proper solution; its estimates should not be read");
  }

  const Table& table_;
  StudyColumns columns_;
  StudyOptions options_;
  Panel panel_;
  StudyTerms terms_;
  bool random_slope_ = true;
  StudyAnalysis result_{};
};

}  // namespace

StudyAnalysis analyse_study(const Table& table, const StudyColumns& columns,
                            const StudyOptions& options) {
  require_level("analyse_study", "confidence_level", options.confidence_level);
  require_at_least("analyse_study", "early_sessions", options.early_sessions, 1);
  return Study(table, columns, options).analyse();
}

}  // namespace rapport
