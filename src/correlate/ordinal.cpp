#include <rapport/base/error.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/math/distributions.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// Kinds of observations: those in one cell of the table, or single ones. Brown & Benedetti's
/// variances are sums over them.
struct Kinds {
  Eigen::ArrayXd weight = {};      ///< observations of the kind
  Eigen::ArrayXd concordant = {};  ///< with one of them
  Eigen::ArrayXd discordant = {};
  Eigen::ArrayXd equal_x = {};  ///< with its x
  Eigen::ArrayXd equal_y = {};
  double total = 0;
  Index distinct = 0;  ///< the smaller number of distinct values
};

Kinds kinds_of_table(const Eigen::MatrixXd& table) {
  const Index rows = table.rows();
  const Index columns = table.cols();
  Kinds kinds{.total = table.sum(), .distinct = std::min(rows, columns)};
  for (Eigen::ArrayXd* field :
       {&kinds.weight, &kinds.concordant, &kinds.discordant, &kinds.equal_x, &kinds.equal_y})
    field->resize(table.size());
  const Eigen::VectorXd row_sums = table.rowwise().sum();
  const Eigen::VectorXd column_sums = table.colwise().sum();
  Eigen::VectorXd above = Eigen::VectorXd::Zero(columns);  // column sums of the rows already passed
  for (Index i = 0; i < rows; ++i) {
    double above_left = 0;
    double below_left = 0;
    const double all_above = above.sum();
    const double all_below = kinds.total - all_above - row_sums[i];
    for (Index j = 0; j < columns; ++j) {
      const double below = column_sums[j] - above[j] - table(i, j);
      const Index kind = i * columns + j;
      const double above_right = all_above - above_left - above[j];
      const double below_right = all_below - below_left - below;
      kinds.weight[kind] = table(i, j);
      kinds.concordant[kind] = above_left + below_right;
      kinds.discordant[kind] = above_right + below_left;
      kinds.equal_x[kind] = row_sums[i];
      kinds.equal_y[kind] = column_sums[j];
      above_left += above[j];
      below_left += below;
    }
    above += table.row(i).transpose();
  }
  return kinds;
}

Kinds kinds_of_quadrants(const QuadrantCounts& quadrants, Index distinct,
                         const VectorView& weights) {
  return {.weight = weights.size() > 0 ? Eigen::ArrayXd(weights.array())
                                       : Eigen::ArrayXd::Ones(quadrants.below_x.size()),
          .concordant = concordant_with_each(quadrants).array(),
          .discordant = discordant_with_each(quadrants).array(),
          .equal_x = quadrants.equal_x.array(),
          .equal_y = quadrants.equal_y.array(),
          .total = quadrants.total,
          .distinct = distinct};
}

/// Brown & Benedetti (1977). P and Q count each pair twice, as there; so do the weights w that
/// divide S = P − Q.
OrdinalEstimate estimate_of(const Kinds& k, OrdinalMeasure measure) {
  const double n = k.total;
  const double p = (k.weight * k.concordant).sum();
  const double q = (k.weight * k.discordant).sum();
  const Eigen::ArrayXd difference = k.concordant - k.discordant;
  const double null_sum =
      std::sqrt(std::max((k.weight * difference.square()).sum() - (p - q) * (p - q) / n, 0.0));
  const double untied_x = n * n - (k.weight * k.equal_x).sum();
  const double untied_y = n * n - (k.weight * k.equal_y).sum();

  const auto scaled = [&](double divisor) {  // (P − Q)/divisor with a divisor that is not random
    return OrdinalEstimate{(p - q) / divisor, 2 * null_sum / divisor, 2 * null_sum / divisor};
  };
  OrdinalEstimate result{missing, missing, missing};
  switch (measure) {
    case OrdinalMeasure::tau_a:
      result = scaled(n * (n - 1));
      break;
    case OrdinalMeasure::tau_c: {
      const auto m = static_cast<double>(k.distinct);
      result = scaled(n * n * (m - 1) / m);
      break;
    }
    case OrdinalMeasure::gamma: {
      const double sum = (k.weight * (q * k.concordant - p * k.discordant).square()).sum();
      result = {(p - q) / (p + q), 4 / ((p + q) * (p + q)) * std::sqrt(sum),
                2 * null_sum / (p + q)};
      break;
    }
    case OrdinalMeasure::somers_d: {
      const double sum =
          (k.weight * (untied_x * difference - (p - q) * (n - k.equal_x)).square()).sum();
      result = {(p - q) / untied_x, 2 / (untied_x * untied_x) * std::sqrt(sum),
                2 * null_sum / untied_x};
      break;
    }
    case OrdinalMeasure::tau_b: {
      const double w = std::sqrt(untied_x * untied_y);
      const double tau = (p - q) / w;
      const Eigen::ArrayXd v = k.equal_x * untied_y + k.equal_y * untied_x;
      const double untied = untied_x + untied_y;
      const double sum = (k.weight * (2 * w * difference + tau * v).square()).sum() -
                         n * n * n * tau * tau * untied * untied;
      result = {tau, std::sqrt(std::max(sum, 0.0)) / (w * w), 2 * null_sum / w};
      break;
    }
  }
  if (!std::isfinite(result.estimate)) return {missing, missing, missing};
  return result;
}

}  // namespace

OrdinalEstimate ordinal_estimate(const QuadrantCounts& quadrants, OrdinalMeasure measure,
                                 Index distinct, const VectorView& weights) {
  return estimate_of(kinds_of_quadrants(quadrants, distinct, weights), measure);
}

OrdinalEstimate ordinal_estimate(const Eigen::MatrixXd& table, OrdinalMeasure measure) {
  return estimate_of(kinds_of_table(table), measure);
}

OrdinalEstimate ordinal_estimate(const DenseRanks& x, const DenseRanks& y, OrdinalMeasure measure) {
  if (table_is_small(x, y)) return ordinal_estimate(cross_table(x, y), measure);
  return ordinal_estimate(quadrant_counts(x, y), measure, std::min(x.distinct(), y.distinct()));
}

ConfidenceInterval interval_within_one(double estimate, double standard_error, double level) {
  ConfidenceInterval ci = normal_interval(estimate, standard_error, level);
  if (std::isnan(ci.lower)) return {.level = level};
  return {.lower = std::max(ci.lower, -1.0), .upper = std::min(ci.upper, 1.0), .level = level};
}

CorrelationResult ordinal_association(const VectorView& x, const VectorView& y,
                                      OrdinalMeasure measure, const CorrelationOptions& options) {
  require_level("ordinal_association", "confidence_level", options.confidence_level);
  return detail::on_complete_pairs(
      "ordinal_association", x, y, options.missing,
      [&](const VectorView& a, const VectorView& b, Index omitted) {
        CorrelationResult result{
            .n = static_cast<double>(a.size()), .n_used = a.size(), .n_omitted = omitted};
        if (a.size() < 2) return result;
        const OrdinalEstimate found = ordinal_estimate(dense_ranks(a), dense_ranks(b), measure);
        result.estimate = found.estimate;
        result.standard_error = found.standard_error;
        result.ci =
            interval_within_one(found.estimate, found.standard_error, options.confidence_level);
        // No evidence either way where estimate and standard error are both 0.
        result.statistic = found.estimate == 0 ? 0 : found.estimate / found.null_standard_error;
        result.p_value = normal_p_value(result.statistic, options.alternative);
        return result;
      });
}

CorrelationResult goodman_kruskal_gamma(const VectorView& x, const VectorView& y,
                                        const CorrelationOptions& options) {
  return ordinal_association(x, y, OrdinalMeasure::gamma, options);
}

CorrelationResult somers_d(const VectorView& x, const VectorView& y,
                           const CorrelationOptions& options) {
  return ordinal_association(x, y, OrdinalMeasure::somers_d, options);
}

CorrelationResult stuart_tau_c(const VectorView& x, const VectorView& y,
                               const CorrelationOptions& options) {
  return ordinal_association(x, y, OrdinalMeasure::tau_c, options);
}

CorrelationResult kendall_tau_a(const VectorView& x, const VectorView& y,
                                const CorrelationOptions& options) {
  return ordinal_association(x, y, OrdinalMeasure::tau_a, options);
}

}  // namespace rapport
