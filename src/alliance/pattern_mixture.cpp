#include <rapport/alliance/pattern_mixture.hpp>
#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/fit.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Names of the patterns in order, and each patient's.
struct Patterns {
  std::vector<std::string> names;
  std::map<std::string, std::size_t> of_patient;
};

Patterns patterns_of(const PersonPeriod& period, std::vector<double> left_by) {
  std::sort(left_by.begin(), left_by.end());
  Patterns patterns;
  for (const double session : left_by)
    patterns.names.push_back("left by " + shortest_decimal(session));
  patterns.names.push_back(left_by.empty() ? "left" : "left later");
  patterns.names.push_back("stayed");
  for (const PatientEnd& end : period.ends) {
    const auto place = std::lower_bound(left_by.begin(), left_by.end(), end.last_session);
    patterns.of_patient[end.patient] = end.end == TreatmentEnd::dropout
                                           ? static_cast<std::size_t>(place - left_by.begin())
                                           : left_by.size() + 1;
  }
  return patterns;
}

/// The pattern of each row of the design, patterns without rows left out, and patients by pattern.
struct PatternRows {
  std::vector<std::size_t> of_row;
  std::vector<DropoutPattern> patterns;

  PatternRows(const PersonPeriod& period, const Design& design, const Patterns& all) {
    const Factor patient = period.table.factor(period.columns.patient);
    std::vector<std::set<std::int32_t>> patients(all.names.size());
    std::set<std::int32_t> everybody;
    for (const Index row : design.rows) {
      const std::int32_t code = patient.codes[static_cast<std::size_t>(row)];
      of_row.push_back(all.of_patient.at(patient.levels[static_cast<std::size_t>(code)]));
      patients[of_row.back()].insert(code);
      everybody.insert(code);
    }
    std::vector<std::size_t> place(all.names.size());
    for (std::size_t k = 0; k < all.names.size(); ++k) {
      place[k] = patterns.size();
      if (patients[k].empty()) continue;
      patterns.push_back({.name = all.names[k],
                          .patients = static_cast<Index>(patients[k].size()),
                          .share = static_cast<double>(patients[k].size()) /
                                   static_cast<double>(everybody.size())});
    }
    for (std::size_t& pattern : of_row) pattern = place[pattern];
  }
};

/// Every column once a pattern, 0 in the rows of others.
Design by_pattern(const Design& design, const PatternRows& rows) {
  Design split = design;
  const Index p = design.fixed.cols();
  const auto patterns = static_cast<Index>(rows.patterns.size());
  split.fixed = MatrixXd::Zero(design.fixed.rows(), p * patterns);
  split.fixed_terms.clear();
  for (const DropoutPattern& pattern : rows.patterns)
    for (const std::string& term : design.fixed_terms)
      split.fixed_terms.push_back(term + " (" + pattern.name + ")");
  for (Index i = 0; i < design.fixed.rows(); ++i)
    split.fixed.row(i).segment(static_cast<Index>(rows.of_row[static_cast<std::size_t>(i)]) * p,
                               p) = design.fixed.row(i);
  split.frame = {};  // the columns are no longer the formula's
  return split;
}

ContrastEstimate normal_estimate(double estimate, double standard_error, double level) {
  const double z = estimate / standard_error;
  return {.estimate = estimate,
          .standard_error = standard_error,
          .statistic = z,
          .df = std::numeric_limits<double>::infinity(),
          .p_value = normal_p_value(z),
          .ci = normal_interval(estimate, standard_error, level)};
}

/// Σ πβ with Var = π'Cov(β)π + β'(diag π − ππ')β / N.
ContrastEstimate average_of(const VectorXd& estimates, const MatrixXd& covariance,
                            const VectorXd& shares, double patients, double level) {
  const double mean = shares.dot(estimates);
  const double of_shares = (shares.dot(estimates.cwiseAbs2()) - mean * mean) / patients;
  return normal_estimate(mean, std::sqrt(shares.dot(covariance * shares) + of_shares), level);
}

void require_estimable(const FixedEffects& fixed) {
  if (fixed.dropped.empty()) return;
  throw DataError("pattern_mixture: the effect " + fixed.dropped.front() +
                  " cannot be told from the rows of its pattern; divide those who left into fewer "
                  "patterns");
}

}  // namespace

PatternMixture pattern_mixture(const PersonPeriod& period, const std::string& formula,
                               const PatternMixtureOptions& options) {
  const Design design = make_design(parse_formula(formula), period.table);
  const PatternRows rows(period, design, patterns_of(period, options.left_by));
  if (rows.patterns.size() < 2)
    throw DataError("pattern_mixture: all patients are of one pattern, \"" +
                    rows.patterns.front().name + "\"");
  const MixedModel plain(design);
  const MixedFit plain_fit = plain.fit();
  const FixedInference plain_inference(plain, plain_fit, DegreesOfFreedom::satterthwaite,
                                       options.confidence_level);
  if (!plain_fit.fixed.dropped.empty())
    throw DataError("pattern_mixture: " + plain_fit.fixed.dropped.front() +
                    " depends on other terms; leave it out of the formula");
  const MixedModel split(by_pattern(design, rows));
  const MixedFit fit = split.fit();
  require_estimable(fit.fixed);
  const FixedInference inference(split, fit, DegreesOfFreedom::satterthwaite,
                                 options.confidence_level);

  PatternMixture result{};
  result.formula = to_string(parse_formula(formula));
  result.patterns = rows.patterns;
  const Index p = design.fixed.cols();
  const auto patterns = static_cast<Index>(rows.patterns.size());
  VectorXd shares(patterns);
  double patients = 0;
  for (Index k = 0; k < patterns; ++k) {
    shares[k] = rows.patterns[static_cast<std::size_t>(k)].share;
    patients += static_cast<double>(rows.patterns[static_cast<std::size_t>(k)].patients);
  }
  for (Index j = 0; j < p; ++j) {
    PatternMixtureTerm term{.term = design.fixed_terms[static_cast<std::size_t>(j)],
                            .by_pattern = {},
                            .average = {},
                            .ignorable = plain_inference.contrast(VectorXd::Unit(p, j))};
    std::vector<Index> places;
    for (Index k = 0; k < patterns; ++k) {
      places.push_back(k * p + j);
      term.by_pattern.push_back(inference.contrast(VectorXd::Unit(p * patterns, k * p + j)));
    }
    term.average = average_of(fit.fixed.estimate(places), fit.fixed.covariance(places, places),
                              shares, patients, options.confidence_level);
    result.terms.push_back(std::move(term));
  }
  const double smaller = plain.fit({.criterion = Criterion::ml}).criterion.value;
  const double larger = split.fit({.criterion = Criterion::ml}).criterion.value;
  result.statistic = std::max(0.0, smaller - larger);
  result.df = static_cast<double>(p * (patterns - 1));
  result.p_value = chi_squared_upper_tail(result.statistic, result.df);
  result.n_used = design.response.size();
  return result;
}

}  // namespace rapport
