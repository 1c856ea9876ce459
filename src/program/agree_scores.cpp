#include <rapport/base/missing.hpp>
#include <rapport/report/agree.hpp>

#include "agree_request.hpp"
#include <algorithm>
#include <utility>

namespace rapport::program::agree {
namespace {

/// Lin's for two raters; overall for more; clustered by person, and within occasions.
ConcordanceResult concordance(const Request& request, const Eigen::MatrixXd& values) {
  const AgreeOptions& o = request.options;
  const ConcordanceOptions options{.confidence_level = request.common.level};
  if (o.person.empty() && values.cols() == 2)
    return concordance_correlation(values.col(0), values.col(1), options);
  if (o.person.empty()) return overall_concordance(values, {}, options);
  const std::vector<std::int32_t> person = request.table.factor(o.person).codes;
  if (o.occasion.empty()) return overall_concordance(values, person, options);
  return repeated_concordance(values, person, request.table.factor(o.occasion).codes, options);
}

/// "2,5,10", "3x2,1x1" (raters × occasions) or "3x2x8" (× items); what is not named is as observed.
std::vector<Decision> decisions(const GeneralizabilityResult& study, const std::string& text) {
  const std::size_t facets = study.design == StudyDesign::raters                   ? 1
                             : study.design == StudyDesign::raters_occasions_items ? 3
                                                                                   : 2;
  std::vector<Decision> result;
  for (const std::string& part : list_of(text, "--d-study")) {
    std::string listed = part;
    std::replace(listed.begin(), listed.end(), 'x', ',');
    if (listed.find_first_not_of("0123456789.,") != std::string::npos || listed.front() == ',' ||
        listed.back() == ',')
      throw UsageError("--d-study: \"" + part + "\" must be numbers such as 5 or 3x2");
    std::vector<double> numbers = split_numbers(listed, "--d-study");
    if (numbers.size() > facets)
      throw UsageError("--d-study: \"" + part + "\" names more facets than the design's " +
                       std::to_string(facets) + (facets == 1 ? "; it has no occasions" : ""));
    for (const double number : numbers)
      if (!(number > 0)) throw UsageError("--d-study: \"" + part + "\" must be positive");
    if (numbers.size() < 2) numbers.push_back(study.observed.occasions);
    if (numbers.size() < 3) numbers.push_back(study.observed.items);
    result.push_back(decision_study(study, numbers[0], numbers[1], numbers[2]));
  }
  return result;
}

/// The least numbers of raters that reach the target; null where no number does.
Json targets(const GeneralizabilityResult& study, double target) {
  if (!(target > 0 && target < 1)) throw UsageError("--target: must lie strictly between 0 and 1");
  const double occasions = study.design == StudyDesign::raters ? 1 : study.observed.occasions;
  const auto raters = [&](bool absolute) {
    const Index needed =
        raters_for_target(study, target, absolute, occasions, study.observed.items);
    return needed < 0 ? Json() : Json(static_cast<std::int64_t>(needed));
  };
  return Json::object({{"coefficient", target},
                       {"occasions", occasions},
                       {"raters_for_generalizability", raters(false)},
                       {"raters_for_dependability", raters(true)}});
}

GeneralizabilityResult study_of_items(const Request& request) {
  const AgreeOptions& o = request.options;
  if (!o.nested.empty()) throw UsageError("--nested: does not go with --item; all are crossed");
  const LongColumns columns = long_columns(o);
  const FacetRatings facets =
      facet_ratings(request.table.factor(columns.subject), request.table.factor(columns.rater),
                    request.table.factor(o.occasion), request.table.factor(o.item),
                    request.table.numbers(columns.rating));
  return generalizability_study(
      facets.ratings,
      CrossedFacets{.raters = facets.raters, .occasions = facets.occasions, .items = facets.items});
}

}  // namespace

Outcome run_icc(const Request& request) {
  const AgreeOptions& o = request.options;
  const auto interval = choose("--ci", o.ci.empty() ? "spearman-brown" : o.ci,
                               parse_icc_average_interval, {"spearman-brown", "mcgraw-wong"});
  if (!(o.null_value >= 0 && o.null_value < 1)) throw UsageError("--null: must lie in [0, 1)");
  const IccResult r =
      intraclass_correlation(request.ratings().values, {.confidence_level = request.common.level,
                                                        .null_value = o.null_value,
                                                        .average_interval = interval});
  Outcome out = request.outcome(report::to_json(r), r.n_used, "forms");
  if (r.method == IccMethod::mixed)
    out.warnings.push_back(
        "ratings are missing: estimated by REML with crossed subjects and raters");
  if (is_missing(r.forms.front().estimate))
    out.warnings.push_back("the ICC is undefined: the ratings do not vary");
  return out;
}

Outcome run_ccc(const Request& request) {
  const AgreeOptions& o = request.options;
  require(o.person.empty() || !o.raters.empty(), o, "--raters a,b,… with --person");
  require(o.occasion.empty() || !o.person.empty(), o, "--person with --occasion");
  const Ratings ratings = request.ratings();
  const ConcordanceResult r = concordance(request, ratings.values);
  Json json = Json::object({{"raters", static_cast<std::int64_t>(ratings.values.cols())}});
  append_members(json, report::to_json(r));
  return request.outcome(std::move(json), r.n_used);
}

Outcome run_bland_altman(const Request& request) {
  const AgreeOptions& o = request.options;
  const auto interval = choose<LimitInterval>(
      "--ci", o.ci.empty() ? "approximate" : o.ci,
      {{"approximate", LimitInterval::approximate}, {"exact", LimitInterval::exact}});
  const BlandAltmanOptions options{.confidence_level = request.common.level, .interval = interval};
  const Ratings ratings = request.two_raters();
  if (o.person.empty()) {
    const BlandAltmanResult r = bland_altman(ratings.values.col(0), ratings.values.col(1), options);
    return request.outcome(report::to_json(r), r.n_used);
  }
  if (interval == LimitInterval::exact)
    throw UsageError("--ci: exact intervals are for ratings without --person");
  require(!o.raters.empty(), o, "--raters a,b with --person");
  const Factor person = request.table.factor(o.person);
  const auto limits = o.varying ? bland_altman_varying : bland_altman_replicates;
  const BlandAltmanResult r =
      limits(ratings.values.col(0), ratings.values.col(1), person.codes, options);
  return request.outcome(report::to_json(r), request.table.rows());
}

Outcome run_kendall_w(const Request& request) {
  const KendallWResult r = kendall_w(request.ratings().values);
  return request.outcome(report::to_json(r), r.n_used);
}

Outcome run_finn(const Request& request) {
  const AgreeOptions& o = request.options;
  require(o.scale_points > 0, o, "--scale-points");
  if (o.scale_points < 2) throw UsageError("--scale-points: at least 2 are required");
  const FinnModel model =
      choose<FinnModel>("--model", o.model.empty() ? "oneway" : o.model,
                        {{"oneway", FinnModel::one_way}, {"twoway", FinnModel::two_way}});
  const FinnResult r = finn_r(request.ratings().values, o.scale_points, model);
  return request.outcome(report::to_json(r), r.n_used);
}

Outcome run_robinson(const Request& request) {
  const RobinsonResult r = robinson_a(request.ratings().values);
  return request.outcome(report::to_json(r), r.n_used);
}

Outcome run_within_group(const Request& request) {
  const AgreeOptions& o = request.options;
  require(!o.items.empty() && !o.group.empty(), o, "--items and --group");
  const Eigen::MatrixXd items = request.table.matrix(split_names(o.items, "--items"));
  const Factor group = request.table.factor(o.group);
  if (o.coefficient == "icc1") {
    const GroupIccMethod method = choose<GroupIccMethod>(
        "--method", o.method, {{"anova", GroupIccMethod::anova}, {"reml", GroupIccMethod::reml}});
    const GroupIccResult r = group_icc(items, group, method);
    return request.outcome(report::to_json(r), r.n_used);
  }
  WithinGroupResult r;
  if (o.coefficient == "rwg") {
    require(o.null_variance != 0, o, "--null-variance");
    if (!(o.null_variance > 0)) throw UsageError("--null-variance: must be positive");
    r = within_group_rwg(items, group, {.null_variance = o.null_variance, .lindell = o.lindell});
  } else if (o.coefficient == "ad") {
    r = within_group_ad(
        items, group,
        choose<Centre>("--around", o.around, {{"mean", Centre::mean}, {"median", Centre::median}}));
  } else {
    require(!o.range.empty(), o, "--range LOW:HIGH");
    const auto [low, high] = split_range(o.range, "--range");
    r = within_group_awg(items, group, low, high);
  }
  return request.outcome(report::to_json(r, o.coefficient), r.n_used, "groups");
}

Outcome run_profile(const Request& request) {
  const AgreeOptions& o = request.options;
  require(!o.items.empty() && !o.subject.empty() && !o.rater.empty(), o,
          "--items, --subject and --rater");
  const std::vector<std::string> items = split_names(o.items, "--items");
  if (items.size() < 2) throw UsageError("--items: at least two columns are required");
  const Eigen::MatrixXd values = request.table.matrix(items);
  const Factor subject = request.table.factor(o.subject);
  const Factor rater = request.table.factor(o.rater);
  std::vector<Eigen::MatrixXd> profiles(
      2, Eigen::MatrixXd::Constant(subject.level_count(), values.cols(), missing));
  // Two roles throughout (client, therapist), or any two raters of each subject in the file's
  // order.
  const bool roles = rater.level_count() == 2;
  Eigen::MatrixXi seen = Eigen::MatrixXi::Zero(subject.level_count(), 2);
  Index used = 0;
  for (Index i = 0; i < values.rows(); ++i) {
    const std::int32_t s = subject.codes[static_cast<std::size_t>(i)];
    const std::int32_t code = rater.codes[static_cast<std::size_t>(i)];
    if (s < 0 || code < 0) continue;
    const std::int32_t place = roles ? code : seen(s, 0) > 0 ? 1 : 0;
    if (seen(s, place)++ > 0)
      throw DataError("subject \"" + subject.levels[static_cast<std::size_t>(s)] +
                          "\" has another row of rater \"" +
                          rater.levels[static_cast<std::size_t>(code)] +
                          "\", or a third; two rows a subject are required",
                      request.table.origin().file, request.table.line(i));
    profiles[static_cast<std::size_t>(place)].row(s) = values.row(i);
    ++used;
  }
  return request.outcome(
      report::to_json(profile_similarity(profiles[0], profiles[1]), subject.levels), used,
      "profiles");
}

Outcome run_gtheory(const Request& request) {
  const AgreeOptions& o = request.options;
  GeneralizabilityResult study;
  if (o.occasion.empty()) {
    if (!o.nested.empty()) throw UsageError("--nested: needs --occasion");
    if (!o.item.empty()) throw UsageError("--item: needs --occasion; items alone are occasions");
    study = generalizability_study(request.ratings().values);
  } else if (!o.item.empty()) {
    study = study_of_items(request);
  } else {
    const LongColumns columns = long_columns(o);
    if (!o.nested.empty() && o.nested != "rater:occasion" && o.nested != o.rater + ":" + o.occasion)
      throw UsageError("--nested: \"" + o.nested +
                       "\" is not rater:occasion, the one nesting there is");
    const FacetRatings facets = facet_ratings(
        request.table.factor(columns.subject), request.table.factor(columns.rater),
        request.table.factor(o.occasion), request.table.numbers(columns.rating), !o.nested.empty());
    study =
        generalizability_study(facets.ratings, facets.raters, facets.occasions, !o.nested.empty());
  }
  Json json = report::to_json(study, decisions(study, o.d_study));
  if (o.target != 0) json.set("target", targets(study, o.target));
  Outcome out = request.outcome(std::move(json), study.subjects, "components");
  if (study.n_omitted > 0)
    out.warnings.push_back(std::to_string(study.n_omitted) +
                           " subjects with a missing rating were left out");
  return out;
}

}  // namespace rapport::program::agree
