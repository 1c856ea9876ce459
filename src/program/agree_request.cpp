#include "agree_request.hpp"

#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/report/agree.hpp>

#include <charconv>
#include <filesystem>
#include <utility>

namespace rapport::program::agree {
namespace {

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
  return choose(
      "--weights", name, parse_agreement_weights,
      {"unweighted", "linear", "quadratic", "ordinal", "radical", "ratio", "circular", "bipolar"});
}

Weights weights_for(const std::string& name, const std::vector<std::string>& categories) {
  const std::string known = name.empty() ? "unweighted" : name;
  return {known, agreement_weights(named_weights(known), values_of(categories))};
}

}  // namespace

Request::Request(const CommonOptions& common_options, const AgreeOptions& own)
    : common(common_options), options(own), table(load_table(common_options)) {}

Ratings Request::ratings() const {
  if (!options.raters.empty()) return wide_ratings(table, split_raters());
  return long_ratings(table, long_columns(options));
}

CategoryRatings Request::categories(const std::vector<std::string>& order) const {
  const std::vector<std::string> given =
      order.empty() ? list_of(options.categories, "--categories") : order;
  if (!options.raters.empty()) return wide_categories(table, split_raters(), given);
  return long_categories(table, long_columns(options), given);
}

Ratings Request::two_raters() const {
  Ratings r = ratings();
  if (r.values.cols() != 2)
    throw UsageError("agree " + options.coefficient + ": --raters must name two raters, not " +
                     std::to_string(r.values.cols()));
  return r;
}

std::vector<std::string> Request::split_raters() const {
  std::vector<std::string> names = split_names(options.raters, "--raters");
  if (names.size() < 2) throw UsageError("--raters: at least two columns are required");
  return names;
}

std::vector<std::string> Request::rating_columns() const {
  if (!options.counts.empty() || !options.items.empty()) return {};
  return options.raters.empty() ? std::vector<std::string>{options.rating} : split_raters();
}

Outcome Request::outcome(const Json& result, Index used, const std::string& main_table) const {
  Json named = Json::object({{"coefficient", options.coefficient}});
  append_members(named, result);
  return {.result = std::move(named),
          .main_table = main_table,
          .text = {},
          .warnings = mixed_column_warnings(common, table, rating_columns()),
          .rows = table.rows(),
          .used = used};
}

void append_members(Json& json, const Json& more) {
  for (const auto& [key, value] : more.members()) json.set(key, value);
}

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

Weights weights_of_counts(const Request& request, const std::vector<std::string>& categories) {
  const std::string& name = request.options.weights;
  return is_weights_file(name) ? Weights{name, read_weights(name).matrix}
                               : weights_for(name, categories);
}

}  // namespace rapport::program::agree
