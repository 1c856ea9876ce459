#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/table.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rapport {

/// Ratings of subjects by raters as numbers.
struct Ratings {
  Eigen::MatrixXd values;  ///< subjects × raters; NaN where a rater did not rate the subject
  std::vector<std::string>
      subjects;  ///< names of the rows: the subject's level, or the row's number from 1
  std::vector<std::string> raters;  ///< names of the columns
};

/// Ratings of subjects by raters into categories.
struct CategoryRatings {
  Eigen::MatrixXi codes;  ///< subjects × raters: position in `categories`, −1 where missing
  std::vector<std::string>
      categories;  ///< those given, or those observed: numbers ascending, else sorted by bytes
  std::vector<std::string> subjects;
  std::vector<std::string> raters;
};

/// The three columns of ratings that stand one to a row.
struct LongColumns {
  std::string subject;
  std::string rater;
  std::string rating;
};

/// A row for each subject, a numeric column for each rater. At least two raters.
[[nodiscard]] Ratings wide_ratings(const Table& table, const std::vector<std::string>& raters);

/// A row for each rating; subjects and raters in the order of their levels. Rows without subject or
/// rater are left out. Throws DataError if a rater has rated a subject twice.
[[nodiscard]] Ratings long_ratings(const Table& table, const LongColumns& columns);

/// The same into categories. With `categories` (in the order wanted), throws DataError, naming
/// column and line, for a rating that is not among them.
[[nodiscard]] CategoryRatings wide_categories(const Table& table,
                                              const std::vector<std::string>& raters,
                                              const std::vector<std::string>& categories = {});
[[nodiscard]] CategoryRatings long_categories(const Table& table, const LongColumns& columns,
                                              const std::vector<std::string>& categories = {});

/// A row for each subject, a column for each category, the cells how many raters chose it: subjects
/// × categories. Throws DataError, naming column and line, for a cell that is missing, negative or
/// no whole number.
[[nodiscard]] Eigen::MatrixXd category_counts(const Table& table,
                                              const std::vector<std::string>& categories);

/// The number of raters who put each subject into each category: subjects × categories.
[[nodiscard]] Eigen::MatrixXd category_counts(const CategoryRatings& ratings);

/// Ratings that hold several labels each, such as the theme codes of a passage.
struct LabelRatings {
  std::vector<std::optional<std::uint64_t>> sets;  ///< subject * raters + rater: bit k for label k
  std::vector<std::string> labels;  ///< those given, or those observed, sorted by bytes
  Index raters;
};

/// The sets of labels that `ratings` (a text a cell, such as "hope|trust") name, separated by
/// `separator`, blanks trimmed; a cell of nothing but separators is the empty set: looked at, no
/// label applies. Throws DataError for more than 64 labels, or one that is not among those given.
[[nodiscard]] LabelRatings label_sets(const CategoryRatings& ratings, char separator,
                                      const std::vector<std::string>& labels = {});

}  // namespace rapport
