#include <rapport/alliance/effect_size.hpp>
#include <rapport/alliance/meta_data.hpp>
#include <rapport/base/error.hpp>
#include <rapport/mixed/design.hpp>
#include <rapport/mixed/formula.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace rapport {
namespace {

template <class Values>
Values picked(const Values& values, const std::vector<Index>& positions) {
  Values result;
  if (values.empty()) return result;
  result.reserve(positions.size());
  for (const Index position : positions)
    result.push_back(values[static_cast<std::size_t>(position)]);
  return result;
}

std::vector<std::string> columns_used(const Table& table, const MetaColumns& columns) {
  std::vector<std::string> used;
  for (const std::string& name : columns.moderators)
    if (table.contains(name)) used.push_back(name);
  for (const std::string& name : {columns.effect, columns.variance, columns.correlation,
                                  columns.size, columns.study, columns.effect_id})
    if (!name.empty()) used.push_back(name);
  return used;
}

std::vector<Index> complete_rows(const Table& table, const std::vector<std::string>& names) {
  std::vector<const Column*> columns;
  for (const std::string& name : names) columns.push_back(&table.column(name));
  std::vector<Index> rows;
  for (Index i = 0; i < table.rows(); ++i)
    if (std::none_of(columns.begin(), columns.end(),
                     [&](const Column* column) { return is_missing(*column, i); }))
      rows.push_back(i);
  return rows;
}

[[noreturn]] void refuse(const Table& table, Index row, const std::string& column,
                         const std::string& what) {
  throw DataError("column \"" + column + "\": " + cell_text(table.column(column), row) + " " + what,
                  table.origin().file, table.line(row));
}

void add_effects(MetaData& data, const Table& table, const MetaColumns& columns) {
  const auto k = static_cast<Index>(data.rows.size());
  data.effect.resize(k);
  data.variance.resize(k);
  const bool correlations = !columns.correlation.empty();
  const Eigen::VectorXd& effect =
      table.numbers(correlations ? columns.correlation : columns.effect);
  const Eigen::VectorXd& precision = table.numbers(correlations ? columns.size : columns.variance);
  for (Index i = 0; i < k; ++i) {
    const Index row = data.rows[static_cast<std::size_t>(i)];
    if (!correlations) {
      if (!(precision[row] > 0))
        refuse(table, row, columns.variance, "is no sampling variance; it must be positive");
      data.effect[i] = effect[row];
      data.variance[i] = precision[row];
      continue;
    }
    if (!(std::abs(effect[row]) < 1))
      refuse(table, row, columns.correlation,
             "is no correlation that Fisher's z takes; it must lie between -1 and 1");
    if (!(precision[row] > 3))
      refuse(table, row, columns.size, "is too small a sample for Fisher's z; it must exceed 3");
    const EffectSize z = fisher_z(effect[row], precision[row]);
    data.effect[i] = z.estimate;
    data.variance[i] = z.variance;
  }
}

void add_studies(MetaData& data, const Table& table, const MetaColumns& columns) {
  if (columns.study.empty()) return;
  const Factor study = select(table.factor(columns.study), data.rows);
  data.study = study.codes;
  data.studies = study.levels;
  if (columns.effect_id.empty()) return;
  const Factor effect = select(table.factor(columns.effect_id), data.rows);
  std::set<std::pair<std::int32_t, std::int32_t>> seen;
  for (std::size_t i = 0; i < data.rows.size(); ++i)
    if (!seen.insert({study.codes[i], effect.codes[i]}).second)
      refuse(table, data.rows[i], columns.effect_id,
             "stands twice in study " + cell_text(table.column(columns.study), data.rows[i]) +
                 "; every effect of a study needs an id of its own");
}

/// A column named as it is, or a term in the notation of formulas: `ns(year, 3)`, `rater:year`.
std::string formula_term(const Table& table, const std::string& moderator) {
  return table.contains(moderator) ? "`" + moderator + "`" : moderator;
}

void require_varying(const Table& table, const std::string& name) {
  if (!table.contains(name)) return;
  const Factor factor = table.factor(name);
  if (factor.level_count() < 2)
    throw DataError("moderator \"" + name + "\" has the one value \"" + factor.levels.at(0) +
                        "\" in the effects used; leave it out",
                    table.origin().file);
}

/// The columns of the moderators, and the rows that miss none of them.
void add_moderators(MetaData& data, const Table& table, const MetaColumns& columns) {
  if (columns.moderators.empty()) return;
  const Table used = table.select(data.rows);
  std::string formula =
      formula_term(table, columns.correlation.empty() ? columns.effect : columns.correlation) +
      " ~ 1";
  for (const std::string& moderator : columns.moderators) {
    require_varying(used, moderator);
    formula += " + " + formula_term(table, moderator);
  }
  const Design design = make_design(parse_formula(formula), used);
  data.rows = picked(data.rows, design.rows);
  data.moderators = design.fixed.rightCols(design.fixed.cols() - 1);
  data.terms.assign(design.fixed_terms.begin() + 1, design.fixed_terms.end());
  for (const TermColumns& term : design.frame.fixed.terms)
    if (!term.term.empty())
      data.moderator_of.insert(data.moderator_of.end(), static_cast<std::size_t>(term.count),
                               term_label(term.term));
}

void add_labels(MetaData& data, const Table& table, const MetaColumns& columns) {
  if (columns.label.empty() && columns.study.empty()) return;
  const Column& name = table.column(columns.label.empty() ? columns.study : columns.label);
  const bool with_id = columns.label.empty() && !columns.effect_id.empty();
  for (const Index row : data.rows)
    data.labels.push_back(cell_text(name, row) +
                          (with_id ? " / " + cell_text(table.column(columns.effect_id), row) : ""));
}

}  // namespace

MetaData make_meta_data(const Table& table, const MetaColumns& columns) {
  const bool effects = !columns.effect.empty() && !columns.variance.empty();
  const bool correlations = !columns.correlation.empty() && !columns.size.empty();
  if (effects == correlations)
    throw InvalidArgument(
        "make_meta_data: give `effect` and `variance`, or `correlation` and `size`");
  MetaData data;
  data.rows = complete_rows(table, columns_used(table, columns));
  if (data.rows.empty())
    throw DataError("no row has all of the effect, its variance and the moderators",
                    table.origin().file);
  add_moderators(data, table, columns);
  data.n_omitted = table.rows() - static_cast<Index>(data.rows.size());
  add_effects(data, table, columns);
  add_studies(data, table, columns);
  add_labels(data, table, columns);
  return data;
}

Eigen::MatrixXd correlated_sampling_errors(const MetaData& data, double correlation) {
  if (data.study.empty())
    throw InvalidArgument(
        "correlated_sampling_errors: `study` is empty; errors correlate within studies");
  if (!(correlation >= 0 && correlation < 1))
    throw InvalidArgument("correlated_sampling_errors: `correlation` is " +
                          shortest_decimal(correlation) + "; it must lie in [0, 1)");
  const Eigen::VectorXd errors = data.variance.cwiseSqrt();
  Eigen::MatrixXd covariance = data.variance.asDiagonal();
  for (Index i = 0; i < errors.size(); ++i)
    for (Index j = 0; j < i; ++j)
      if (data.study[static_cast<std::size_t>(i)] == data.study[static_cast<std::size_t>(j)])
        covariance(i, j) = covariance(j, i) = correlation * errors[i] * errors[j];
  return covariance;
}

MetaData select(const MetaData& data, const std::vector<Index>& positions) {
  MetaData chosen;
  chosen.effect = data.effect(positions);
  chosen.variance = data.variance(positions);
  chosen.study = picked(data.study, positions);
  if (data.moderators.cols() > 0) chosen.moderators = data.moderators(positions, Eigen::all);
  chosen.terms = data.terms;
  chosen.moderator_of = data.moderator_of;
  if (data.covariance.size() > 0) chosen.covariance = data.covariance(positions, positions);
  chosen.labels = picked(data.labels, positions);
  chosen.studies = data.studies;
  chosen.rows = picked(data.rows, positions);
  chosen.n_omitted = data.n_omitted;
  return chosen;
}

}  // namespace rapport
