#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/ratings.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace rapport {
namespace {

std::string file_of(const Table& table) {
  return table.origin().file.empty() ? "table" : table.origin().file;
}

std::vector<std::string> numbered(Index rows) {
  std::vector<std::string> names;
  for (Index i = 1; i <= rows; ++i) names.push_back(std::to_string(i));
  return names;
}

/// The categories of several columns together: ascending where all are numeric, else sorted by
/// bytes.
std::vector<std::string> observed_categories(const Table& table,
                                             const std::vector<std::string>& columns) {
  const bool numeric = std::all_of(columns.begin(), columns.end(),
                                   [&](const std::string& name) { return table.is_numeric(name); });
  if (numeric) {
    const Eigen::MatrixXd values = table.matrix(columns);
    return make_factor(values.reshaped()).levels;
  }
  std::vector<std::string> cells;
  for (const std::string& name : columns) {
    const Column& column = table.column(name);
    for (Index i = 0; i < table.rows(); ++i) cells.push_back(cell_text(column, i));
  }
  return make_factor(cells).levels;
}

/// Each cell's position among the categories.
Eigen::VectorXi codes_of(const Table& table, const std::string& name,
                         const std::vector<std::string>& categories) {
  std::unordered_map<std::string, int> code;
  for (const std::string& category : categories)
    code.emplace(category, static_cast<int>(code.size()));
  const Column& column = table.column(name);
  Eigen::VectorXi codes(table.rows());
  for (Index i = 0; i < table.rows(); ++i) {
    const std::string cell = cell_text(column, i);
    const auto found = code.find(cell);
    if (!cell.empty() && found == code.end())
      throw DataError(
          "column \"" + name + "\": \"" + cell +
              "\" is not among the categories given; add it, or name it as missing (--na)",
          file_of(table), table.line(i));
    codes[i] = cell.empty() ? -1 : found->second;
  }
  return codes;
}

/// "a | b" to its labels: blanks trimmed, empty parts left out.
std::vector<std::string> labels_of(const std::string& cell, char separator) {
  std::vector<std::string> labels;
  std::size_t start = 0;
  while (start <= cell.size()) {
    const std::size_t end = std::min(cell.find(separator, start), cell.size());
    const std::size_t first = cell.find_first_not_of(" \t", start);
    const std::size_t last = end == 0 ? std::string::npos : cell.find_last_not_of(" \t", end - 1);
    if (first < end && last != std::string::npos && last >= first)
      labels.push_back(cell.substr(first, last - first + 1));
    start = end + 1;
  }
  return labels;
}

std::vector<std::string> observed_labels(const std::vector<std::string>& cells, char separator) {
  std::vector<std::string> all;
  for (const std::string& cell : cells)
    for (std::string& label : labels_of(cell, separator)) all.push_back(std::move(label));
  return make_factor(all).levels;
}

/// Where each row of a long table belongs in a subjects × raters matrix.
struct Cells {
  Factor subject;
  Factor rater;
  std::vector<Index> rows;  ///< rows with subject and rater

  Cells(const Table& table, const LongColumns& columns)
      : subject(table.factor(columns.subject)), rater(table.factor(columns.rater)) {
    const Column& rating = table.column(columns.rating);
    Eigen::MatrixXi first =
        Eigen::MatrixXi::Constant(subject.level_count(), rater.level_count(), -1);
    for (Index i = 0; i < table.rows(); ++i) {
      if (row(i) < 0 || column(i) < 0 || rapport::is_missing(rating, i)) continue;
      int& seen = first(row(i), column(i));
      if (seen >= 0)
        throw DataError(columns.subject + " \"" + subject.levels[static_cast<std::size_t>(row(i))] +
                            "\" is rated twice by " + columns.rater + " \"" +
                            rater.levels[static_cast<std::size_t>(column(i))] +
                            "\" (also in line " + std::to_string(table.line(seen)) +
                            "); correct or drop one row",
                        file_of(table), table.line(i));
      seen = static_cast<int>(i);
      rows.push_back(i);
    }
  }

  [[nodiscard]] Index row(Index i) const { return subject.codes[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Index column(Index i) const { return rater.codes[static_cast<std::size_t>(i)]; }
};

}  // namespace

Ratings wide_ratings(const Table& table, const std::vector<std::string>& raters) {
  require_at_least("wide_ratings", "raters", static_cast<Index>(raters.size()), 2);
  return {.values = table.matrix(raters), .subjects = numbered(table.rows()), .raters = raters};
}

Ratings long_ratings(const Table& table, const LongColumns& columns) {
  const Cells cells(table, columns);
  const Eigen::VectorXd& rating = table.numbers(columns.rating);
  Ratings ratings{.values = Eigen::MatrixXd::Constant(cells.subject.level_count(),
                                                      cells.rater.level_count(), missing),
                  .subjects = cells.subject.levels,
                  .raters = cells.rater.levels};
  for (const Index i : cells.rows) ratings.values(cells.row(i), cells.column(i)) = rating[i];
  return ratings;
}

CategoryRatings wide_categories(const Table& table, const std::vector<std::string>& raters,
                                const std::vector<std::string>& categories) {
  require_at_least("wide_categories", "raters", static_cast<Index>(raters.size()), 2);
  CategoryRatings ratings{
      .codes = Eigen::MatrixXi(table.rows(), static_cast<Index>(raters.size())),
      .categories = categories.empty() ? observed_categories(table, raters) : categories,
      .subjects = numbered(table.rows()),
      .raters = raters};
  for (std::size_t j = 0; j < raters.size(); ++j)
    ratings.codes.col(static_cast<Index>(j)) = codes_of(table, raters[j], ratings.categories);
  return ratings;
}

CategoryRatings long_categories(const Table& table, const LongColumns& columns,
                                const std::vector<std::string>& categories) {
  const Cells cells(table, columns);
  CategoryRatings ratings{
      .codes =
          Eigen::MatrixXi::Constant(cells.subject.level_count(), cells.rater.level_count(), -1),
      .categories = categories.empty() ? observed_categories(table, {columns.rating}) : categories,
      .subjects = cells.subject.levels,
      .raters = cells.rater.levels};
  const Eigen::VectorXi codes = codes_of(table, columns.rating, ratings.categories);
  for (const Index i : cells.rows) ratings.codes(cells.row(i), cells.column(i)) = codes[i];
  return ratings;
}

Eigen::MatrixXd category_counts(const Table& table, const std::vector<std::string>& categories) {
  const Eigen::MatrixXd counts = table.matrix(categories);
  for (Index j = 0; j < counts.cols(); ++j)
    for (Index i = 0; i < counts.rows(); ++i) {
      if (counts(i, j) >= 0 && counts(i, j) == std::floor(counts(i, j))) continue;
      throw DataError("column \"" + categories[static_cast<std::size_t>(j)] +
                          "\": " + shortest_decimal(counts(i, j)) +
                          " is no count of raters; a whole number from 0 is required",
                      file_of(table), table.line(i));
    }
  return counts;
}

Eigen::MatrixXd category_counts(const CategoryRatings& ratings) {
  Eigen::MatrixXd counts =
      Eigen::MatrixXd::Zero(ratings.codes.rows(), static_cast<Index>(ratings.categories.size()));
  for (Index j = 0; j < ratings.codes.cols(); ++j)
    for (Index i = 0; i < ratings.codes.rows(); ++i)
      if (ratings.codes(i, j) >= 0) counts(i, ratings.codes(i, j)) += 1;
  return counts;
}

LabelRatings label_sets(const CategoryRatings& ratings, char separator,
                        const std::vector<std::string>& labels) {
  LabelRatings result{
      .sets = {},
      .labels = labels.empty() ? observed_labels(ratings.categories, separator) : labels,
      .raters = ratings.codes.cols()};
  constexpr std::size_t most = 64;
  if (result.labels.size() > most)
    throw DataError("label_sets: " + std::to_string(result.labels.size()) +
                    " labels; at most 64 can be told apart");
  std::vector<std::uint64_t> set_of_cell;
  for (const std::string& cell : ratings.categories) {
    std::uint64_t set = 0;
    for (const std::string& label : labels_of(cell, separator)) {
      const auto found = std::find(result.labels.begin(), result.labels.end(), label);
      if (found == result.labels.end())
        throw DataError("label_sets: \"" + label + "\" is not among the labels given");
      set |= std::uint64_t{1} << static_cast<unsigned>(found - result.labels.begin());
    }
    set_of_cell.push_back(set);
  }
  for (Index i = 0; i < ratings.codes.rows(); ++i)
    for (Index j = 0; j < ratings.codes.cols(); ++j) {
      const int code = ratings.codes(i, j);
      result.sets.push_back(code < 0 ? std::nullopt
                                     : std::optional(set_of_cell[static_cast<std::size_t>(code)]));
    }
  return result;
}

}  // namespace rapport
