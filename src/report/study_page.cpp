#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/report/alliance.hpp>
#include <rapport/report/text.hpp>
#include <rapport/version.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace rapport::report {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string count(Index n) { return std::to_string(n); }

std::string p_text(double p) {
  const std::string text = p_value(p);
  return text.front() == '<' ? "p " + text : "p = " + text;
}

std::string interval(const ConfidenceInterval& ci, int decimals = 2) {
  return "[" + number(ci.lower, decimals) + ", " + number(ci.upper, decimals) + "]";
}

std::string ci_heading(double level) { return number(100 * level, 0) + " % CI"; }

const std::vector<std::string> estimate_cells(const ContrastEstimate& e) {
  return {number(e.estimate, 3), number(e.standard_error, 3),
          interval(e.ci, 3),     number(e.statistic),
          number(e.df, 1),       p_value(e.p_value)};
}

std::vector<std::string> row(const std::string& name, const ContrastEstimate& e) {
  std::vector<std::string> cells = {name};
  for (const std::string& cell : estimate_cells(e)) cells.push_back(cell);
  return cells;
}

std::vector<std::string> estimate_header(const std::string& what, double level) {
  return {what, "b", "SE", ci_heading(level), "t", "df", "p"};
}

Eigen::VectorXd vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

/// FNV-1a over every cell, so that a reader can tell whether two pages rest on the same data.
std::string fingerprint(const Table& table) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  const auto add = [&](std::uint64_t value) {
    for (int byte = 0; byte < 8; ++byte)
      hash = (hash ^ ((value >> (8 * byte)) & 0xFFU)) * 0x100000001B3U;
  };
  for (Index j = 0; j < table.columns(); ++j) {
    for (const char c : table.at(j).name) add(static_cast<unsigned char>(c));
    if (const auto* numbers = std::get_if<Eigen::VectorXd>(&table.at(j).values)) {
      for (const double x : *numbers)
        add(is_missing(x) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(x));
      continue;
    }
    const auto& factor = std::get<Factor>(table.at(j).values);
    for (const std::string& level : factor.levels)
      for (const char c : level) add(static_cast<unsigned char>(c));
    for (const std::int32_t code : factor.codes) add(static_cast<std::uint64_t>(code));
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

class StudyPage {
 public:
  StudyPage(const StudyAnalysis& study, const Table& table, const StudyPageOptions& options)
      : study_(study),
        table_(table),
        options_(options),
        alliance_(table.numbers(study.columns.alliance)),
        outcome_(table.numbers(study.columns.outcome)),
        patient_(table.factor(study.columns.patient)),
        level_(study.level) {}

  Page page() {
    Page page;
    page.title = "Alliance and outcome";
    page.subtitle = study_.columns.alliance + " and " + study_.columns.outcome + ": " +
                    count(study_.sessions.sessions) + " sessions of " +
                    count(study_.sessions.patients) + " patients" +
                    (study_.sessions.therapists > 0
                         ? " with " + count(study_.sessions.therapists) + " therapists"
                         : "");
    page.warnings = study_.warnings;
    page.sections = {summary(), data()};
    if (study_.agreement) page.sections.push_back(agreement());
    page.sections.push_back(by_session());
    if (study_.disaggregation) page.sections.push_back(levels());
    if (study_.session_moderation || study_.treatment_moderation)
      page.sections.push_back(moderation());
    page.sections.push_back(lags());
    if (study_.early) page.sections.push_back(early());
    if (study_.perspectives) page.sections.push_back(perspectives());
    if (study_.congruence) page.sections.push_back(congruence());
    if (study_.therapists) page.sections.push_back(therapists());
    if (study_.dropout) page.sections.push_back(dropout());
    if (study_.change) page.sections.push_back(change());
    if (study_.ruptures) page.sections.push_back(ruptures());
    page.sections.push_back(models());
    page.sections.push_back(methods());
    page.footer = "rapport " + std::string(version) + ". Data: " + count(table_.rows()) +
                  " rows, fingerprint " + fingerprint(table_) + "." +
                  (options_.command.empty() ? "" : " Command: " + options_.command);
    return page;
  }

 private:
  [[nodiscard]] std::string patient_name(Index patient) const {
    return options_.show_ids ? patient_.levels[static_cast<std::size_t>(patient)]
                             : "Patient " + count(patient + 1);
  }

  [[nodiscard]] PageSection summary() const {
    BulletList found;
    std::string line;
    for (const char c : study_text(study_) + "\n") {
      if (c != '\n') {
        line += c;
        continue;
      }
      if (!line.empty() && line.front() == ' ' && !found.items.empty())
        found.items.back() += line.substr(1);
      else if (!line.empty())
        found.items.push_back(line);
      line.clear();
    }
    if (!found.items.empty()) found.items.erase(found.items.begin());  // its heading
    return {.title = "What was found", .blocks = {std::move(found)}};
  }

  [[nodiscard]] PageSection data() const {
    PageTable variables{.caption = "Variables over sessions",
                        .header = {"Variable", "n", "missing", "M", "SD", "SD within", "SD between",
                                   "ICC", "λ of means", "range"},
                        .rows = {},
                        .note =
                            "SD within: of deviations from a patient's own mean; SD between: of "
                            "patients' means; ICC: share of "
                            "the variance between patients; λ: reliability of a patient's mean."};
    for (const VariableDescription& v : study_.variables)
      variables.rows.push_back({v.name, count(v.moments.n_used), count(v.moments.n_omitted),
                                number(v.moments.mean), number(v.moments.sd), number(v.sd_within),
                                number(v.sd_between), number(v.icc), number(v.reliability),
                                number(v.moments.minimum) + " to " + number(v.moments.maximum)});
    std::vector<double> session, alliance, outcome;
    for (const SessionDescription& at : study_.by_session) {
      session.push_back(at.session);
      alliance.push_back(static_cast<double>(at.n_alliance));
      outcome.push_back(static_cast<double>(at.n_outcome));
    }
    Figure figure;
    figure.title = "Patients with data at each session";
    figure.caption = "How many patients have a rating: later sessions rest on those who stayed.";
    figure.x = {.label = study_.columns.session};
    figure.y = {.label = "patients", .lower = 0};
    figure.layers.emplace_back(Line{.x = vector_of(session),
                                    .y = vector_of(alliance),
                                    .series = 0,
                                    .label = study_.columns.alliance});
    figure.layers.emplace_back(Line{.x = vector_of(session),
                                    .y = vector_of(outcome),
                                    .series = 1,
                                    .label = study_.columns.outcome});
    figure.height = 300;
    return {.title = "Data", .blocks = {std::move(variables), std::move(figure)}};
  }

  static std::vector<std::string> icc_row(const IccResult& icc, const std::string& form,
                                          const std::string& meaning) {
    const IccForm& f = icc_form(icc, form);
    return {f.form + " (" + f.name + ")", number(f.estimate), interval(f.ci), meaning};
  }

  [[nodiscard]] PageSection agreement() const {
    const RaterAgreement& a = *study_.agreement;
    PageTable table{.caption = "Client and therapist on the same sessions",
                    .header = {"Coefficient", "estimate", ci_heading(level_), "meaning"},
                    .rows = {},
                    .note = "Over " + count(a.bland_altman.n_used) +
                            " sessions as if they were independent; sessions of one patient are "
                            "not, so intervals are too narrow."};
    table.rows = {
        icc_row(a.icc, "ICC(2,1)", "agreement of single ratings"),
        icc_row(a.icc, "ICC(3,1)", "consistency of single ratings"),
        {"Lin's CCC", number(a.concordance.estimate), interval(a.concordance.ci),
         "agreement with the line of identity"},
        {"Mean difference", number(a.bland_altman.bias), interval(a.bland_altman.ci),
         "client − therapist"},
        {"Limits of agreement",
         number(a.bland_altman.lower.estimate) + " to " + number(a.bland_altman.upper.estimate), "",
         "where " + number(100 * level_, 0) + " % of differences lie"}};
    if (study_.agreement_of_means) {
      const RaterAgreement& m = *study_.agreement_of_means;
      const IccForm& f = icc_form(m.icc, "ICC(2,1)");
      table.rows.push_back({"ICC(2,1) of patients' means", number(f.estimate), interval(f.ci),
                            count(m.bland_altman.n_used) + " patients"});
    }
    return {.title = "Agreement of client and therapist",
            .blocks = {std::move(table), bland_altman_figure(a), raters_figure()}};
  }

  [[nodiscard]] Figure bland_altman_figure(const RaterAgreement& a) const {
    const Eigen::VectorXd& therapist = table_.numbers(study_.columns.therapist_alliance);
    Figure figure;
    figure.title = "The client rates " + number(std::abs(a.bland_altman.bias), 1) + " points " +
                   (a.bland_altman.bias < 0 ? "lower" : "higher") +
                   " than the therapist on average";
    figure.caption =
        "Bland–Altman plot: solid, the mean difference; dashed, the limits of agreement.";
    figure.x = {.label = "mean of client and therapist"};
    figure.y = {.label = "client − therapist"};
    figure.layers.emplace_back(Points{
        .x = (alliance_ + therapist) / 2, .y = alliance_ - therapist, .series = 0, .hollow = true});
    figure.layers.emplace_back(
        Rule{.at = a.bland_altman.bias, .horizontal = true, .dashed = false});
    figure.layers.emplace_back(Rule{.at = a.bland_altman.lower.estimate, .horizontal = true});
    figure.layers.emplace_back(Rule{.at = a.bland_altman.upper.estimate, .horizontal = true});
    return figure;
  }

  /// Mean of a variable at each session that occurs.
  [[nodiscard]] Line mean_line(const Eigen::VectorXd& x, int series,
                               const std::string& label) const {
    const Factor session = make_factor(table_.numbers(study_.columns.session));
    std::vector<double> at;
    for (const std::string& name : session.levels) at.push_back(std::stod(name));
    return {.x = vector_of(at), .y = group_means(x, session), .series = series, .label = label};
  }

  [[nodiscard]] Figure raters_figure() const {
    Figure figure;
    figure.title = "Mean alliance by session as client and therapist see it";
    figure.caption = "Means over those who rated the session.";
    figure.x = {.label = study_.columns.session};
    figure.y = {.label = "alliance"};
    figure.layers.emplace_back(mean_line(alliance_, 0, "client"));
    figure.layers.emplace_back(
        mean_line(table_.numbers(study_.columns.therapist_alliance), 1, "therapist"));
    figure.height = 320;
    return figure;
  }

  [[nodiscard]] PageSection by_session() const {
    PageTable table{
        .caption = "Alliance and outcome at each session",
        .header = {study_.columns.session, "n", "alliance M", "outcome M", "r", ci_heading(level_)},
        .rows = {},
        .note =
            "Pearson's r over the patients with both, interval by Fisher's z. n falls as patients "
            "leave."};
    std::vector<double> session, r, low, high;
    for (const SessionDescription& at : study_.by_session) {
      table.rows.push_back({number(at.session, 0), count(at.n_both), number(at.alliance_mean),
                            number(at.outcome_mean), number(at.correlation), interval(at.ci)});
      session.push_back(at.session);
      r.push_back(at.correlation);
      low.push_back(at.ci.lower);
      high.push_back(at.ci.upper);
    }
    Figure figure;
    figure.title = "Correlation of alliance and outcome at each session";
    figure.caption =
        "Over patients, with " + ci_heading(level_) + "; later sessions rest on fewer patients.";
    figure.x = {.label = study_.columns.session};
    figure.y = {.label = "r", .lower = -1, .upper = 1};
    figure.layers.emplace_back(Band{
        .x = vector_of(session), .lower = vector_of(low), .upper = vector_of(high), .series = 0});
    figure.layers.emplace_back(Line{.x = vector_of(session), .y = vector_of(r), .series = 0});
    figure.layers.emplace_back(Rule{.at = 0, .horizontal = true});
    figure.height = 320;
    PageSection section{.title = "Correlations", .blocks = {}};
    if (!study_.correlations.empty()) section.blocks.emplace_back(correlations());
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
    return section;
  }

  [[nodiscard]] PageTable correlations() const {
    PageTable table{.caption = "Correlations over sessions, in their two parts",
                    .header = {"Variables", "r within", ci_heading(level_), "r between",
                               ci_heading(level_), "patients"},
                    .rows = {},
                    .note =
                        "Within: of deviations from the patients' means; between: of the patients' "
                        "means, weighted by sessions."};
    for (const StudyCorrelation& c : study_.correlations)
      table.rows.push_back({c.x + " and " + c.y, number(c.correlation.within.estimate),
                            interval(c.correlation.within.ci),
                            number(c.correlation.between.estimate),
                            interval(c.correlation.between.ci), count(c.correlation.clusters)});
    return table;
  }

  [[nodiscard]] PageSection levels() const {
    const Disaggregation& d = *study_.disaggregation;
    PageTable table{
        .caption = "The effect of a point of alliance on " + study_.columns.outcome,
        .header = estimate_header("Level", level_),
        .rows = {row("within patients", d.within), row("between patients", d.between_patient),
                 row("between patients, corrected for λ", d.between_patient_corrected)},
        .note = ""};
    if (d.n_therapists > 0) table.rows.push_back(row("between therapists", d.between_therapist));
    table.rows.push_back(row("between − within patients", d.contextual));
    if (d.n_therapists > 0)
      table.rows.push_back(row("between therapists − between patients", d.therapist_contextual));
    table.note = "Model within_between: " + count(d.n_sessions) + " sessions, " +
                 count(d.n_patients) + " patients (" + count(d.n_patients_within) +
                 " with two or more sessions carry the within effect)" +
                 (d.n_therapists > 0 ? ", " + count(d.n_therapists) + " therapists" : "") +
                 ". Standardised: within " + number(d.standardized_within) + ", between " +
                 number(d.standardized_between) +
                 ". Variance explained by fixed effects: " + number(100 * d.r_squared_within, 0) +
                 " % within, " + number(100 * d.r_squared_between, 0) + " % between patients, " +
                 number(100 * d.r_squared_total, 0) + " % in all. λ = " + number(d.reliability) +
                 ".";
    PageSection section{.title = "Within and between patients",
                        .blocks = {levels_figure(d), std::move(table)}};
    if (!study_.specifications.empty()) section.blocks.emplace_back(specifications());
    return section;
  }

  [[nodiscard]] PageTable specifications() const {
    PageTable table{.caption = "The same effect under other centrings",
                    .header = estimate_header("Model", level_),
                    .rows = {},
                    .note = ""};
    for (const SpecifiedEffect& one : study_.specifications) {
      table.rows.push_back(row(one.model, one.effect));
      table.note += (table.note.empty() ? "" : "; ") + one.model + ": " + one.estimand;
    }
    table.note += ".";
    return table;
  }

  /// Each patient's own least-squares line over the patient's range, and the two slopes of the
  /// model.
  [[nodiscard]] Figure levels_figure(const Disaggregation& d) const {
    Figure figure;
    const bool apart = d.contextual.p_value < 0.05;
    figure.title = apart ? "Within and between patients the slopes differ"
                         : "Within and between patients the slopes do not reliably differ";
    figure.caption =
        "Pale: each patient's own line. Bold: the model's slopes, through the means of both "
        "variables.";
    figure.x = {.label = study_.columns.alliance};
    figure.y = {.label = study_.columns.outcome};
    figure.layers.emplace_back(patient_lines());
    const double x = moments(alliance_).mean;
    const double y = moments(outcome_).mean;
    const auto slope = [&](double b, double reach, int series, const std::string& label) {
      figure.layers.emplace_back(Line{.x = Eigen::VectorXd{{x - reach, x + reach}},
                                      .y = Eigen::VectorXd{{y - b * reach, y + b * reach}},
                                      .series = series,
                                      .label = label});
    };
    slope(d.within.estimate, 2 * study_.variables[0].sd_within, 0, "within patients");
    slope(d.between_patient.estimate, 2 * study_.variables[0].sd_between, 1, "between patients");
    return figure;
  }

  [[nodiscard]] Line patient_lines() const {
    std::vector<std::vector<Index>> rows(patient_.levels.size());
    for (Index i = 0; i < table_.rows(); ++i)
      if (patient_.codes[static_cast<std::size_t>(i)] >= 0 &&
          !is_missing(alliance_[i] + outcome_[i]))
        rows[static_cast<std::size_t>(patient_.codes[static_cast<std::size_t>(i)])].push_back(i);
    std::vector<double> x, y;
    for (const std::vector<Index>& mine : rows) {
      const Eigen::VectorXd a = alliance_(mine);
      const Eigen::VectorXd b = outcome_(mine);
      if (mine.size() < 3 || !(variance(a) > 0)) continue;
      const double slope = covariance(a, b) / variance(a);
      for (const double end : {a.minCoeff(), a.maxCoeff()}) {
        x.push_back(end);
        y.push_back(b.mean() + slope * (end - a.mean()));
      }
      x.push_back(missing);
      y.push_back(missing);
    }
    return {.x = vector_of(x), .y = vector_of(y), .series = 2, .label = "", .faint = true};
  }

  [[nodiscard]] PageSection moderation() const {
    PageSection section{.title = "When and for whom", .blocks = {}};
    if (study_.session_moderation) {
      const SessionModeration& m = *study_.session_moderation;
      PageTable table{.caption = "The within-patient effect at named sessions",
                      .header = estimate_header("Session", level_)};
      std::vector<double> session, b, low, high;
      for (std::size_t k = 0; k < m.sessions.size(); ++k) {
        const ContrastEstimate& slope = m.slopes.slopes[k].slope;
        table.rows.push_back(row(number(m.sessions[k], 0), slope));
        session.push_back(m.sessions[k]);
        b.push_back(slope.estimate);
        low.push_back(slope.ci.lower);
        high.push_back(slope.ci.upper);
      }
      table.rows.push_back(row("change a session", m.interaction));
      if (m.slopes.region) table.note = region_text(*m.slopes.region);
      Figure figure;
      figure.title = m.interaction.p_value < 0.05
                         ? "The within-patient effect changes with sessions"
                         : "The within-patient effect does not reliably change with sessions";
      figure.caption = "Model by_session; band: " + ci_heading(level_) + ".";
      figure.x = {.label = study_.columns.session};
      figure.y = {.label = "effect of a point of alliance"};
      figure.layers.emplace_back(Band{
          .x = vector_of(session), .lower = vector_of(low), .upper = vector_of(high), .series = 0});
      figure.layers.emplace_back(Line{.x = vector_of(session), .y = vector_of(b), .series = 0});
      figure.layers.emplace_back(Rule{.at = 0, .horizontal = true});
      figure.height = 320;
      section.blocks.emplace_back(std::move(figure));
      section.blocks.emplace_back(std::move(table));
    }
    if (study_.treatment_moderation) section.blocks.emplace_back(treatments());
    return section;
  }

  static std::string region_text(const JohnsonNeyman& region) {
    using Region = JohnsonNeyman::Region;
    const std::string start = "Johnson–Neyman: the slope differs from 0 ";
    const std::string range = " (the data have sessions " + number(region.minimum, 0) + " to " +
                              number(region.maximum, 0) + ").";
    switch (region.significant) {
      case Region::inside:
        return start + "between sessions " + number(region.lower, 1) + " and " +
               number(region.upper, 1) + range;
      case Region::outside:
        return start + "before session " + number(region.lower, 1) + " and after " +
               number(region.upper, 1) + range;
      case Region::above:
        return start + "after session " + number(region.lower, 1) + range;
      case Region::below:
        return start + "before session " + number(region.upper, 1) + range;
      case Region::everywhere:
        return start + "at every session.";
      case Region::nowhere:
        return "Johnson–Neyman: the slope differs from 0 at no session.";
    }
    return {};
  }

  [[nodiscard]] PageTable treatments() const {
    const TreatmentModeration& m = *study_.treatment_moderation;
    PageTable table{.caption = "The within-patient effect in each treatment",
                    .header = estimate_header("Treatment", level_)};
    for (const TreatmentSlope& at : m.slopes) table.rows.push_back(row(at.treatment, at.slope));
    for (const TreatmentSlope& at : m.differences)
      table.rows.push_back(row(at.treatment + " − " + m.slopes.front().treatment, at.slope));
    table.note = "Interaction: F(" + number(m.interaction.numerator_df, 0) + ", " +
                 number(m.interaction.denominator_df, 1) +
                 ") = " + number(m.interaction.statistic) + ", " + p_text(m.interaction.p_value) +
                 ". Equivalence within ±" + number(m.equivalence_bound, 3) +
                 " (a standardised slope of 0.1): " + p_text(m.equivalence_p_value) +
                 (m.equivalence_p_value < 0.05 ? ", equivalent." : ", not shown.");
    return table;
  }

  [[nodiscard]] PageSection lags() const {
    PageSection section{.title = "From one session to the next", .blocks = {}};
    if (study_.cross_lagged) {
      const CrossLaggedFit& fit = study_.cross_lagged->fit;
      PageTable table{.caption = "Random-intercept cross-lagged panel model, sessions " +
                                 number(study_.cross_lagged->waves.front(), 0) + " to " +
                                 number(study_.cross_lagged->waves.back(), 0),
                      .header = {"Effect", "b", "SE", ci_heading(level_), "z", "p", "β"},
                      .rows = {},
                      .note = "n = " + count(fit.n_used) + ", χ²(" + number(fit.chi_square.df, 0) +
                              ") = " + number(fit.chi_square.statistic) + ", " +
                              p_text(fit.chi_square.p_value) + ", CFI = " + number(fit.cfi) +
                              ", RMSEA = " + number(fit.rmsea) + ", SRMR = " + number(fit.srmr) +
                              ". Effects equal over sessions; β at the second session; missing "
                              "sessions by full information."};
      const auto name = [&](bool is_x) {
        return is_x ? study_.columns.alliance : study_.columns.outcome;
      };
      for (std::size_t k = 0; k < 4; ++k) {
        const LaggedEffect& e = fit.effects[k];
        table.rows.push_back({name(e.from_x) + " → " + name(e.to_x), number(e.estimate, 3),
                              number(e.standard_error, 3), interval(e.ci, 3), number(e.statistic),
                              p_value(e.p_value), number(e.standardized)});
      }
      section.blocks.emplace_back(std::move(table));
    }
    PageTable mixed{.caption = "Within-person lagged mixed models",
                    .header = estimate_header("Effect", level_)};
    if (study_.alliance_to_outcome)
      mixed.rows.push_back(row(study_.columns.alliance + " → later " + study_.columns.outcome,
                               study_.alliance_to_outcome->effect));
    if (study_.outcome_to_alliance)
      mixed.rows.push_back(row(study_.columns.outcome + " → later " + study_.columns.alliance,
                               study_.outcome_to_alliance->effect));
    mixed.note =
        "Adjusted for the previous value of what is predicted. With few sessions a patient these "
        "are biased; the model "
        "above is not.";
    if (!mixed.rows.empty()) section.blocks.emplace_back(std::move(mixed));
    if (section.blocks.empty())
      section.blocks.emplace_back(Paragraph{"The data allow no lagged model."});
    return section;
  }

  static std::vector<std::string> correlation_row(const std::string& name,
                                                  const CorrelationResult& r) {
    return {name, number(r.estimate), interval(r.ci), count(r.n_used), p_value(r.p_value)};
  }

  [[nodiscard]] PageSection early() const {
    const EarlyAlliance& e = *study_.early;
    PageTable correlations{
        .caption = "Alliance of sessions 1 to " + count(e.sessions) + " and the final " +
                   study_.columns.outcome,
        .header = {"Correlation", "r", ci_heading(level_), "n", "p"},
        .rows = {correlation_row("early alliance and final outcome", e.correlation),
                 correlation_row("intake held constant (partial)", e.partial),
                 correlation_row("with residual change (semi-partial)", e.semi_partial)}};
    PageTable effects{
        .caption = "The final outcome a point of early alliance",
        .header = estimate_header("Adjusted for", level_),
        .rows = {row("intake", e.effect), row("intake and change until then", e.adjusted)},
        .note = "Patients with an outcome after session " + count(e.sessions) +
                ": n = " + count(e.n_used) + "."};
    if (e.treatment)
      effects.note += " Early alliance × treatment: F(" + number(e.treatment->numerator_df, 0) +
                      ", " + number(e.treatment->denominator_df, 1) +
                      ") = " + number(e.treatment->statistic) + ", " +
                      p_text(e.treatment->p_value) + ".";
    effects.note += " The mean of " + count(e.sessions) + " sessions has a reliability of " +
                    number(e.reliability[std::min<Index>(e.sessions, e.reliability.size()) - 1]) +
                    ", of one session " + number(e.reliability[0]) + ".";
    return {.title = "Early alliance",
            .blocks = {early_figure(e), std::move(correlations), std::move(effects)}};
  }

  [[nodiscard]] Figure early_figure(const EarlyAlliance& e) const {
    Figure figure;
    figure.title = "Early alliance and final outcome: r = " + number(e.correlation.estimate);
    figure.caption = "A point a patient.";
    figure.x = {.label = "mean alliance, sessions 1 to " + count(e.sessions)};
    figure.y = {.label = "final " + study_.columns.outcome};
    figure.layers.emplace_back(Points{.x = study_.patients.numbers("early_alliance"),
                                      .y = study_.patients.numbers("final"),
                                      .series = 0,
                                      .hollow = true});
    figure.height = 340;
    return figure;
  }

  [[nodiscard]] PageSection perspectives() const {
    const PerspectiveComparison& p = *study_.perspectives;
    PageTable table{.caption = "Both ratings in one model",
                    .header = estimate_header("Rating", level_),
                    .rows = {row("client, within", p.client_within),
                             row("therapist, within", p.therapist_within),
                             row("client − therapist, within, a SD", p.standardized_difference),
                             row("client, between", p.client_between),
                             row("therapist, between", p.therapist_between)}};
    const auto share = [&](const BootstrapResult& s) {
      return number(s.estimate, 3) + " " + interval(s.ci, 3);
    };
    table.note = "Early ratings and the final outcome: r differs by " +
                 number(p.correlations.difference) + " (client − therapist";
    for (const ComparisonTestResult& test : p.correlations.tests)
      if (test.test == ComparisonTest::steiger)
        table.note += "; Steiger's z = " + number(test.statistic) + ", " + p_text(test.p_value);
    table.note += "). Of R² = " + number(p.r_squared, 3) + ", the client's rating carries " +
                  share(p.client_share) + " and the therapist's " + share(p.therapist_share) +
                  " (average over orders, bootstrap over patients).";
    return {.title = "Whose rating tells more?", .blocks = {std::move(table)}};
  }

  [[nodiscard]] std::string therapist_name(const TherapistEstimate& t, std::size_t place) const {
    return options_.show_ids ? t.therapist : "Therapist " + std::to_string(place + 1);
  }

  [[nodiscard]] PageSection therapists() const {
    const TherapistEffects& e = *study_.therapists;
    PageTable table{
        .caption = "The final outcome a point of mean alliance (Baldwin, Wampold & Imel, 2007)",
        .header = estimate_header("Alliance", level_),
        .rows = {row("patients of one therapist", e.within_therapists),
                 row("therapists", e.between_therapists),
                 row("therapists − patients", e.difference)},
        .note = "Therapists account for " + number(100 * e.share, 1) +
                " % of the variance of the final outcome, intake "
                "held constant (" +
                ci_heading(level_) + " " + number(100 * e.share_ci.lower, 1) + " to " +
                number(100 * e.share_ci.upper, 1) + " %, " + p_text(e.p_value) +
                "); n = " + count(e.n_patients) + "."};
    Figure figure;
    figure.title = "Therapists' deviations in the final outcome";
    figure.caption =
        "Best linear predictions, shrunk towards the average, with their intervals; ordered.";
    const auto n = static_cast<Index>(e.therapists.size());
    Eigen::VectorXd at(n), effect(n), low(n), high(n);
    const double z = normal_interval(0, 1, level_).upper;
    for (Index i = 0; i < n; ++i) {
      const TherapistEstimate& t = e.therapists[static_cast<std::size_t>(i)];
      at[i] = static_cast<double>(i + 1);
      effect[i] = t.effect;
      low[i] = t.effect - z * t.standard_error;
      high[i] = t.effect + z * t.standard_error;
      if (n <= 40)
        figure.y.ticks.push_back(
            {.at = at[i], .label = therapist_name(t, static_cast<std::size_t>(i))});
    }
    figure.x = {.label = "deviation in points of " + study_.columns.outcome};
    figure.y.label = "therapist";
    figure.layers.emplace_back(
        ErrorBars{.at = at, .lower = low, .upper = high, .series = 0, .horizontal = true});
    figure.layers.emplace_back(Points{.x = effect, .y = at, .series = 0});
    figure.layers.emplace_back(Rule{.at = 0});
    figure.height = std::clamp(120 + 18 * static_cast<double>(n), 240.0, 800.0);
    return {.title = "Therapists", .blocks = {std::move(figure), std::move(table)}};
  }

  [[nodiscard]] PageSection dropout() const {
    const DropoutHazard& h = *study_.dropout;
    PageTable table{
        .caption = "The hazard of leaving after a session",
        .header = {"Term", "log odds", "SE", ci_heading(level_), "z", "p", "odds ratio"},
        .rows = {},
        .note = h.formula + ". Logistic, " + h.method + ". " + count(h.n_left) + " of " +
                count(h.n_patients) + " patients left, in " + count(h.n_sessions) + " sessions."};
    for (const HazardTerm& t : h.terms)
      table.rows.push_back({t.term, number(t.estimate, 3), number(t.standard_error, 3),
                            interval(t.ci, 3), number(t.statistic), p_value(t.p_value),
                            number(t.odds_ratio)});
    return {.title = "Dropout", .blocks = {std::move(table)}};
  }

  [[nodiscard]] PageSection change() const {
    const OutcomeChange& c = *study_.change;
    const ChangeCounts& n = c.change.counts;
    const double threshold = c.change.reliable_change_threshold;
    Eigen::VectorXd pre(c.change.n_used), post(c.change.n_used);
    for (Index i = 0; i < c.change.n_used; ++i) {
      pre[i] = c.change.persons[static_cast<std::size_t>(i)].pre;
      post[i] = c.change.persons[static_cast<std::size_t>(i)].post;
    }
    const Eigen::VectorXd ends{
        {std::min(pre.minCoeff(), post.minCoeff()), std::max(pre.maxCoeff(), post.maxCoeff())}};
    Figure figure;
    figure.title = count(n.recovered + n.improved) + " of " + count(c.change.n_used) +
                   " patients improved reliably, " + count(n.deteriorated) + " deteriorated";
    figure.caption =
        "Outcome at intake and at the end; within the band the change is within the error of "
        "measurement.";
    figure.x = {.label = study_.columns.outcome + " at intake"};
    figure.y = {.label = study_.columns.outcome + " at the end"};
    figure.layers.emplace_back(Band{.x = ends,
                                    .lower = (ends.array() - threshold).matrix(),
                                    .upper = (ends.array() + threshold).matrix(),
                                    .series = 2});
    figure.layers.emplace_back(Points{.x = pre, .y = post, .series = 0, .hollow = true});
    BulletList facts{.items = {"Reliable change (Jacobson & Truax, 1991): beyond ±" +
                               number(threshold) +
                               " points, with a reliability of the outcome of " +
                               number(c.reliability) + " as given."}};
    if (c.gains)
      facts.items.push_back(
          "Sudden gains (Tang & DeRubeis, 1999), cut-off " + number(c.gain_cutoff) + ": " +
          count(static_cast<Index>(c.gains->events.size())) + " in " + count(c.gains->persons) +
          " patients; sudden losses: " + count(static_cast<Index>(c.losses->events.size())) +
          " in " + count(c.losses->persons) + ".");
    return {.title = "Change", .blocks = {std::move(figure), std::move(facts)}};
  }

  [[nodiscard]] PageSection congruence() const {
    const ResponseSurfaceResult& s = *study_.congruence;
    PageTable table{.caption = "Response surface of the outcome on both ratings",
                    .header = estimate_header("Parameter", level_),
                    .rows = {},
                    .note = "Both ratings are centred at " + number(s.centre) +
                            ". a1, a2: slope and curvature where client and "
                            "therapist agree; a3, a4: where they disagree (client above therapist "
                            "to the right). Random "
                            "intercept of the patient; n = " +
                            count(s.n_used) + "."};
    const auto add = [&](const Parameter& p) {
      table.rows.push_back({p.name, number(p.estimate, 3), number(p.standard_error, 3),
                            interval(p.ci, 3), number(p.statistic), number(p.df, 1),
                            p_value(p.p_value)});
    };
    for (const Parameter& p : s.coefficients) add(p);
    for (const Parameter& p : s.surface) add(p);
    return {.title = "Does agreement matter beyond level?", .blocks = {std::move(table)}};
  }

  [[nodiscard]] PageSection ruptures() const {
    const RuptureAnalysis& a = *study_.ruptures;
    PageTable table{
        .caption = "Ruptures by rule",
        .header = {"Rule", "ruptures", "patients", "repaired", "mean depth"},
        .rows = {},
        .note = "In " + count(a.n_sessions) +
                " rated sessions after a first one. Rules disagree, so name the one used. "
                "stiles and strauss count only drops that are made good again."};
    std::vector<RuptureRule> rules;
    for (const Rupture& r : a.ruptures)
      if (std::find(rules.begin(), rules.end(), r.rule) == rules.end()) rules.push_back(r.rule);
    for (const RuptureRule rule : rules) {
      std::set<Index> patients;
      double depth = 0;
      Index repaired = 0;
      Index n = 0;
      for (const Rupture& r : a.ruptures) {
        if (r.rule != rule) continue;
        patients.insert(r.patient);
        depth += r.depth;
        repaired += r.repaired ? 1 : 0;
        ++n;
      }
      table.rows.push_back({std::string(name_of(rule)), count(n),
                            count(static_cast<Index>(patients.size())), count(repaired),
                            number(depth / static_cast<double>(n))});
    }
    PageTable between{.caption = "Agreement between rules (κ over sessions)",
                      .header = {"Rules", "both", "only first", "only second", "κ"}};
    for (const RuleConcordance& c : a.concordance)
      between.rows.push_back(
          {std::string(name_of(c.first)) + " and " + std::string(name_of(c.second)), count(c.both),
           count(c.only_first), count(c.only_second), number(c.kappa)});
    PageSection section{.title = "Ruptures and repairs",
                        .blocks = {std::move(table), aftermath(), std::move(between)}};
    if (!a.ruptures.empty()) section.blocks.emplace_back(rupture_figure());
    return section;
  }

  [[nodiscard]] PageTable aftermath() const {
    PageTable table{.caption = "The outcome after a rupture, against its last value before",
                    .header = {"Rule", "repaired: n", "change", "unrepaired: n", "change",
                               "difference", ci_heading(level_), "p"},
                    .rows = {},
                    .note =
                        "Mean of the next three sessions less the value before; unrepaired − "
                        "repaired by Welch's t, ruptures "
                        "taken as independent."};
    for (const RuptureAftermath& a : study_.aftermath)
      table.rows.push_back({std::string(name_of(a.rule)), count(a.n_repaired),
                            number(a.change_repaired), count(a.n_unrepaired),
                            number(a.change_unrepaired), number(a.difference), interval(a.ci),
                            p_value(a.p_value)});
    return table;
  }

  /// The trajectories of the patients with the deepest ruptures.
  [[nodiscard]] Figure rupture_figure() const {
    std::vector<const Rupture*> deepest;
    for (const Rupture& r : study_.ruptures->ruptures) deepest.push_back(&r);
    std::stable_sort(deepest.begin(), deepest.end(),
                     [](const Rupture* a, const Rupture* b) { return a->depth > b->depth; });
    std::vector<Index> shown;
    for (const Rupture* r : deepest)
      if (std::find(shown.begin(), shown.end(), r->patient) == shown.end() && shown.size() < 4)
        shown.push_back(r->patient);
    Figure figure;
    figure.title = "The deepest ruptures";
    figure.caption =
        "Alliance of the patients with the deepest falls by any rule; the low sessions are marked.";
    figure.x = {.label = study_.columns.session};
    figure.y = {.label = study_.columns.alliance};
    const Eigen::VectorXd& session = table_.numbers(study_.columns.session);
    int series = 0;
    for (const Index patient : shown) {
      std::vector<std::pair<double, double>> path;
      for (Index i = 0; i < table_.rows(); ++i)
        if (patient_.codes[static_cast<std::size_t>(i)] == patient &&
            !is_missing(alliance_[i] + session[i]))
          path.emplace_back(session[i], alliance_[i]);
      std::sort(path.begin(), path.end());
      std::vector<double> x, y, mark_x, mark_y;
      for (const auto& [at, value] : path) {
        x.push_back(at);
        y.push_back(value);
      }
      for (const Rupture* r : deepest) {
        if (r->patient != patient) continue;
        mark_x.push_back(r->session);
        mark_y.push_back(r->low);
      }
      figure.layers.emplace_back(Line{
          .x = vector_of(x), .y = vector_of(y), .series = series, .label = patient_name(patient)});
      figure.layers.emplace_back(
          Points{.x = vector_of(mark_x), .y = vector_of(mark_y), .series = series});
      ++series;
    }
    return figure;
  }

  [[nodiscard]] PageSection models() const {
    PageSection section{.title = "Models", .blocks = {}};
    for (const StudyModel& model : study_.models) {
      const MixedFit& fit = model.model.fit();
      PageTable table{.caption = model.name + ": " + model.question,
                      .header = estimate_header("Term", level_)};
      const std::vector<ContrastEstimate> effects = model.model.effects();
      for (std::size_t k = 0; k < effects.size(); ++k)
        table.rows.push_back(row(fit.fixed.terms[k], effects[k]));
      table.note = model.model.formula() + ". REML, Satterthwaite's df. " +
                   count(fit.data.observations) + (model.of_patients ? " patients." : " sessions.");
      for (const RandomEffects& random : fit.random) {
        table.note += " SD of " + random.factor + " (" +
                      count(static_cast<Index>(random.levels.size())) + "):";
        for (std::size_t j = 0; j < random.terms.size(); ++j)
          table.note += " " + random.terms[j] + " " + number(random.sd[static_cast<Index>(j)]) +
                        (j + 1 < random.terms.size() ? "," : ".");
      }
      table.note +=
          " Residual SD " + number(fit.residual.sd) + ". AIC " + number(fit.criterion.aic, 1) + ".";
      section.blocks.emplace_back(std::move(table));
    }
    return section;
  }

  [[nodiscard]] PageSection methods() const {
    std::string text =
        "Alliance was split into the deviation of each session from the patient's own mean "
        "(within), the patient's "
        "mean (between patients)";
    if (study_.sessions.therapists > 0)
      text += " and the therapist's mean (between therapists; Brincks et al., 2017)";
    text +=
        ". Linear mixed models with a random intercept and a random slope of the session for each "
        "patient were fitted by "
        "restricted maximum likelihood; tests use Satterthwaite's degrees of freedom. The "
        "between-patient effect was "
        "corrected for the reliability of the patients' means (Lüdtke et al., 2008).";
    if (study_.cross_lagged)
      text +=
          " Reciprocal influence was estimated by the random-intercept cross-lagged panel model "
          "(Hamaker, Kuiper & Grasman, "
          "2015) by full-information maximum likelihood.";
    if (study_.agreement)
      text +=
          " Agreement of client and therapist is given as intraclass correlations (McGraw & Wong, "
          "1996), Lin's concordance "
          "correlation (1989) and limits of agreement (Bland & Altman, 1999).";
    if (study_.congruence)
      text +=
          " Congruence was examined by polynomial regression with response-surface parameters "
          "(Edwards, 2002).";
    if (study_.ruptures)
      text +=
          " Ruptures were sought by several rules (Stiles et al., 2004; Strauss et al., 2006; Gumz "
          "et al., 2012; Eubanks-Carter "
          "et al., 2012; Jacobson & Truax, 1991).";
    text += " Rows that miss a variable of a model were left out of that model.";
    return {.title = "Methods, ready to paste", .blocks = {Paragraph{text}}};
  }

  const StudyAnalysis& study_;
  const Table& table_;
  const StudyPageOptions& options_;
  const Eigen::VectorXd& alliance_;
  const Eigen::VectorXd& outcome_;
  Factor patient_;
  double level_;
};

}  // namespace

Page study_page(const StudyAnalysis& study, const Table& table, const StudyPageOptions& options) {
  return StudyPage(study, table, options).page();
}

}  // namespace rapport::report
