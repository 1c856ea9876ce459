#include "study_page.hpp"

#include <rapport/base/missing.hpp>
#include <rapport/version.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace rapport::report {
namespace {

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

PageSection summary_section(const StudyView& view) {
  BulletList found;
  std::string line;
  for (const char c : study_text(view.study) + "\n") {
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

PageSection models_section(const StudyView& view) {
  PageSection section{.title = "Models", .blocks = {}};
  for (const StudyModel& model : view.study.models) {
    const MixedFit& fit = model.model.fit();
    PageTable table{.caption = model.name + ": " + model.question,
                    .header = estimate_header("Term", view.level)};
    const std::vector<ContrastEstimate> effects = model.model.effects();
    for (std::size_t k = 0; k < effects.size(); ++k)
      table.rows.push_back(estimate_row(fit.fixed.terms[k], effects[k]));
    table.note = model.model.formula();
    for (const std::string& option : model.options) table.note += " " + option;
    table.note += ". REML, Satterthwaite's df. " + count(fit.data.observations) +
                  (model.of_patients ? " patients." : " sessions.");
    for (const RandomEffects& random : fit.random) {
      table.note +=
          " SD of " + random.factor + " (" + count(static_cast<Index>(random.levels.size())) + "):";
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

/// What was done, in the words of a methods section.
PageSection methods_section(const StudyView& view) {
  const StudyAnalysis& study = view.study;
  std::string text;
  if (study.disaggregation) {
    text =
        "Alliance was split into the deviation of each session from the patient's own mean "
        "(within) and the patient's mean (between patients)";
    if (study.sessions.therapists > 0)
      text +=
          ", and that again into the therapist's mean and the deviation from it (Brincks et "
          "al., 2017)";
    text +=
        ". Linear mixed models with random effects of the patient were fitted by restricted "
        "maximum likelihood; tests use Satterthwaite's degrees of freedom. The between-patient "
        "effect was corrected for the reliability of the patients' means (Lüdtke et al., 2008); "
        "variance explained follows Rights and Sterba (2019).";
  }
  const auto add = [&](bool present, const std::string& sentence) {
    if (present) text += (text.empty() ? "" : " ") + sentence;
  };
  add(study.growth && !study.disaggregation,
      "The course of the outcome was described by a linear mixed model with random effects of the "
      "patient, fitted by restricted maximum likelihood; tests use Satterthwaite's degrees of "
      "freedom.");
  add(study.session_moderation.has_value(),
      "Change of the effect over sessions was tested by the interaction of alliance with the "
      "session, with simple slopes and the region of significance (Bauer & Curran, 2005).");
  add(study.cross_lagged.has_value(),
      "Reciprocal influence was estimated by the random-intercept cross-lagged panel model "
      "(Hamaker, Kuiper & Grasman, 2015) with full-information maximum likelihood for missing "
      "sessions.");
  add(study.alliance_to_outcome_in_time.has_value(),
      "Lagged effects over unequally spaced sessions were estimated with residuals that follow a "
      "continuous-time first-order autoregression within patients.");
  add(!study.agreement.empty(),
      "Agreement between raters is given as intraclass correlations (McGraw & Wong, 1996), "
      "Lin's concordance correlation (1989) and limits of agreement (Bland & Altman, 1999).");
  add(study.rating_comparison.has_value(),
      "Correlations of the raters with the outcome were compared by Steiger's (1980) test; their "
      "relative importance is the share of R² averaged over orders of entry (Lindeman, Merenda & "
      "Gold, 1980) with percentile bootstrap intervals.");
  add(study.congruence.has_value(),
      "Congruence was examined by polynomial regression with response-surface parameters "
      "(Edwards, 2002).");
  add(study.therapists.has_value(),
      "Therapist effects were separated as by Baldwin, Wampold and Imel (2007).");
  add(study.dropout.has_value(),
      "Dropout was modelled as a discrete-time hazard (Singer & Willett, 1993).");
  add(study.change.has_value(),
      "Reliable change follows Jacobson and Truax (1991), sudden gains Tang and DeRubeis (1999).");
  add(study.ruptures.has_value(),
      "Ruptures were sought by named rules (Stiles et al., 2004; Strauss et al., 2006; Gumz et "
      "al., 2012; Eubanks-Carter, Gorman & Muran, 2012; Jacobson & Truax, 1991).");
  add(true,
      "Rows that miss a variable of a model were left out of that model. Analyses were made "
      "with rapport " +
          std::string(version) + ".");
  return {.title = "Methods, ready to paste", .blocks = {Paragraph{text}}};
}

}  // namespace

std::string count(Index n) { return std::to_string(n); }

std::string p_text(double p) {
  const std::string text = p_value(p);
  return text.front() == '<' ? "p " + text : "p = " + text;
}

std::string interval(const ConfidenceInterval& ci, int decimals) {
  return "[" + number(ci.lower, decimals) + ", " + number(ci.upper, decimals) + "]";
}

std::string unit(double value, int decimals) {
  std::string text = number(value, decimals);
  const std::size_t zero = text.find("0.");
  if (std::abs(value) < 1 && zero != std::string::npos && zero <= std::string("−").size())
    text.erase(zero, 1);
  return text;
}

std::string unit_interval(const ConfidenceInterval& ci, int decimals) {
  return "[" + unit(ci.lower, decimals) + ", " + unit(ci.upper, decimals) + "]";
}

std::string ci_heading(double level) { return number(100 * level, 0) + " % CI"; }

Eigen::VectorXd vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

int decimals_for(double standard_error) {
  if (!(standard_error > 0) || !std::isfinite(standard_error)) return 3;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(standard_error))), 2, 7);
}

std::vector<std::string> estimate_header(const std::string& what, double level) {
  return {what, "b", "SE", ci_heading(level), "t", "df", "p"};
}

std::vector<std::string> estimate_row(const std::string& name, const ContrastEstimate& e) {
  const int decimals = decimals_for(e.standard_error);
  return {name,
          number(e.estimate, decimals),
          number(e.standard_error, decimals),
          interval(e.ci, decimals),
          number(e.statistic),
          number(e.df, 1),
          p_value(e.p_value)};
}

Page study_page(const StudyAnalysis& study, const Table& table, const StudyPageOptions& options) {
  const bool has_alliance = !study.columns.alliance.empty();
  const StudyView view{
      .study = study,
      .table = table,
      .options = options,
      .alliance = has_alliance ? table.numbers(study.columns.alliance) : Eigen::VectorXd(),
      .outcome = table.numbers(study.columns.outcome),
      .patient = table.factor(study.columns.patient),
      .level = study.level};
  Page page;
  page.title = has_alliance ? "Alliance and outcome" : "The course of the outcome";
  page.subtitle =
      (has_alliance ? study.columns.alliance + " and " : "") + study.columns.outcome + ": " +
      count(study.sessions.sessions) + " sessions of " + count(study.sessions.patients) +
      " patients" +
      (study.sessions.therapists > 0 ? " with " + count(study.sessions.therapists) + " therapists"
                                     : "");
  page.warnings = study.warnings;
  page.sections = {summary_section(view), screening_section(view), data_section(view)};
  const auto add = [&](bool present, PageSection (*section)(const StudyView&)) {
    if (present) page.sections.push_back(section(view));
  };
  add(!study.agreement.empty(), agreement_section);
  add(study.growth.has_value(), growth_section);
  add(has_alliance, correlations_section);
  add(study.disaggregation.has_value(), levels_section);
  add(study.session_moderation || study.treatment_moderation, moderation_section);
  add(has_alliance && !study.one_session, lags_section);
  add(study.early.has_value(), early_section);
  add(study.perspectives || study.rating_comparison, perspectives_section);
  add(study.congruence.has_value(), congruence_section);
  add(study.therapists.has_value(), therapists_section);
  add(study.dropout.has_value(), dropout_section);
  add(study.change.has_value(), change_section);
  add(study.ruptures.has_value(), ruptures_section);
  add(!study.models.empty(), models_section);
  add(true, methods_section);
  page.footer = "rapport " + std::string(version) + ". Data: " + count(table.rows()) +
                " rows, fingerprint " + fingerprint(table) + "." +
                (options.command.empty() ? "" : " Command: " + options.command);
  return page;
}

}  // namespace rapport::report
