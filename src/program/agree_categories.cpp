#include <rapport/base/missing.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/report/agree.hpp>

#include "agree_request.hpp"
#include <algorithm>
#include <utility>
#include <variant>

namespace rapport::program::agree {
namespace {

/// Puts the categories and weights where cli.md wants them.
Json with_categories(const Json& result, const std::vector<std::string>& categories,
                     const Weights& weights) {
  Json json = Json::object({{"weights", weights.name}, {"categories", Json(categories)}});
  append_members(json, result);
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

void warn_undefined(Outcome& out, const ChanceCorrectedResult& r) {
  if (is_missing(r.estimate))
    out.warnings.push_back(
        "the coefficient is undefined: a single category was used, or no subject has two ratings");
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

Index first_missing(const Eigen::VectorXd& values) {
  Index at = 0;
  while (!is_missing(values[at])) ++at;
  return at;
}

/// The categories' values for a metric; positions 1 … q where they are no numbers.
Eigen::VectorXd metric_values(const std::vector<std::string>& categories, Metric metric) {
  const Eigen::VectorXd values = values_of(categories);
  if (values.allFinite()) return values;
  const bool some = values.size() > values.array().isNaN().count();
  if (metric == Metric::ratio || (metric == Metric::interval && some))
    throw DataError("agree krippendorff: the " + std::string(metric == Metric::ratio ? "ratio" : "interval") +
                    " metric needs categories that are numbers; \"" +
                    categories[static_cast<std::size_t>(first_missing(values))] + "\" is none");
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
  append_members(json, report::to_json(r));
  Outcome out = request.outcome(std::move(json), r.units);
  warn_undefined(out, r);
  if (std::none_of(cells.categories.begin(), cells.categories.end(), [&](const std::string& cell) {
        return cell.find(o.label_separator) != std::string::npos;
      }))
    out.warnings.push_back("no cell holds \"" + o.label_separator +
                           "\": every rating is a single label (--label-separator)");
  return out;
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

}  // namespace

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
    categories = split_names(o.counts, "--counts");
    weights = weights_of_counts(request, categories);
    r = chance_corrected_agreement_of_counts(
        coefficient, category_counts(request.table, categories), weights.matrix, options);
  }
  Outcome out =
      request.outcome(with_categories(report::to_json(r, categories), categories, weights),
                      r.n_used, coefficient == AgreementCoefficient::fleiss ? "by_category" : "");
  warn_undefined(out, r);
  return out;
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

Outcome run_krippendorff(const Request& request) {
  const AgreeOptions& o = request.options;
  const KrippendorffOptions options{.confidence_level = request.common.level};
  if (o.bootstrap != 0) require_replicates("--bootstrap", o.bootstrap);
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
      categories = split_names(o.counts, "--counts");
      weights = weights_of_counts(request, categories);
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
      categories = split_names(o.counts, "--counts");
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
  append_members(json, report::to_json(r));
  Outcome out = request.outcome(std::move(json), r.units);
  warn_undefined(out, r);
  return out;
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

}  // namespace rapport::program::agree
