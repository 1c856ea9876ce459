#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/patients.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace rapport {
namespace {

/// What the columns of the table hold before they are one.
struct PatientColumns {
  Eigen::VectorXd sessions, mean, intake, prior_change, last, left;
  Eigen::MatrixXd early;  ///< a column a rater

  PatientColumns(Index n, Index raters)
      : sessions(Eigen::VectorXd::Zero(n)),
        mean(empty(n)),
        intake(empty(n)),
        prior_change(empty(n)),
        last(empty(n)),
        left(Eigen::VectorXd::Zero(n)),
        early(n, raters) {}

  static Eigen::VectorXd empty(Index n) { return Eigen::VectorXd::Constant(n, missing); }
};

/// A running mean of what is present.
class Mean {
 public:
  void add(double x) {
    if (is_missing(x)) return;
    sum_ += x;
    ++n_;
  }
  [[nodiscard]] double value() const { return n_ == 0 ? missing : sum_ / n_; }

 private:
  double sum_ = 0;
  double n_ = 0;
};

/// What the patients' rows are made from; an empty vector stands for a variable that the study has
/// not.
struct Sessions {
  const Panel& panel;
  const Eigen::MatrixXd& ratings;  ///< a column a rater, the client's first
  const Eigen::VectorXd& outcome;
  const Eigen::VectorXd& dropout;
  double early;  ///< the last session of the early alliance
};

/// One patient's row from its sessions in order.
void fill(PatientColumns& columns, Index patient, const std::vector<Index>& rows,
          const Sessions& sessions) {
  const auto& [panel, ratings, outcome, dropout, early_sessions] = sessions;
  Mean all;
  std::vector<Mean> early(static_cast<std::size_t>(ratings.cols()));
  double at_early = missing;
  for (const Index row : rows) {
    const bool is_early = panel.session[row] <= early_sessions;
    const double rating = ratings.cols() > 0 ? ratings(row, 0) : missing;
    all.add(rating);
    for (Index j = 0; is_early && j < ratings.cols(); ++j)
      early[static_cast<std::size_t>(j)].add(ratings(row, j));
    if (dropout.size() > 0 && dropout[row] == 1) columns.left[patient] = 1;
    if (!is_missing(rating) || !is_missing(outcome[row])) columns.sessions[patient] += 1;
    if (is_missing(outcome[row])) continue;
    if (is_missing(columns.intake[patient])) columns.intake[patient] = outcome[row];
    if (is_early) at_early = outcome[row];
    if (!is_early) columns.last[patient] = outcome[row];
  }
  for (Index j = 0; j < ratings.cols(); ++j)
    columns.early(patient, j) = early[static_cast<std::size_t>(j)].value();
  columns.mean[patient] = all.value();
  columns.prior_change[patient] = at_early - columns.intake[patient];
}

/// A factor's level at each patient's first session.
Factor at_first_session(const Factor& factor, const Panel& panel,
                        const std::vector<Index>& patients) {
  Factor result{.codes = {}, .levels = factor.levels};
  for (const Index p : patients) {
    const Index row =
        panel.order[static_cast<std::size_t>(panel.first[static_cast<std::size_t>(p)])];
    result.codes.push_back(factor.codes[static_cast<std::size_t>(row)]);
  }
  return result;
}

}  // namespace

std::string early_column(const StudyRater& rater) {
  return rater.name == "client" ? "early_alliance" : "early_" + rater.name + "_alliance";
}

Table patient_table(const Table& table, const Panel& panel, const StudyColumns& columns,
                    Index early_sessions) {
  const Eigen::VectorXd none;
  const auto numbers = [&](const std::string& name) -> const Eigen::VectorXd& {
    return name.empty() ? none : table.numbers(name);
  };
  const std::vector<StudyRater> raters = raters_of(columns);
  std::vector<std::string> rating_columns;
  for (const StudyRater& rater : raters) rating_columns.push_back(rater.column);
  const Eigen::MatrixXd ratings =
      raters.empty() ? Eigen::MatrixXd(table.rows(), 0) : table.matrix(rating_columns);
  const Sessions sessions{.panel = panel,
                          .ratings = ratings,
                          .outcome = numbers(columns.outcome),
                          .dropout = numbers(columns.dropout),
                          .early = static_cast<double>(early_sessions)};
  PatientColumns filled(panel.patients(), ratings.cols());
  std::vector<Index> patients;
  for (Index p = 0; p < panel.patients(); ++p) {
    const auto from = panel.order.begin() + panel.first[static_cast<std::size_t>(p)];
    const auto to = panel.order.begin() + panel.first[static_cast<std::size_t>(p) + 1];
    if (from == to) continue;
    patients.push_back(p);
    fill(filled, p, {from, to}, sessions);
  }
  Table result;
  result.add("patient", at_first_session(panel.patient, panel, patients));
  if (panel.has_therapist())
    result.add("therapist", at_first_session(panel.therapist, panel, patients));
  if (!columns.treatment.empty())
    result.add("treatment", at_first_session(table.factor(columns.treatment), panel, patients));
  const auto add = [&](const std::string& name, const Eigen::VectorXd& values) {
    result.add(name, Eigen::VectorXd(values(patients)));
  };
  add("sessions", filled.sessions);
  for (std::size_t k = 0; k < raters.size(); ++k)
    add(early_column(raters[k]), filled.early.col(static_cast<Index>(k)));
  if (!raters.empty()) add("mean_alliance", filled.mean);
  add("intake", filled.intake);
  add("prior_change", filled.prior_change);
  add("final", filled.last);
  if (!columns.dropout.empty()) add("left", filled.left);
  return result;
}

std::string early_formula(const Table& patients, bool with_prior_change) {
  std::string formula = "final ~ early_alliance + intake";
  if (with_prior_change) formula += " + prior_change";
  if (patients.contains("therapist")) formula += " + (1 | therapist)";
  return formula;
}

std::string early_treatment_formula(const Table& patients) {
  return std::string("final ~ early_alliance * treatment + intake") +
         (patients.contains("therapist") ? " + (1 | therapist)" : "");
}

ContrastTest treatment_interaction(const FittedModel& model) {
  std::vector<std::string> products;
  for (const std::string& term : model.fit().fixed.terms)
    if (term.rfind("early_alliance:", 0) == 0) products.push_back(term);
  return model.joint_test(products);
}

EarlyAlliance early_alliance(const FittedModel& effect, const FittedModel& adjusted,
                             const Table& patients, Index early_sessions, double icc) {
  const double level = effect.effect("early_alliance").ci.level;
  const Eigen::VectorXd& early = patients.numbers("early_alliance");
  const Eigen::VectorXd& last = patients.numbers("final");
  const Eigen::MatrixXd intake = patients.matrix({"intake"});
  EarlyAlliance result{
      .sessions = early_sessions,
      .correlation = pearson_correlation(early, last, {.confidence_level = level}),
      .partial = partial_correlation(early, last, intake, {.confidence_level = level}),
      .semi_partial = partial_correlation(
          early, last, intake, {.remove_from = RemoveFrom::y, .confidence_level = level}),
      .effect = effect.effect("early_alliance"),
      .adjusted = adjusted.effect("early_alliance"),
      .treatment = {},
      .reliability = Eigen::VectorXd(10),
      .n_used = effect.fit().data.observations};
  for (Index k = 0; k < result.reliability.size(); ++k) {
    const auto n = static_cast<double>(k + 1);
    result.reliability[k] = n * icc / (1 + (n - 1) * icc);
  }
  return result;
}

TherapistEffects therapist_effects(const FittedModel& model, const FittedModel& split,
                                   const Table& patients, double level) {
  const RandomEffects& random = model.fit().random[0];
  const double residual = model.fit().residual.sd * model.fit().residual.sd;
  const auto share = [&](double sd) { return sd * sd / (sd * sd + residual); };
  TherapistEffects result{};
  result.share = share(random.sd[0]);
  result.share_ci = {.lower = missing, .upper = missing, .level = level};
  for (const ParameterInterval& parameter : profile_intervals(model.model(), level))
    if (parameter.parameter == "sd((Intercept)|therapist)")
      result.share_ci = {
          .lower = share(parameter.ci.lower), .upper = share(parameter.ci.upper), .level = level};
  const FittedModel without("final ~ intake", patients.select(model.design().rows), level);
  result.p_value = likelihood_ratio_test(without.fit(), model.fit()).p_value_boundary;
  const std::string within = "within(mean_alliance, therapist)";
  const std::string between = "between(mean_alliance, therapist)";
  result.within_therapists = split.effect(within);
  result.between_therapists = split.effect(between);
  result.difference = split.combination({{between, 1.0}, {within, -1.0}});
  result.n_patients = model.fit().data.observations;
  const Factor therapist = patients.factor("therapist");
  for (std::size_t j = 0; j < random.levels.size(); ++j) {
    const auto i = static_cast<Index>(j);
    TherapistEstimate one{
        .therapist = random.levels[j],
        .patients = std::count(model.design().random[0].group.begin(),
                               model.design().random[0].group.end(), static_cast<std::int32_t>(j)),
        .effect = random.blups(i, 0),
        .standard_error = std::sqrt(random.conditional_covariance(i, 0)),
        .left = 0};
    for (Index p = 0; p < patients.rows() && patients.contains("left"); ++p)
      if (therapist.codes[static_cast<std::size_t>(p)] >= 0 &&
          therapist
                  .levels[static_cast<std::size_t>(therapist.codes[static_cast<std::size_t>(p)])] ==
              one.therapist &&
          patients.numbers("left")[p] == 1)
        ++one.left;
    result.therapists.push_back(std::move(one));
  }
  std::sort(
      result.therapists.begin(), result.therapists.end(),
      [](const TherapistEstimate& a, const TherapistEstimate& b) { return a.effect < b.effect; });
  return result;
}

OutcomeChange outcome_change(const Table& patients, const Panel& panel, const VectorView& outcome,
                             double reliability) {
  OutcomeChange result{
      .reliability = reliability,
      .change = reliable_change(patients.numbers("intake"), patients.numbers("final"), reliability,
                                Direction::worse),
      .persons = {},
      .gains = {},
      .losses = {},
      .gain_cutoff = missing,
      .sessions = {}};
  const Factor patient = patients.factor("patient");
  for (Index row = 0; row < patients.rows(); ++row)
    result.persons.push_back(
        patient.levels[static_cast<std::size_t>(patient.codes[static_cast<std::size_t>(row)])]);
  result.gain_cutoff = result.change.reliable_change_threshold;
  std::set<double> sessions;
  for (const Index row : panel.order)
    if (!is_missing(outcome[row])) sessions.insert(panel.session[row]);
  result.sessions.assign(sessions.begin(), sessions.end());
  if (result.sessions.size() < 4 || result.sessions.size() > 200) return result;
  const Eigen::MatrixXd scores = in_waves(panel, outcome, result.sessions);
  result.gains = sudden_gains(scores, result.gain_cutoff);
  result.losses = sudden_losses(scores, result.gain_cutoff);
  return result;
}

}  // namespace rapport
