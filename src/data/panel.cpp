#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/panel.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

namespace rapport {
namespace {

std::int32_t code_at(const Factor& group, Index row) {
  return group.codes[static_cast<std::size_t>(row)];
}

/// Sums of the values of each group, leaving missing ones out.
struct GroupSums {
  Eigen::VectorXd sum;
  Eigen::VectorXd count;

  GroupSums(const VectorView& x, const Factor& group)
      : sum(Eigen::VectorXd::Zero(group.level_count())),
        count(Eigen::VectorXd::Zero(group.level_count())) {
    for (Index i = 0; i < x.size(); ++i) {
      const std::int32_t code = code_at(group, i);
      if (code < 0 || is_missing(x[i])) continue;
      sum[code] += x[i];
      count[code] += 1;
    }
  }

  [[nodiscard]] Eigen::VectorXd means() const { return sum.cwiseQuotient(count); }
};

double mean_of_present(const VectorView& values) {
  double total = 0;
  Index count = 0;
  for (const double value : values) {
    if (is_missing(value)) continue;
    total += value;
    ++count;
  }
  return total / static_cast<double>(count);
}

/// The value of each row's group, missing where x or the group is.
Eigen::VectorXd spread(const VectorView& x, const Factor& group, const Eigen::VectorXd& of_group) {
  Eigen::VectorXd values = Eigen::VectorXd::Constant(x.size(), missing);
  for (Index i = 0; i < x.size(); ++i) {
    const std::int32_t code = code_at(group, i);
    if (code >= 0 && !is_missing(x[i])) values[i] = of_group[code];
  }
  return values;
}

/// Sums of squared numbers of rows, each patient's over those of the therapist, and how many
/// patients they are of: what the expected mean square between patients weighs τ² by. Without
/// therapists all patients are of one.
struct NestedSizes {
  double squared = 0;
  double patients = 0;
  double therapists = 0;

  NestedSizes(const VectorView& x, const Panel& panel) {
    std::map<std::int32_t, std::map<std::int32_t, double>> rows;
    for (Index i = 0; i < x.size(); ++i)
      if (!is_missing(x[i]))
        rows[panel.has_therapist() ? code_at(panel.therapist, i) : 0][code_at(panel.patient, i)] +=
            1;
    for (const auto& [therapist, of_patients] : rows) {
      double all = 0;
      double squares = 0;
      for (const auto& [patient, n] : of_patients) {
        all += n;
        squares += n * n;
      }
      squared += squares / all;
      patients += static_cast<double>(of_patients.size());
      therapists += 1;
    }
  }
};

/// Nested random-effects analysis of variance for unequal sizes (Searle, Casella & McCulloch
/// 1992, 3.6): sessions within patients, patients within therapists.
void add_variances(const VectorView& x, const Panel& panel, Decomposition& result) {
  const GroupSums patients(x, panel.patient);
  const NestedSizes sizes(x, panel);
  const double n = patients.count.sum();
  double squares_within = 0;
  double squares_between = 0;
  for (Index i = 0; i < x.size(); ++i) {
    if (is_missing(x[i])) continue;
    squares_within += result.within[i] * result.within[i];
    squares_between += result.between_patient[i] * result.between_patient[i];
  }
  if (!panel.has_therapist()) {  // about the mean of all rows, not of the patients
    const double shift = patients.sum.sum() / n - result.centre;
    squares_between -= n * shift * shift;
  }
  const double df = sizes.patients - sizes.therapists;
  const double mean_size = (n - sizes.squared) / df;
  result.within_variance = n > sizes.patients ? squares_within / (n - sizes.patients) : missing;
  result.between_patient_variance =
      df > 0 ? std::max(0.0, (squares_between / df - result.within_variance) / mean_size) : missing;
  const double tau2 = result.between_patient_variance;
  result.icc = tau2 / (tau2 + result.within_variance);
  result.reliability = patients.count.unaryExpr([&](double size) {
    return size == 0 ? missing : tau2 / (tau2 + result.within_variance / size);
  });
  result.mean_reliability = mean_of_present(result.reliability);
  result.n_used = static_cast<Index>(n);
  result.n_patients = (patients.count.array() > 0).count();
}

}  // namespace

Panel make_panel(const Table& table, const PanelColumns& columns) {
  Panel panel{.patient = table.factor(columns.patient),
              .therapist = columns.therapist.empty() ? Factor{} : table.factor(columns.therapist),
              .session = table.numbers(columns.session),
              .order = {},
              .first = {},
              .n_omitted = 0};
  for (Index i = 0; i < panel.rows(); ++i) {
    const bool complete = code_at(panel.patient, i) >= 0 && !is_missing(panel.session[i]) &&
                          (!panel.has_therapist() || code_at(panel.therapist, i) >= 0);
    if (complete) panel.order.push_back(i);
  }
  panel.n_omitted = panel.rows() - static_cast<Index>(panel.order.size());
  std::stable_sort(panel.order.begin(), panel.order.end(), [&](Index a, Index b) {
    const std::int32_t p = code_at(panel.patient, a);
    const std::int32_t q = code_at(panel.patient, b);
    return p != q ? p < q : panel.session[a] < panel.session[b];
  });
  panel.first.assign(static_cast<std::size_t>(panel.patients()) + 1, 0);
  for (const Index row : panel.order)
    ++panel.first[static_cast<std::size_t>(code_at(panel.patient, row)) + 1];
  std::partial_sum(panel.first.begin(), panel.first.end(), panel.first.begin());
  for (std::size_t k = 1; k < panel.order.size(); ++k) {
    const Index before = panel.order[k - 1];
    const Index row = panel.order[k];
    if (code_at(panel.patient, before) != code_at(panel.patient, row) ||
        panel.session[before] != panel.session[row])
      continue;
    throw DataError(
        columns.patient + " \"" +
            panel.patient.levels[static_cast<std::size_t>(code_at(panel.patient, row))] +
            "\" has " + columns.session + " " + shortest_decimal(panel.session[row]) +
            " twice (also in line " + std::to_string(table.line(before)) +
            "); a session may stand once, so correct or drop one row",
        table.origin().file.empty() ? "table" : table.origin().file, table.line(row));
  }
  return panel;
}

Eigen::VectorXd group_means(const VectorView& x, const Factor& group) {
  require_same_size("group_means", "x", x.size(), "group", group.size());
  return GroupSums(x, group).means();
}

Eigen::VectorXd within_group(const VectorView& x, const Factor& group) {
  return x - spread(x, group, group_means(x, group));
}

Eigen::VectorXd between_group(const VectorView& x, const Factor& group) {
  const Eigen::VectorXd means = group_means(x, group);
  return spread(x, group, (means.array() - mean_of_present(means)).matrix());
}

Eigen::VectorXd grand_mean_centred(const VectorView& x) {
  return (x.array() - mean_of_present(x)).matrix();
}

Eigen::VectorXd lag(const VectorView& x, const Factor& group, const VectorView& time,
                    double steps) {
  require_same_size("lag", "x", x.size(), "group", group.size());
  require_same_size("lag", "x", x.size(), "time", time.size());
  std::vector<std::unordered_map<double, Index>> row_at(
      static_cast<std::size_t>(group.level_count()));
  const auto used = [&](Index i) { return code_at(group, i) >= 0 && !is_missing(time[i]); };
  for (Index i = 0; i < x.size(); ++i) {
    if (!used(i)) continue;
    const auto level = static_cast<std::size_t>(code_at(group, i));
    if (!row_at[level].emplace(time[i], i).second)
      throw DataError("lag: \"" + group.levels[level] + "\" has time " + shortest_decimal(time[i]) +
                      " twice; each may stand once, so correct or drop one of the rows");
  }
  Eigen::VectorXd result = Eigen::VectorXd::Constant(x.size(), missing);
  for (Index i = 0; i < x.size(); ++i) {
    if (!used(i)) continue;
    const auto& rows = row_at[static_cast<std::size_t>(code_at(group, i))];
    const auto before = rows.find(time[i] - steps);
    if (before != rows.end()) result[i] = x[before->second];
  }
  return result;
}

Eigen::VectorXd detrended_within_group(const VectorView& x, const Factor& group,
                                       const VectorView& time) {
  require_same_size("detrended_within_group", "x", x.size(), "time", time.size());
  Eigen::VectorXd both =
      time;  // time where x is present too, so that both are centred on the same rows
  for (Index i = 0; i < both.size(); ++i)
    if (is_missing(x[i])) both[i] = missing;
  const Eigen::VectorXd t = within_group(both, group);
  const Eigen::VectorXd y = within_group(x, group);
  const Eigen::VectorXd products = GroupSums(t.cwiseProduct(y), group).sum;
  const Eigen::VectorXd squares = GroupSums(t.cwiseAbs2(), group).sum;
  Eigen::VectorXd slope(products.size());
  for (Index k = 0; k < slope.size(); ++k) slope[k] = squares[k] > 0 ? products[k] / squares[k] : 0;
  return y - t.cwiseProduct(spread(t, group, slope));
}

Decomposition decompose(const Panel& panel, const VectorView& x) {
  require_same_size("decompose", "x", x.size(), "panel", panel.rows());
  Eigen::VectorXd used = Eigen::VectorXd::Constant(x.size(), missing);
  for (const Index row : panel.order) used[row] = x[row];
  Decomposition result{};
  result.within = within_group(used, panel.patient);
  const Eigen::VectorXd patient_mean =
      spread(used, panel.patient, group_means(used, panel.patient));
  if (panel.has_therapist()) {
    const Eigen::VectorXd means = group_means(used, panel.therapist);
    result.centre = mean_of_present(means);
    result.between_therapist = between_group(used, panel.therapist);
    result.between_patient = patient_mean - spread(used, panel.therapist, means);
    result.n_therapists = (means.array() == means.array()).count();
  } else {
    result.centre = mean_of_present(group_means(used, panel.patient));
    result.between_patient = (patient_mean.array() - result.centre).matrix();
  }
  add_variances(used, panel, result);
  return result;
}

}  // namespace rapport
