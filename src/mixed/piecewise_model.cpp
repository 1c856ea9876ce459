#include "piecewise_model.hpp"

#include <rapport/base/error.hpp>
#include <rapport/base/parallel.hpp>

#include <algorithm>
#include <numeric>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Rows of a piece: its columns stay in the cache of a core.
constexpr Index piece_rows = 4096;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// A column whose constancy is not looked for: where the sample does not vary, others may.
ColumnSummary summarize_sample(const double* values, Index n) {
  const ColumnSummary summary = summarize_column(values, n);
  if (!summary.constant) return summary;
  return {summary.first, summary.first, summary.first == 0 ? 1 : std::abs(summary.first), false};
}

/// Columns as the sample suggests; their values come later.
ColumnGroup standardize_sample(const detail::PieceColumns& columns, const ModelRows& sample) {
  static constexpr double one = 1;
  std::vector<ColumnSummary> summaries;
  std::vector<const double*> values;
  summaries.reserve(at(columns.size()));
  values.reserve(at(columns.size()));
  VectorXd buffer(columns.n_made(*sample.values) > 0 ? sample.size : 0);
  for (Index j = 0; j < columns.size(); ++j) {
    values.push_back(columns.is_one(j) ? &one : nullptr);
    summaries.push_back(
        columns.is_one(j)
            ? ColumnSummary{1, 1, 0, true}
            : summarize_sample(columns.values(j, *sample.values, 0, sample.size, buffer.data()),
                               sample.size));
  }
  return standardize(summaries, values);
}

}  // namespace

PiecewiseModel::PiecewiseModel(ModelFrame frame, std::vector<std::string> factors,
                               const ModelRows& sample, Index expected, int threads)
    : frame_(std::move(frame)),
      factors_(std::move(factors)),
      threads_(threads),
      fixed_(frame_, frame_.fixed) {
  for (const ColumnPlan& plan : frame_.random) random_.emplace_back(frame_, plan);
  plan_terms(sample);
  plan_fixed(sample);
  data_->threads = threads;
  products_ = std::make_unique<NestedCrossProducts>(
      data_->structure, static_cast<Index>(columns_.fixed.size()), expected, threads);
}

void PiecewiseModel::plan_terms(const ModelRows& sample) {
  const std::vector<RandomFormula>& formulas = frame_.formula.random;
  data_->terms.resize(formulas.size());
  std::vector<std::vector<Index>> blocks;
  for (std::size_t l = 0; l < factors_.size(); ++l) {
    GroupingLevel& level = columns_.levels.emplace_back();
    blocks.emplace_back();
    level_terms_.emplace_back();
    for (std::size_t t = 0; t < formulas.size(); ++t) {
      if (term_label(formulas[t].group) != factors_[l]) continue;
      const ColumnGroup group = standardize_sample(random_[t], sample);
      data_->terms[t] = {factors_[l],
                         frame_.random[t].names,
                         {},
                         static_cast<Index>(l),
                         static_cast<Index>(level.columns.size()),
                         {},
                         group.transform};
      level.columns.insert(level.columns.end(), group.columns.begin(), group.columns.end());
      blocks.back().push_back(random_[t].size());
      level_terms_.back().push_back(t);
    }
  }
  data_->structure = CovarianceStructure(std::move(blocks));
}

void PiecewiseModel::plan_fixed(const ModelRows& sample) {
  const ColumnGroup group = standardize_sample(fixed_, sample);
  columns_.fixed = group.columns;
  data_->fixed_transform = group.transform;
  data_->fixed_log_determinant = log_determinant(group.transform);
  data_->fixed_terms = frame_.fixed.names;
  data_->fixed_columns.resize(frame_.fixed.names.size());
  std::iota(data_->fixed_columns.begin(), data_->fixed_columns.end(), Index{0});
  VectorXd without_offset;
  if (sample.offset != nullptr)
    without_offset = Eigen::Map<const VectorXd>(sample.response, sample.size) -
                     Eigen::Map<const VectorXd>(sample.offset, sample.size);
  const ColumnSummary summary = summarize_sample(
      sample.offset != nullptr ? without_offset.data() : sample.response, sample.size);
  columns_.fixed.push_back(standardize_response(nullptr, summary, columns_.fixed, *data_));
}

/// Cross-products of some rows, with their groups' numbers.
struct PiecewiseModel::Piece {
  std::unique_ptr<NestedCrossProducts> products;
  std::vector<std::vector<std::int32_t>> groups;
};

namespace {

/// Numbers the runs of equal groups from 0; a run ends where one of the next level does.
void number_runs(const std::int32_t* groups, Index n, const std::vector<std::int32_t>* outer,
                 std::vector<std::int32_t>& runs, std::vector<std::int32_t>& of_run) {
  runs.resize(at(n));
  of_run.resize(at(n));
  std::int32_t run = -1;
  for (Index i = 0; i < n; ++i) {
    const bool starts = i == 0 || groups[i] != groups[i - 1] ||
                        (outer != nullptr && (*outer)[at(i)] != (*outer)[at(i - 1)]);
    if (starts) of_run[static_cast<std::size_t>(++run)] = groups[i];
    runs[at(i)] = run;
  }
  of_run.resize(static_cast<std::size_t>(run + 1));
}

}  // namespace

PiecewiseModel::Piece PiecewiseModel::compress(const ModelRows& rows, Index first, Index n) const {
  static const std::vector<double> ones(at(2 * piece_rows), 1.0);
  ModelColumns columns = columns_;
  columns.rows = n;
  Index made = rows.offset != nullptr ? 1 : 0;  // columns that have to be written
  for (const detail::PieceColumns& random : random_) made += random.n_made(*rows.values);
  MatrixXd memory(n, made + fixed_.n_made(*rows.values));
  Index next = 0;
  const auto place = [&](const detail::PieceColumns& source, Index j, ModelColumn& column) {
    if (source.is_one(j)) {
      column.values = ones.data();
      return;
    }
    const bool is_made = source.is_made(j, *rows.values);
    column.values =
        source.values(j, *rows.values, first, n, is_made ? memory.col(next++).data() : nullptr);
  };
  Piece piece;
  piece.groups.resize(factors_.size());
  for (std::size_t l = factors_.size(); l-- > 0;) {
    GroupingLevel& level = columns.levels[l];
    std::size_t j = 0;
    for (const std::size_t t : level_terms_[l])
      for (Index k = 0; k < random_[t].size(); ++k) place(random_[t], k, level.columns[j++]);
    number_runs(rows.groups[l] + first, n,
                l + 1 < factors_.size() ? &columns.levels[l + 1].group : nullptr, level.group,
                piece.groups[l]);
    level.n_groups = static_cast<Index>(piece.groups[l].size());
  }
  for (Index j = 0; j < fixed_.size(); ++j) place(fixed_, j, columns.fixed[at(j)]);
  if (rows.offset != nullptr) {
    memory.col(next) = Eigen::Map<const VectorXd>(rows.response + first, n) -
                       Eigen::Map<const VectorXd>(rows.offset + first, n);
    columns.fixed.back().values = memory.col(next).data();
  } else {
    columns.fixed.back().values = rows.response + first;
  }
  if (rows.root_weight != nullptr)
    columns.root_weight = Eigen::Map<const VectorXd>(rows.root_weight + first, n);
  piece.products =
      std::make_unique<NestedCrossProducts>(NestedCrossProducts::Part{}, columns, data_->structure);
  return piece;
}

void PiecewiseModel::add(const ModelRows& rows) {
  std::vector<Index> starts;
  for (Index i = 0; i < rows.size;) {
    starts.push_back(i);
    Index end = std::min(i + piece_rows, rows.size);
    const Index most = std::min(i + 2 * piece_rows, rows.size);
    if (!rows.groups.empty())
      while (end < most && rows.groups[0][end] == rows.groups[0][end - 1]) ++end;
    i = end;
  }
  const auto n = static_cast<Index>(starts.size());
  starts.push_back(rows.size);
  const Index wave = n < 8 ? 1 : 4 * thread_count(threads_);
  for (Index first = 0; first < n; first += wave) {
    std::vector<Piece> pieces(at(std::min(wave, n - first)));
    parallel_for(static_cast<Index>(pieces.size()), wave == 1 ? 1 : threads_, [&](Index i) {
      const Index start = starts[at(first + i)];
      pieces[at(i)] = compress(rows, start, starts[at(first + i + 1)] - start);
    });
    for (const Piece& piece : pieces)
      if (n > 1 || !products_->adopt(*piece.products, piece.groups))
        products_->absorb(*piece.products, piece.groups);
  }
  rows_ += rows.size;
  if (rows.root_weight != nullptr)
    log_weights_ += 2 * Eigen::Map<const VectorXd>(rows.root_weight, rows.size).array().log().sum();
}

void PiecewiseModel::absorb(const PiecewiseModel& other,
                            const std::vector<std::vector<std::int32_t>>& groups) {
  products_->absorb(*other.products_, groups);
  rows_ += other.rows_;
  log_weights_ += other.log_weights_;
}

void PiecewiseModel::renumber(const std::vector<std::vector<std::int32_t>>& numbers) {
  products_->renumber(numbers);
}

std::shared_ptr<MixedModel::Data> PiecewiseModel::finish(const std::vector<LevelNames>& levels,
                                                         Index omitted) {
  data_->observations = rows_;
  data_->omitted = omitted;
  data_->log_weights = log_weights_;
  for (std::size_t l = 0; l < levels.size(); ++l)
    if (!products_->has_groups(static_cast<Index>(l), static_cast<Index>(levels[l].size())))
      return nullptr;
  for (TermPlace& term : data_->terms) {
    term.levels = levels[at(term.level)];
    check_factor(term.factor, static_cast<Index>(term.levels.size()), term.size(), rows_);
  }
  products_->settle();
  data_->products = std::move(products_);
  const MatrixXd gram = unweighted_gram(*data_);
  const Index p = data_->rank();
  if (!gram.allFinite() || p == 0 || p >= rows_) return nullptr;
  const Dependence dependence = column_dependence(gram.topLeftCorner(p, p), independent_share);
  if (static_cast<Index>(dependence.kept.size()) < p) return nullptr;
  standardize_effects(*data_);
  check_residual(*data_, gram);
  return data_;
}

}  // namespace rapport
