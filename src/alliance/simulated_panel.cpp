#include <rapport/alliance/simulated_panel.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace rapport {
namespace {

/// "P007": numbers of one width, so that text order is their order.
std::string code(char letter, Index number, Index largest) {
  const std::string digits = std::to_string(number);
  return letter + std::string(std::to_string(largest).size() - digits.size(), '0') + digits;
}

double questionnaire(double value, double low, double high, bool rounded) {
  return rounded ? std::clamp(std::round(value), low, high) : value;
}

/// The columns of the study as they grow.
struct Rows {
  std::vector<std::string> therapist, patient, treatment;
  std::vector<double> session, client, rated_by_therapist, symptoms, dropped;
};

Eigen::VectorXd column(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

/// What stays the same over a patient's sessions.
struct Patient {
  double therapist;    ///< T
  double alliance;     ///< P
  double symptoms;     ///< v
  double slope;        ///< slope + s + what the treatment adds
  double discrepancy;  ///< what the therapist sees differently
};

/// One patient's sessions until the last or until leaving.
void add_patient(const SimulatedPanelOptions& o, const Patient& p,
                 const std::vector<std::string>& names, RandomStream& random, Rows& rows) {
  double w = o.session_sd * random.normal();
  const double innovation = o.session_sd * std::sqrt(1 - o.autocorrelation * o.autocorrelation);
  for (Index session = 1; session <= o.sessions; ++session) {
    const double t = static_cast<double>(session);
    if (session > 1) w = o.autocorrelation * w + innovation * random.normal();
    const double alliance = 60 + p.therapist + p.alliance + o.trend * std::log(t) + w;
    const double seen = 56 + 0.6 * (alliance - 60) + p.discrepancy + 4 * random.normal();
    const double symptoms = 15 + p.symptoms + p.slope * (t - 1) + o.within_effect * w +
                            o.between_patient_effect * p.alliance +
                            o.between_therapist_effect * p.therapist +
                            o.residual_sd * random.normal();
    const bool missed = random.uniform() < o.missed;
    const bool unrated = random.uniform() < o.missed;
    const double odds = o.dropout / (1 - o.dropout) * std::exp(-0.15 * w);
    const bool leaves = session < o.sessions && random.uniform() < odds / (1 + odds);
    if (missed && session > 1 && !leaves) continue;
    rows.patient.push_back(names[0]);
    rows.therapist.push_back(names[1]);
    rows.treatment.push_back(names[2]);
    rows.session.push_back(t);
    rows.client.push_back(questionnaire(alliance, 12, 84, o.rounded));
    rows.rated_by_therapist.push_back(unrated ? missing : questionnaire(seen, 12, 84, o.rounded));
    rows.symptoms.push_back(questionnaire(symptoms, 0, 27, o.rounded));
    rows.dropped.push_back(leaves ? 1 : 0);
    if (leaves) return;
  }
}

void validate(const SimulatedPanelOptions& o) {
  require_at_least("simulate_panel", "patients", o.patients, 1);
  require_at_least("simulate_panel", "therapists", o.therapists, 1);
  require_at_least("simulate_panel", "sessions", o.sessions, 1);
  if (!(std::abs(o.autocorrelation) < 1))
    throw InvalidArgument("simulate_panel: `autocorrelation` must lie within (-1, 1)");
  if (!(o.missed >= 0 && o.missed < 1))
    throw InvalidArgument("simulate_panel: `missed` must lie in [0, 1)");
  if (!(o.dropout >= 0 && o.dropout < 1))
    throw InvalidArgument("simulate_panel: `dropout` must lie in [0, 1)");
}

}  // namespace

Table simulate_panel(Seed seed, const SimulatedPanelOptions& options) {
  validate(options);
  RandomStream of_therapists(seed, 0);
  Eigen::VectorXd therapist(options.therapists);
  for (double& t : therapist) t = options.therapist_sd * of_therapists.normal();
  Rows rows;
  for (Index p = 0; p < options.patients; ++p) {
    RandomStream random(seed, static_cast<std::uint64_t>(p) + 1);
    const Index j = p % options.therapists;
    const bool second = (p / options.therapists) % 2 == 1;
    const std::vector<std::string> names = {code('P', p + 1, options.patients),
                                            code('T', j + 1, options.therapists),
                                            second ? "TAU" : "CBT"};
    Patient patient{};
    patient.therapist = therapist[j];
    patient.alliance = options.patient_sd * random.normal();
    patient.symptoms = options.symptom_sd * random.normal();
    patient.slope = options.slope + options.symptom_slope_sd * random.normal() +
                    (second ? 0 : options.treatment_slope);
    patient.discrepancy = 4 * random.normal();
    add_patient(options, patient, names, random, rows);
  }
  Table table;
  table.add("therapist", make_factor(rows.therapist));
  table.add("patient", make_factor(rows.patient));
  table.add("session", column(rows.session));
  table.add("wai_client", column(rows.client));
  table.add("wai_therapist", column(rows.rated_by_therapist));
  table.add("phq9", column(rows.symptoms));
  table.add("treatment", make_factor(rows.treatment));
  table.add("dropped", column(rows.dropped));
  return table;
}

}  // namespace rapport
