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

}  // namespace rapport
