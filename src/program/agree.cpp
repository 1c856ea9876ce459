#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/ratings.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/report/agree.hpp>

#include "commands.hpp"
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <variant>

namespace rapport::program {
namespace {

struct AgreeOptions {
  std::string coefficient;
  std::string raters;
  std::string subject;
  std::string rater;
  std::string rating;
  std::string occasion;
  std::string item;
  std::string counts;
  std::string weights;
  std::string categories;
  std::string metric;
  std::string label_separator = "|";
  std::string items;
  std::string group;
  std::string range;
  std::string person;
  std::string ci;
  std::string model;
  std::string method = "anova";
  std::string around = "mean";
  std::string nested;
  std::string d_study;
  double target = 0;
  double tolerance = 0;
  double null_value = 0;
  double null_variance = 0;
  Index scale_points = 0;
  Index bootstrap = 0;
  bool pairs = false;
  bool continuity = false;
  bool lindell = false;
  bool sample_raters = false;
  bool varying = false;
};

std::vector<std::string> list_of(const std::string& text, const std::string& option) {
  return text.empty() ? std::vector<std::string>{} : split_list(text, option);
}

void require(bool given, const AgreeOptions& o, const std::string& options) {
  if (!given) throw UsageError("agree " + o.coefficient + ": " + options + " must be given");
}

LongColumns long_columns(const AgreeOptions& o) {
  require(!o.subject.empty() && !o.rater.empty() && !o.rating.empty(), o,
          "--raters a,b,… (wide), or --subject, --rater and --rating (long)");
  return {o.subject, o.rater, o.rating};
}

/// What the agree commands share while they run.
struct Request {
  const CommonOptions& common;
  const AgreeOptions& options;
  Table table;

  Request(const CommonOptions& c, const AgreeOptions& o)
      : common(c), options(o), table(load_table(c)) {}

  [[nodiscard]] Ratings ratings() const {
    if (!options.raters.empty()) return wide_ratings(table, split_raters());
    return long_ratings(table, long_columns(options));
  }
  [[nodiscard]] CategoryRatings categories(const std::vector<std::string>& order = {}) const {
    const std::vector<std::string> given =
        order.empty() ? list_of(options.categories, "--categories") : order;
    if (!options.raters.empty()) return wide_categories(table, split_raters(), given);
    return long_categories(table, long_columns(options), given);
  }
  /// The two columns that a coefficient for two raters compares.
  [[nodiscard]] Ratings two_raters() const {
    Ratings r = ratings();
    if (r.values.cols() != 2)
      throw UsageError("agree " + options.coefficient + ": --raters must name two raters, not " +
                       std::to_string(r.values.cols()));
    return r;
  }
  [[nodiscard]] std::vector<std::string> split_raters() const {
    std::vector<std::string> names = split_list(options.raters, "--raters");
    if (names.size() < 2) throw UsageError("--raters: at least two columns are required");
    return names;
  }
  [[nodiscard]] Outcome outcome(Json result, Index used, std::string main_table = "") const {
    Json named = Json::object({{"coefficient", options.coefficient}});
    for (const auto& [key, value] : result.members()) named.set(key, value);
    Outcome out;
    out.result = std::move(named);
    out.main_table = std::move(main_table);
    out.rows = table.rows();
    out.used = used;
    return out;
  }
};

/// Category names as numbers; NaN where one is none.
Eigen::VectorXd values_of(const std::vector<std::string>& categories) {
  Eigen::VectorXd values(static_cast<Index>(categories.size()));
  for (std::size_t k = 0; k < categories.size(); ++k) {
    const std::string& text = categories[k];
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool number = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    values[static_cast<Index>(k)] = number ? value : missing;
  }
  return values;
}

struct Weights {
  std::string name;
  Eigen::MatrixXd matrix;
};

/// The categories that a weights FILE lists, and its matrix.
struct WeightsFile {
  std::vector<std::string> categories;
  Eigen::MatrixXd matrix;
};

WeightsFile read_weights(const std::string& path) {
  const Table table = read_csv(path);
  WeightsFile file{table.names(), table.matrix(table.names())};
  if (file.matrix.rows() != file.matrix.cols())
    throw DataError(
        "weights must be a square matrix, header the categories and a row per category; found " +
            std::to_string(file.matrix.rows()) + " rows of " + std::to_string(file.matrix.cols()),
        path);
  return file;
}

/// Not one of the names, and a path by its look or because it is there.
bool is_weights_file(const std::string& weights) {
  if (weights.empty() || parse_agreement_weights(weights)) return false;
  std::error_code ignored;
  return weights.find_first_of("./") != std::string::npos ||
         std::filesystem::exists(weights, ignored);
}

AgreementWeights named_weights(const std::string& name) {
  std::vector<std::pair<std::string, AgreementWeights>> choices;
  for (const char* one :
       {"unweighted", "linear", "quadratic", "ordinal", "radical", "ratio", "circular", "bipolar"})
    choices.emplace_back(one, *parse_agreement_weights(one));
  return choose("--weights", name, choices);
}

/// Codes and weights that categorical coefficients work on.
struct Categorical {
  CategoryRatings ratings;
  Weights weights;
};

Weights weights_for(const std::string& name, const std::vector<std::string>& categories) {
  const std::string known = name.empty() ? "unweighted" : name;
  return {known, agreement_weights(named_weights(known), values_of(categories))};
}

Categorical categorical(const Request& request) {
  const std::string& name = request.options.weights;
  if (is_weights_file(name)) {
    const WeightsFile file = read_weights(name);
    const std::vector<std::string> given = list_of(request.options.categories, "--categories");
    if (!given.empty() && given != file.categories)
      throw UsageError("--categories: the list must be that of the weights file \"" + name +
                       "\", in its order");
    return {request.categories(file.categories), {name, file.matrix}};
  }
  CategoryRatings ratings = request.categories();
  Weights weights = weights_for(name, ratings.categories);
  return {std::move(ratings), std::move(weights)};
}

/// Puts the categories and weights where cli.md wants them.
Json with_categories(const Json& result, const std::vector<std::string>& categories,
                     const Weights& weights) {
  Json json = Json::object({{"weights", weights.name}, {"categories", Json(categories)}});
  for (const auto& [key, value] : result.members()) json.set(key, value);
  json.set("weight_matrix", weights.matrix);
  return json;
}

AgreementCoefficient coefficient_of(const std::string& name) {
  if (name == "fleiss") return AgreementCoefficient::fleiss;
  if (name == "conger") return AgreementCoefficient::conger;
  if (name == "scott") return AgreementCoefficient::scott;
  if (name == "brennan-prediger") return AgreementCoefficient::brennan_prediger;
  if (name == "gwet") return AgreementCoefficient::gwet;
  return AgreementCoefficient::percent;
}

Outcome run_cohen(const Request& request) {
  const Categorical c = categorical(request);
  if (c.ratings.codes.cols() != 2)
    throw UsageError("agree cohen: --raters must name two raters, not " +
                     std::to_string(c.ratings.codes.cols()) +
                     "; for more use light, fleiss or conger");
  const KappaResult r = cohen_kappa(c.ratings.codes.col(0), c.ratings.codes.col(1),
                                    c.weights.matrix, {.confidence_level = request.common.level});
  Outcome out = request.outcome(
      with_categories(report::to_json(r), c.ratings.categories, c.weights), r.n_used);
  if (is_missing(r.estimate))
    out.warnings.push_back("kappa is undefined: both raters used one category throughout");
  return out;
}

Outcome run_light(const Request& request) {
  const Categorical c = categorical(request);
  const LightKappaResult r =
      light_kappa(c.ratings.codes, c.weights.matrix, {.confidence_level = request.common.level});
  return request.outcome(with_categories(report::to_json(r), c.ratings.categories, c.weights),
                         r.n_used);
}

void warn_undefined(Outcome& out, const ChanceCorrectedResult& r) {
  if (is_missing(r.estimate))
    out.warnings.push_back(
        "the coefficient is undefined: a single category was used, or no subject has two ratings");
}

Outcome run_chance_corrected(const Request& request) {
  const AgreeOptions& o = request.options;
  const AgreementCoefficient coefficient = coefficient_of(o.coefficient);
  if (!o.counts.empty() && (o.coefficient == "conger" || o.coefficient == "scott"))
    throw UsageError("agree " + o.coefficient +
                     ": needs to know the raters; --counts do not say who rated");
  const ChanceCorrectedOptions options{.confidence_level = request.common.level,
                                       .sample_raters = o.sample_raters};
  std::vector<std::string> categories;
  Weights weights;
  ChanceCorrectedResult r;
  if (o.counts.empty()) {
    Categorical c = categorical(request);
    if (o.coefficient == "scott" && c.ratings.codes.cols() != 2)
      throw UsageError("agree scott: --raters must name two raters, not " +
                       std::to_string(c.ratings.codes.cols()) + "; for more use fleiss");
    r = chance_corrected_agreement(coefficient, c.ratings.codes, c.weights.matrix, options);
    categories = std::move(c.ratings.categories);
    weights = std::move(c.weights);
  } else {
    categories = split_list(o.counts, "--counts");
    weights = is_weights_file(o.weights) ? Weights{o.weights, read_weights(o.weights).matrix}
                                         : weights_for(o.weights, categories);
    r = chance_corrected_agreement_of_counts(
        coefficient, category_counts(request.table, categories), weights.matrix, options);
  }
  Outcome out =
      request.outcome(with_categories(report::to_json(r, categories), categories, weights),
                      r.n_used, coefficient == AgreementCoefficient::fleiss ? "by_category" : "");
  warn_undefined(out, r);
  return out;
}

/// Ratings as numbers where they are numbers, else as codes of their categories.
Eigen::MatrixXd numbers_or_codes(const Request& request) {
  const std::vector<std::string> columns =
      request.options.raters.empty()
          ? std::vector<std::string>{long_columns(request.options).rating}
          : request.split_raters();
  if (std::all_of(columns.begin(), columns.end(),
                  [&](const auto& name) { return request.table.is_numeric(name); }))
    return request.ratings().values;
  const Eigen::MatrixXi codes = request.categories().codes;
  return (codes.array() >= 0).select(codes.cast<double>(), missing);
}

Outcome run_percent(const Request& request) {
  if (request.options.pairs || !request.options.counts.empty())
    return run_chance_corrected(request);
  const AgreeOptions& o = request.options;
  if (!(o.tolerance >= 0)) throw UsageError("--tolerance: must be 0 or more");
  const PercentAgreementResult r =
      percent_agreement(o.tolerance > 0 ? request.ratings().values : numbers_or_codes(request),
                        {.tolerance = o.tolerance, .confidence_level = request.common.level});
  return request.outcome(report::to_json(r), r.n_used);
}

BootstrapOptions bootstrap_options(const Request& request) {
  return {.replicates = request.options.bootstrap,
          .confidence_level = request.common.level,
          .threads = request.common.threads,
          .progress = progress_bar(request.common, "bootstrap")};
}

/// Of values, or of sets of labels.
using AnyMetric = std::variant<Metric, SetDistance>;

AnyMetric metric_of(const std::string& name) {
  return choose<AnyMetric>("--metric", name,
                           {{"nominal", Metric::nominal},
                            {"ordinal", Metric::ordinal},
                            {"interval", Metric::interval},
                            {"ratio", Metric::ratio},
                            {"masi", SetDistance::masi},
                            {"jaccard", SetDistance::jaccard}});
}

/// The categories' values for a metric; positions 1 … q where they are no numbers.
Eigen::VectorXd metric_values(const std::vector<std::string>& categories, Metric metric) {
  const Eigen::VectorXd values = values_of(categories);
  if (values.allFinite()) return values;
  if (metric == Metric::ratio)
    throw DataError("agree krippendorff: the ratio metric needs categories that are numbers");
  return Eigen::VectorXd::LinSpaced(values.size(), 1, static_cast<double>(values.size()));
}

/// Ratings as the values that the metric acts on; `categories` gets the names of the distinct ones.
Eigen::MatrixXd metric_ratings(const Request& request, Metric metric,
                               std::vector<std::string>& categories) {
  const CategoryRatings ratings = request.categories();
  categories = ratings.categories;
  Eigen::VectorXd values = metric_values(categories, metric);
  if (metric == Metric::ordinal || metric == Metric::nominal)  // by the order of the list
    values = Eigen::VectorXd::LinSpaced(values.size(), 0, static_cast<double>(values.size() - 1));
  Eigen::MatrixXd numbers(ratings.codes.rows(), ratings.codes.cols());
  for (Index j = 0; j < numbers.cols(); ++j)
    for (Index i = 0; i < numbers.rows(); ++i)
      numbers(i, j) = ratings.codes(i, j) < 0 ? missing : values[ratings.codes(i, j)];
  return numbers;
}

void warn_undefined(Outcome& out, const KrippendorffResult& r) {
  if (is_missing(r.estimate))
    out.warnings.push_back("alpha is undefined: all values are equal, or no unit has two");
}

/// Cells hold several labels; as far apart as their sets.
Outcome run_krippendorff_of_sets(const Request& request, SetDistance distance) {
  const AgreeOptions& o = request.options;
  if (!o.counts.empty()) throw UsageError("--counts: do not say which labels stood together");
  if (o.bootstrap > 0) throw UsageError("--bootstrap: is for the metrics of values");
  if (o.label_separator.size() != 1)
    throw UsageError("--label-separator: \"" + o.label_separator + "\" must be one character");
  CategoryRatings cells = o.raters.empty() ? long_categories(request.table, long_columns(o))
                                           : wide_categories(request.table, request.split_raters());
  const LabelRatings ratings =
      label_sets(cells, o.label_separator[0], list_of(o.categories, "--categories"));
  const KrippendorffResult r = krippendorff_alpha_of_sets(
      ratings.sets, ratings.raters, distance,
      {.confidence_level = request.common.level, .coincidence_limit = 0});
  Json json = Json::object({{"metric", o.metric}, {"labels", Json(ratings.labels)}});
  const Json numbers = report::to_json(r);
  for (const auto& [key, value] : numbers.members()) json.set(key, value);
  Outcome out = request.outcome(std::move(json), r.units);
  warn_undefined(out, r);
  if (std::none_of(cells.categories.begin(), cells.categories.end(), [&](const std::string& cell) {
        return cell.find(o.label_separator) != std::string::npos;
      }))
    out.warnings.push_back("no cell holds \"" + o.label_separator +
                           "\": every rating is a single label (--label-separator)");
  return out;
}

Outcome run_krippendorff(const Request& request) {
  const AgreeOptions& o = request.options;
  const KrippendorffOptions options{.confidence_level = request.common.level};
  if (!o.metric.empty() && !o.weights.empty())
    throw UsageError("agree krippendorff: --metric and --weights exclude each other");
  const AnyMetric chosen = metric_of(o.metric.empty() ? "nominal" : o.metric);
  if (const auto* distance = std::get_if<SetDistance>(&chosen))
    return run_krippendorff_of_sets(request, *distance);
  KrippendorffResult r;
  std::vector<std::string> categories;
  Json head = Json::object();
  if (!o.weights.empty()) {
    Weights weights;
    if (o.counts.empty()) {
      Categorical c = categorical(request);
      r = krippendorff_alpha_weighted(c.ratings.codes, c.weights.matrix, options);
      categories = std::move(c.ratings.categories);
      weights = std::move(c.weights);
    } else {
      categories = split_list(o.counts, "--counts");
      weights = is_weights_file(o.weights) ? Weights{o.weights, read_weights(o.weights).matrix}
                                           : weights_for(o.weights, categories);
      r = krippendorff_alpha_weighted_of_counts(category_counts(request.table, categories),
                                                weights.matrix, options);
    }
    head = Json::object({{"weights", weights.name}, {"categories", Json(categories)}});
    head.set("weight_matrix", weights.matrix);
  } else {
    const Metric metric = std::get<Metric>(chosen);
    if (o.counts.empty()) {
      const Eigen::MatrixXd ratings = metric_ratings(request, metric, categories);
      r = krippendorff_alpha(ratings, metric, options);
      if (o.bootstrap > 0)
        head.set("bootstrap",
                 report::to_json(krippendorff_bootstrap(ratings, metric, Seed{request.common.seed},
                                                        bootstrap_options(request))));
    } else {
      categories = split_list(o.counts, "--counts");
      r = krippendorff_alpha_of_counts(category_counts(request.table, categories),
                                       metric_values(categories, metric), metric, options);
    }
    head.set("metric", o.metric.empty() ? "nominal" : o.metric);
    if (categories.size() <= 64) head.set("categories", Json(categories));
  }
  Json json = head;
  if (!o.weights.empty() || o.metric.empty() || o.metric == "nominal") {
    // As agreement: the share of agreeing pairs and what chance would give, in Gwet's form.
    const double share = 1 - 1 / static_cast<double>(r.n_values);
    json.set("observed", 1 - share * r.observed_disagreement);
    json.set("expected", 1 - share * r.expected_disagreement);
  }
  const Json numbers = report::to_json(r);
  for (const auto& [key, value] : numbers.members()) json.set(key, value);
  Outcome out = request.outcome(std::move(json), r.units);
  warn_undefined(out, r);
  return out;
}

Outcome run_icc(const Request& request) {
  const AgreeOptions& o = request.options;
  const auto interval =
      choose<IccAverageInterval>("--ci", o.ci.empty() ? "spearman-brown" : o.ci,
                                 {{"spearman-brown", IccAverageInterval::spearman_brown},
                                  {"mcgraw-wong", IccAverageInterval::mcgraw_wong}});
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

Outcome run_ccc(const Request& request) {
  const AgreeOptions& o = request.options;
  require(o.person.empty() || !o.raters.empty(), o, "--raters a,b,… with --person");
  require(o.occasion.empty() || !o.person.empty(), o, "--person with --occasion");
  const Ratings ratings = request.ratings();
  const ConcordanceResult r = concordance(request, ratings.values);
  Json json = Json::object({{"raters", static_cast<std::int64_t>(ratings.values.cols())}});
  const Json numbers = report::to_json(r);
  for (const auto& [key, value] : numbers.members()) json.set(key, value);
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

/// The square table of two raters' categories.
Eigen::MatrixXd table_of_two(const Request& request, CategoryRatings& ratings) {
  ratings = request.categories();
  if (ratings.codes.cols() != 2)
    throw UsageError("agree " + request.options.coefficient +
                     ": --raters must name two raters, not " +
                     std::to_string(ratings.codes.cols()));
  const auto q = static_cast<Index>(ratings.categories.size());
  return cohen_kappa(ratings.codes.col(0), ratings.codes.col(1), Eigen::MatrixXd::Identity(q, q))
      .table;
}

Outcome run_marginal(const Request& request) {
  const std::string& name = request.options.coefficient;
  CategoryRatings ratings;
  const Eigen::MatrixXd table = table_of_two(request, ratings);
  Json json;
  if (name == "maxwell-re") {
    json = report::to_json(maxwell_re(table));
  } else if (name == "mcnemar") {
    json = report::to_json(mcnemar_test(table, request.options.continuity));
  } else {
    json = report::to_json(name == "bhapkar" ? bhapkar_test(table) : stuart_maxwell_test(table));
  }
  json.set("categories", Json(ratings.categories));
  json.set("table", table);
  return request.outcome(std::move(json), static_cast<Index>(table.sum()));
}

Outcome run_within_group(const Request& request) {
  const AgreeOptions& o = request.options;
  require(!o.items.empty() && !o.group.empty(), o, "--items and --group");
  const Eigen::MatrixXd items = request.table.matrix(split_list(o.items, "--items"));
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
  const std::vector<std::string> items = split_list(o.items, "--items");
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

/// "2,5,10", "3x2,1x1" (raters × occasions) or "3x2x8" (× items); what is not named is as observed.
std::vector<Decision> decisions(const GeneralizabilityResult& study, const std::string& text) {
  const std::size_t facets = study.design == StudyDesign::raters                   ? 1
                             : study.design == StudyDesign::raters_occasions_items ? 3
                                                                                   : 2;
  std::vector<Decision> result;
  for (const std::string& part : list_of(text, "--d-study")) {
    std::string listed = part;
    std::replace(listed.begin(), listed.end(), 'x', ',');
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

using Run = Outcome (*)(const Request&);

const std::vector<std::pair<std::string, Run>>& coefficients() {
  static const std::vector<std::pair<std::string, Run>> all = {
      {"percent", run_percent},
      {"cohen", run_cohen},
      {"light", run_light},
      {"fleiss", run_chance_corrected},
      {"conger", run_chance_corrected},
      {"scott", run_chance_corrected},
      {"brennan-prediger", run_chance_corrected},
      {"gwet", run_chance_corrected},
      {"krippendorff", run_krippendorff},
      {"icc", run_icc},
      {"ccc", run_ccc},
      {"bland-altman", run_bland_altman},
      {"kendall-w", run_kendall_w},
      {"finn", run_finn},
      {"robinson-a", run_robinson},
      {"maxwell-re", run_marginal},
      {"stuart-maxwell", run_marginal},
      {"mcnemar", run_marginal},
      {"bhapkar", run_marginal},
      {"rwg", run_within_group},
      {"ad", run_within_group},
      {"awg", run_within_group},
      {"icc1", run_within_group},
      {"profile", run_profile},
      {"gtheory", run_gtheory}};
  return all;
}

}  // namespace

void add_agree(CLI::App& program, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  const auto options = std::make_shared<AgreeOptions>();
  CLI::App* command = add_command(
      program, chosen, "agree",
      "Agreement between raters (--format csv: by_category, forms, groups, … where there are)",
      common, [common, options] {
        const Run run = choose<Run>("COEFFICIENT", options->coefficient, coefficients());
        return run(Request(*common, *options));
      });
  AgreeOptions& o = *options;
  std::string names;
  for (const auto& [name, run] : coefficients()) names += (names.empty() ? "" : " ") + name;
  command->add_option("COEFFICIENT", o.coefficient, names)->required();
  add_data(*command, *common);
  const std::string layout = "Ratings";
  command->add_option("--raters", o.raters, "a,b,…: a row per subject, a column per rater")
      ->group(layout);
  command->add_option("--subject", o.subject, "Long: column of subjects")->group(layout);
  command->add_option("--rater", o.rater, "Long: column of raters")->group(layout);
  command->add_option("--rating", o.rating, "Long: column of ratings")->group(layout);
  command->add_option("--occasion", o.occasion, "gtheory, ccc --person: column of occasions")
      ->group(layout);
  command->add_option("--item", o.item, "gtheory --occasion: column of items, all crossed")
      ->group(layout);
  command
      ->add_option("--counts", o.counts, "a,b,…: a column per category, cells the number of raters")
      ->group(layout);
  command
      ->add_option("--categories", o.categories,
                   "The categories in order (default: those observed)")
      ->group(layout);
  command->add_option("--weights", o.weights,
                      "unweighted linear quadratic ordinal radical ratio circular bipolar, or a "
                      "CSV file of weights");
  command->add_option("--metric", o.metric,
                      "krippendorff: nominal (default) ordinal interval ratio; masi or jaccard "
                      "for cells that hold several labels");
  command->add_option("--label-separator", o.label_separator,
                      "krippendorff --metric masi|jaccard: what stands between the labels of a "
                      "cell (default |); a cell of it alone: no label applies");
  command->add_option("--bootstrap", o.bootstrap,
                      "krippendorff: replicates of a bootstrap over units");
  command->add_flag("--pairs", o.pairs, "percent: share of agreeing pairs of raters");
  command->add_option("--tolerance", o.tolerance, "percent: raters agree within this");
  command->add_flag("--sample-raters", o.sample_raters,
                    "Add the variance of a new sample of raters (jackknife)");
  command->add_option("--null", o.null_value, "icc: the ICC to test against (default 0)");
  command->add_option("--ci", o.ci,
                      "icc: spearman-brown or mcgraw-wong; bland-altman: approximate or exact");
  command->add_option("--person", o.person,
                      "bland-altman, ccc: column of persons with several rows");
  command->add_flag("--varying", o.varying,
                    "bland-altman --person: the true value varies between a person's pairs");
  command->add_option("--scale-points", o.scale_points, "finn: points of the scale");
  command->add_option("--model", o.model, "finn: oneway (default) or twoway");
  command->add_flag("--continuity", o.continuity, "mcnemar: continuity correction");
  command->add_option("--items", o.items, "rwg ad awg icc1 profile: columns of items");
  command->add_option("--group", o.group, "rwg ad awg icc1: column of groups");
  command->add_option("--null-variance", o.null_variance, "rwg: variance without agreement");
  command->add_flag("--lindell", o.lindell, "rwg: r*wg(J), no Spearman-Brown");
  command->add_option("--around", o.around, "ad: mean (default) or median");
  command->add_option("--range", o.range, "awg: LOW:HIGH of the scale");
  command->add_option("--method", o.method, "icc1: anova (default) or reml");
  command->add_option("--nested", o.nested, "gtheory: rater:occasion");
  command->add_option("--target", o.target,
                      "gtheory: coefficient to reach, in (0, 1): the least number of raters");
  command->add_option(
      "--d-study", o.d_study,
      "gtheory: numbers of raters, 2,5,10, raters x occasions, 3x2,1x1, or x items, 3x2x8");
}

}  // namespace rapport::program
