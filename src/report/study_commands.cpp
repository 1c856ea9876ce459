#include <rapport/data/expression.hpp>

#include "study_json.hpp"
#include <vector>

namespace rapport::report {
namespace {

using Arguments = std::vector<std::string>;

std::string joined(const Arguments& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

/// Column names as they stand in a list option: in backquotes where they need them.
std::string column_list(const Arguments& names) {
  Arguments quoted;
  for (const std::string& name : names)
    quoted.push_back(name.find(',') == std::string::npos ? name : quoted_name(name));
  return joined(quoted);
}

class CommandList {
 public:
  explicit CommandList(const StudyAnalysis& study) : study_(study) {}

  Json list() {
    models();
    agreement();
    correlations();
    slopes();
    early();
    ratings();
    panel_model();
    surface();
    patients();
    ruptures();
    return std::move(commands_);
  }

 private:
  /// `arguments` begins with the command; the file of `data` and the level are put behind.
  void add(const std::string& of, Arguments arguments, const std::string& data,
           const std::string& at = "") {
    arguments.push_back(data + ".csv");
    if (study_.level != 0.95) {
      arguments.emplace_back("--level");
      arguments.push_back(shortest_decimal(study_.level));
    }
    commands_.push_back(Json::object({{"of", of}, {"arguments", Json(arguments)}, {"at", at}}));
  }

  void models() {
    for (const StudyModel& model : study_.models) {
      Arguments arguments = {"fit", model.model.formula()};
      arguments.insert(arguments.end(), model.options.begin(), model.options.end());
      add("models." + model.name, arguments, model.of_patients ? "patients" : "sessions");
    }
  }

  void rater_agreement(const std::string& of, const Arguments& columns, const std::string& data) {
    const std::string raters = column_list(columns);
    add(of + ".icc", {"agree", "icc", "--raters", raters}, data);
    add(of + ".concordance", {"agree", "ccc", "--raters", raters}, data);
    if (columns.size() == 2)
      add(of + ".bland_altman", {"agree", "bland-altman", "--raters", raters}, data);
  }

  void agreement() {
    for (std::size_t k = 0; k < study_.agreement.size(); ++k) {
      const PairAgreement& pair = study_.agreement[k];
      const std::string of =
          study_.agreement.size() == 1 ? "agreement" : "agreement.pairs." + std::to_string(k);
      const std::string& a = pair.first.column;
      const std::string& b = pair.second.column;
      add(of + ".bland_altman", {"agree", "bland-altman", "--raters", column_list({a, b})},
          "sessions");
      add(of + ".icc",
          {"agree", "icc", "--raters", column_list({a, b}), "--where",
           "present(" + quoted_name(a) + ") & present(" + quoted_name(b) + ")"},
          "sessions");
      add(of + ".concordance", {"agree", "ccc", "--raters", column_list({a, b})}, "sessions");
      if (pair.means)
        rater_agreement(of + ".patient_means",
                        {"mean_" + pair.first.name + "_with_" + pair.second.name,
                         "mean_" + pair.second.name + "_with_" + pair.first.name},
                        "patients");
      if (pair.convergence)
        add(of + ".convergence",
            {"dyad", "convergence", "--x", a, "--y", b, "--session", study_.columns.session,
             "--dyad", study_.columns.patient},
            "sessions");
    }
    if (!study_.group_agreement) return;
    Arguments columns;
    for (const StudyRater& rater : study_.group_agreement->raters) columns.push_back(rater.column);
    rater_agreement("agreement.raters", columns, "sessions");
  }

  void correlations() {
    if (study_.correlations.empty()) return;
    Arguments names;
    for (const VariableDescription& variable : study_.variables) names.push_back(variable.name);
    add("correlations",
        {"correlate", "pearson", "--columns", column_list(names), "--by", study_.columns.patient},
        "sessions");
  }

  void slopes() {
    if (!study_.session_moderation) return;
    const SessionModeration& m = *study_.session_moderation;
    Arguments values;
    for (const SimpleSlope& slope : m.slopes.slopes) values.push_back(slope.at.front().second);
    const StudyTerms terms = study_terms(study_.columns);
    add("moderation.session",
        {"fit", formula_of("by_session"), "--slopes",
         terms.within + " by " + session_column(study_.columns, m.scale) + "=" + joined(values)},
        "sessions");
  }

  [[nodiscard]] std::string formula_of(const std::string& name) const {
    for (const StudyModel& model : study_.models)
      if (model.name == name) return model.model.formula();
    return "";
  }

  void early() {
    if (!study_.early) return;
    const Arguments pearson = {"correlate", "pearson", "--columns", "early_alliance,final"};
    add("early_alliance.correlation", pearson, "patients", "pairs.0");
    Arguments partial = pearson;
    partial.insert(partial.end(), {"--partial", "intake"});
    add("early_alliance.partial", partial, "patients", "pairs.0");
    Arguments semi = partial;
    semi.insert(semi.end(), {"--remove-from", "y"});
    add("early_alliance.semi_partial", semi, "patients", "pairs.0");
  }

  void ratings() {
    if (!study_.rating_comparison) return;
    const RatingComparison& c = *study_.rating_comparison;
    const auto column_of = [&](const std::string& rater) {
      for (std::size_t k = 0; k < c.ratings.size(); ++k)
        if (c.ratings[k].rater.name == rater) return c.columns[k];
      return std::string();
    };
    for (std::size_t k = 0; k < c.differences.size(); ++k) {
      Arguments arguments = {"compare",
                             "--y",
                             c.outcome,
                             "--x1",
                             column_of(c.differences[k].first),
                             "--x2",
                             column_of(c.differences[k].second)};
      for (const std::string& column : c.columns)  // the same patients in every comparison
        arguments.insert(arguments.end(), {"--where", "present(" + quoted_name(column) + ")"});
      add("perspective.comparison.differences." + std::to_string(k), arguments,
          study_.one_session ? "sessions" : "patients");
    }
  }

  void panel_model() {
    if (!study_.cross_lagged) return;
    Arguments waves;
    for (const double wave : study_.cross_lagged->waves) waves.push_back(shortest_decimal(wave));
    add("lagged.cross_lagged",
        {"lagged", "--patient", study_.columns.patient, "--session", study_.columns.session, "--x",
         study_.columns.alliance, "--y", study_.columns.outcome, "--waves", joined(waves),
         "--equal"},
        "sessions");
  }

  void surface() {
    if (!study_.congruence) return;
    Arguments arguments = {"congruence",
                           "--outcome",
                           study_.columns.outcome,
                           "--x",
                           study_.columns.alliance,
                           "--y",
                           raters_of(study_.columns)[1].column,
                           "--center",
                           "pooled"};
    if (!study_.one_session)
      arguments.insert(arguments.end(), {"--patient", study_.columns.patient});
    add("congruence", arguments, "sessions");
  }

  void patients() {
    if (study_.change)
      add("change",
          {"change", "--pre", "intake", "--post", "final", "--reliability",
           shortest_decimal(study_.change->reliability), "--higher-is", "worse"},
          "patients");
    if (!study_.dropout) return;
    Arguments arguments = {"dropout",
                           "--patient",
                           study_.columns.patient,
                           "--session",
                           study_.columns.session,
                           "--alliance",
                           study_.columns.alliance,
                           "--dropout",
                           study_.columns.dropout};
    if (!study_.columns.therapist.empty())
      arguments.insert(arguments.end(), {"--therapist", study_.columns.therapist});
    add("dropout", arguments, "sessions", "hazard");
    if (study_.retention) add("dropout.retention", arguments, "sessions", "retention");
  }

  void ruptures() {
    for (std::size_t k = 0; k < study_.aftermath.size(); ++k)
      if (study_.aftermath[k].adjusted)
        add("rupture_aftermath." + std::to_string(k) + ".repaired_less_unrepaired",
            {"fit", aftermath_formula(), "--where",
             "rule == \"" + std::string(name_of(study_.aftermath[k].rule)) + "\""},
            "ruptures", "fixed_effects.1");
    if (study_.rupture_outcome)
      add("rupture_outcome", {"fit", formula_of("rupture_outcome"), "--means", "rupture_course"},
          "patients");
  }

  const StudyAnalysis& study_;
  Json commands_ = Json::array();
};

}  // namespace

Json commands_json(const StudyAnalysis& study) { return CommandList(study).list(); }

}  // namespace rapport::report
