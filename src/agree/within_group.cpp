#include <rapport/agree/rating_model.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/agree/within_group.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Rows with all items and a group, group by group: group g holds rows start[g] … start[g + 1] − 1.
struct Grouped {
  std::vector<Index> rows;
  std::vector<Index> start;
};

Grouped grouped_rows(const MatrixView& items, const Factor& group) {
  require_same_size("within_group", "items", items.rows(), "group", group.size());
  require_at_least("within_group", "items", items.cols(), 1);
  Grouped g;
  g.start.assign(static_cast<std::size_t>(group.level_count() + 1), 0);
  const auto code = [&](Index i) { return group.codes[static_cast<std::size_t>(i)]; };
  std::vector<bool> kept(static_cast<std::size_t>(items.rows()));
  for (Index i = 0; i < items.rows(); ++i) {
    kept[static_cast<std::size_t>(i)] = code(i) >= 0 && !items.row(i).array().isNaN().any();
    if (kept[static_cast<std::size_t>(i)]) ++g.start[static_cast<std::size_t>(code(i)) + 1];
  }
  for (std::size_t level = 1; level < g.start.size(); ++level) g.start[level] += g.start[level - 1];
  std::vector<Index> next(g.start.begin(), g.start.end() - 1);
  g.rows.resize(static_cast<std::size_t>(g.start.back()));
  for (Index i = 0; i < items.rows(); ++i)
    if (kept[static_cast<std::size_t>(i)])
      g.rows[static_cast<std::size_t>(next[static_cast<std::size_t>(code(i))]++)] = i;
  return g;
}

/// `value(members)` for each group, members being its rows of all items.
template <class Value>
WithinGroupResult each_group(const MatrixView& items, const Factor& group, const Value& value) {
  const Grouped grouped = grouped_rows(items, group);
  WithinGroupResult result{};
  double sum = 0;
  Index defined = 0;
  for (Index level = 0; level < group.level_count(); ++level) {
    const auto at = static_cast<std::size_t>(level);
    const Index n = grouped.start[at + 1] - grouped.start[at];
    if (n == 0) continue;
    GroupAgreement one{group.levels[at], n, missing, false};
    if (n >= 2) {
      const std::vector<Index> rows(grouped.rows.begin() + grouped.start[at],
                                    grouped.rows.begin() + grouped.start[at + 1]);
      one.value = value(pick_rows(items, rows), one.truncated);
    }
    if (!is_missing(one.value)) {
      sum += one.value;
      ++defined;
    }
    result.groups.push_back(std::move(one));
  }
  result.mean = defined > 0 ? sum / static_cast<double>(defined) : missing;
  result.n_used = static_cast<Index>(grouped.rows.size());
  result.n_omitted = items.rows() - result.n_used;
  return result;
}

double column_variance(const MatrixXd& members, Index item) {
  const double mean = members.col(item).mean();
  return (members.col(item).array() - mean).square().sum() /
         static_cast<double>(members.rows() - 1);
}

}  // namespace

WithinGroupResult within_group_rwg(const MatrixView& items, const Factor& group,
                                   const RwgOptions& options) {
  if (!(options.null_variance > 0) || !std::isfinite(options.null_variance))
    throw InvalidArgument("within_group_rwg: `null_variance` is " +
                          std::to_string(options.null_variance) + "; it must be positive");
  const auto j = static_cast<double>(items.cols());
  return each_group(items, group, [&](const MatrixXd& members, bool& truncated) {
    double variance = 0;
    for (Index item = 0; item < members.cols(); ++item)
      variance += column_variance(members, item) / j;
    truncated = variance > options.null_variance;
    const double error = std::min(variance / options.null_variance, 1.0);
    return options.lindell ? 1 - error : j * (1 - error) / (j * (1 - error) + error);
  });
}

WithinGroupResult within_group_ad(const MatrixView& items, const Factor& group, Centre around) {
  return each_group(items, group, [&](const MatrixXd& members, bool&) {
    double sum = 0;
    for (Index item = 0; item < members.cols(); ++item) {
      const double centre =
          around == Centre::mean ? members.col(item).mean() : median(members.col(item));
      sum += (members.col(item).array() - centre).abs().mean();
    }
    return sum / static_cast<double>(members.cols());
  });
}

WithinGroupResult within_group_awg(const MatrixView& items, const Factor& group, double low,
                                   double high) {
  if (!(low < high))
    throw InvalidArgument("within_group_awg: `low` is " + std::to_string(low) + " and `high` " +
                          std::to_string(high) + "; low must lie below high");
  if ((items.array() < low || items.array() > high).any())
    throw DataError("within_group_awg: a rating lies outside the scale's " + shortest_decimal(low) +
                    " to " + shortest_decimal(high));
  return each_group(items, group, [&](const MatrixXd& members, bool&) {
    const auto n = static_cast<double>(members.rows());
    double sum = 0;
    for (Index item = 0; item < members.cols(); ++item) {
      const double mean = members.col(item).mean();
      const double most = ((high + low) * mean - mean * mean - high * low) * n / (n - 1);
      const double variance = column_variance(members, item);
      sum += variance == 0 ? 1 : 1 - 2 * variance / most;
    }
    return sum / static_cast<double>(members.cols());
  });
}

GroupIccResult group_icc(const MatrixView& items, const Factor& group, GroupIccMethod method) {
  const Grouped grouped = grouped_rows(items, group);
  const VectorXd score = items.rowwise().mean();
  const auto n = static_cast<double>(grouped.rows.size());
  double grand = 0;
  for (const Index i : grouped.rows) grand += score[i] / n;
  RatingDesign design;
  design.response.resize(static_cast<Index>(grouped.rows.size()));
  double between = 0;
  double within = 0;
  std::int32_t groups = 0;
  for (std::size_t level = 0; level + 1 < grouped.start.size(); ++level) {
    const Index begin = grouped.start[level];
    const Index end = grouped.start[level + 1];
    if (begin == end) continue;
    double mean = 0;
    for (Index i = begin; i < end; ++i)
      mean += (score[grouped.rows[static_cast<std::size_t>(i)]] - grand) /
              static_cast<double>(end - begin);
    between += static_cast<double>(end - begin) * mean * mean;
    for (Index i = begin; i < end; ++i) {
      const double deviation = score[grouped.rows[static_cast<std::size_t>(i)]] - grand;
      within += (deviation - mean) * (deviation - mean);
      design.response[i] = deviation;
      design.subject.push_back(groups);
    }
    ++groups;
  }
  if (groups < 2 || groups == static_cast<std::int32_t>(grouped.rows.size()))
    throw DataError("group_icc: " + std::to_string(grouped.rows.size()) + " members in " +
                    std::to_string(groups) +
                    " groups; at least two groups, and more members than groups, are required");
  GroupIccResult r{};
  r.groups = groups;
  r.k = n / groups;
  r.df1 = groups - 1;
  r.df2 = n - groups;
  const double msb = between / r.df1;
  const double msw = within / r.df2;
  r.f = msb / msw;
  r.p_value = fisher_f_upper_tail(r.f, r.df1, r.df2);
  r.eta_squared = between / (between + within);
  if (method == GroupIccMethod::anova) {
    r.icc1 = (msb - msw) / (msb + (r.k - 1) * msw);
    r.icc2 = (msb - msw) / msb;
  } else {
    design.fixed = MatrixXd::Ones(design.response.size(), 1);
    const RatingModel model = fit_rating_model(design);
    r.icc1 = model.subject / (model.subject + model.residual);
    r.icc2 = r.k * r.icc1 / (1 + (r.k - 1) * r.icc1);
  }
  r.n_used = static_cast<Index>(grouped.rows.size());
  r.n_omitted = items.rows() - r.n_used;
  return r;
}

}  // namespace rapport
