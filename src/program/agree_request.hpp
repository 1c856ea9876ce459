#pragma once

#include <rapport/data/ratings.hpp>

#include "command.hpp"
#include <string>
#include <vector>

/// `rapport agree`: what its coefficients share, and the coefficients.
namespace rapport::program::agree {

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

/// What the agree commands share while they run.
struct Request {
  const CommonOptions& common;
  const AgreeOptions& options;
  Table table;

  Request(const CommonOptions& common_options, const AgreeOptions& own);

  [[nodiscard]] Ratings ratings() const;
  [[nodiscard]] CategoryRatings categories(const std::vector<std::string>& order = {}) const;
  /// The two columns that a coefficient for two raters compares.
  [[nodiscard]] Ratings two_raters() const;
  [[nodiscard]] std::vector<std::string> split_raters() const;
  /// The columns that hold the ratings themselves.
  [[nodiscard]] std::vector<std::string> rating_columns() const;
  /// `result` after the coefficient's name.
  [[nodiscard]] Outcome outcome(const Json& result, Index used,
                                const std::string& main_table = "") const;
};

/// Appends the members of `more`.
void append_members(Json& json, const Json& more);

[[nodiscard]] std::vector<std::string> list_of(const std::string& text, const std::string& option);

/// Throws UsageError: "agree COEFFICIENT: OPTIONS must be given".
void require(bool given, const AgreeOptions& o, const std::string& options);

[[nodiscard]] LongColumns long_columns(const AgreeOptions& o);

/// Category names as numbers; NaN where one is none.
[[nodiscard]] Eigen::VectorXd values_of(const std::vector<std::string>& categories);

struct Weights {
  std::string name;
  Eigen::MatrixXd matrix;
};

/// Codes and weights that categorical coefficients work on.
struct Categorical {
  CategoryRatings ratings;
  Weights weights;
};
[[nodiscard]] Categorical categorical(const Request& request);

/// The weights of --counts.
[[nodiscard]] Weights weights_of_counts(const Request& request,
                                        const std::vector<std::string>& categories);

Outcome run_percent(const Request& request);
Outcome run_cohen(const Request& request);
Outcome run_light(const Request& request);
Outcome run_chance_corrected(const Request& request);
Outcome run_krippendorff(const Request& request);
Outcome run_icc(const Request& request);
Outcome run_ccc(const Request& request);
Outcome run_bland_altman(const Request& request);
Outcome run_kendall_w(const Request& request);
Outcome run_finn(const Request& request);
Outcome run_robinson(const Request& request);
Outcome run_marginal(const Request& request);
Outcome run_within_group(const Request& request);
Outcome run_profile(const Request& request);
Outcome run_gtheory(const Request& request);

}  // namespace rapport::program::agree
