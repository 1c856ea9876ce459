#include "model.hpp"

#include <rapport/base/error.hpp>

#include <Eigen/Cholesky>

#include "crossed.hpp"
#include "distinct_terms.hpp"
#include "model_parts.hpp"
#include "nested.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

void require_finite(const double* values, Index n, const std::string& name) {
  if (!Eigen::Map<const VectorXd>(values, n).allFinite())
    throw DataError("fit_mixed_model: `" + name +
                    "` holds a value that is not finite; leave its rows out or repair them");
}

ColumnGroup standardize_columns(const MatrixXd& matrix) {
  std::vector<ColumnSummary> summaries;
  std::vector<const double*> values;
  for (Index j = 0; j < matrix.cols(); ++j) {
    values.push_back(matrix.col(j).data());
    summaries.push_back(summarize_column(values.back(), matrix.rows()));
  }
  return standardize(summaries, values);
}

// ---- Levels ----

/// For each group of `a` its group of `b` if the two partition the rows alike.
std::optional<std::vector<std::int32_t>> same_partition(const RandomTerm& a, const RandomTerm& b) {
  if (a.levels.size() != b.levels.size()) return std::nullopt;
  std::vector<std::int32_t> map(a.levels.size(), -1);
  for (std::size_t i = 0; i < a.group.size(); ++i) {
    std::int32_t& image = map[static_cast<std::size_t>(a.group[i])];
    if (image < 0) image = b.group[i];
    if (image != b.group[i]) return std::nullopt;
  }
  return map;  // a function onto as many groups is one to one
}

struct LevelPlan {
  std::vector<std::size_t> terms;  ///< of the design
  std::vector<std::vector<std::int32_t>> maps;
};

/// Terms that group alike share a level; levels with most groups first.
std::vector<LevelPlan> plan_levels(const Design& design) {
  std::vector<LevelPlan> plans;
  for (std::size_t t = 0; t < design.random.size(); ++t) {
    const RandomTerm& term = design.random[t];
    bool placed = false;
    for (LevelPlan& plan : plans) {
      const RandomTerm& first = design.random[plan.terms.front()];
      if (first.group == term.group) {
        plan.terms.push_back(t);
        plan.maps.emplace_back();
        placed = true;
      } else if (auto map = same_partition(term, first)) {
        plan.terms.push_back(t);
        plan.maps.push_back(std::move(*map));
        placed = true;
      }
      if (placed) break;
    }
    if (!placed) plans.push_back({{t}, {{}}});
  }
  std::stable_sort(plans.begin(), plans.end(), [&](const LevelPlan& a, const LevelPlan& b) {
    return design.random[a.terms.front()].levels.size() >
           design.random[b.terms.front()].levels.size();
  });
  return plans;
}

// ---- Checks ----

void check_sizes(const Design& design) {
  const Index n = design.response.size();
  if (n == 0)
    throw DataError(
        "fit_mixed_model: no row is left to fit; every row misses a variable of the model");
  require_same_size("fit_mixed_model", "fixed", design.fixed.rows(), "response", n);
  require_same_size("fit_mixed_model", "fixed_terms", static_cast<Index>(design.fixed_terms.size()),
                    "fixed", design.fixed.cols());
  if (design.weights.size() > 0)
    require_same_size("fit_mixed_model", "weights", design.weights.size(), "response", n);
  if (design.offset.size() > 0)
    require_same_size("fit_mixed_model", "offset", design.offset.size(), "response", n);
  for (const RandomTerm& term : design.random) {
    require_same_size("fit_mixed_model", term.factor, term.columns.rows(), "response", n);
    require_same_size("fit_mixed_model", term.factor, static_cast<Index>(term.group.size()),
                      "response", n);
  }
  if (design.weights.size() > 0 && !(design.weights.minCoeff<Eigen::PropagateNaN>() > 0))
    throw DataError(
        "fit_mixed_model: a weight is not positive; weights must be > 0 (leave rows of weight 0 "
        "out)");
}

void check_factors(const Design& design) {
  for (const RandomTerm& term : design.random)
    check_factor(term.factor, static_cast<Index>(term.levels.size()),
                 static_cast<Index>(term.terms.size()), design.response.size());
}

// ---- Fixed effects ----

/// Orthonormal columns by Gram–Schmidt, each column twice, on the rows themselves: for X too nearly
/// dependent for its Gram matrix.
struct Orthogonalized {
  MatrixXd columns;    ///< n × p
  MatrixXd transform;  ///< p × p upper triangular: columns = X_kept · transform
  std::vector<Index> kept;
};

Orthogonalized orthogonalize(const std::vector<ModelColumn>& fixed, Index n,
                             const VectorXd& root_weight) {
  constexpr double tolerance = 1e-7;  // of the column's norm, as in R
  const auto p = static_cast<Index>(fixed.size());
  const VectorXd weight = root_weight.size() == 0 ? VectorXd::Ones(n) : root_weight;
  Orthogonalized result{MatrixXd(n, p), MatrixXd::Zero(p, p), {}};
  Index rank = 0;
  for (Index j = 0; j < p; ++j) {
    const ModelColumn& source = fixed[at(j)];
    VectorXd column = (Eigen::Map<const VectorXd>(source.values, n).array() - source.shift) *
                      source.scale * weight.array();
    const double norm = column.norm();
    VectorXd transform = VectorXd::Zero(p);
    transform[rank] = 1;
    for (int pass = 0; pass < 2; ++pass) {
      const VectorXd products = result.columns.leftCols(rank).transpose() * column;
      column -= result.columns.leftCols(rank) * products;
      transform -= result.transform.leftCols(rank) * products;
    }
    const double left = column.norm();
    if (left <= tolerance * norm) continue;
    result.columns.col(rank) = column / left;
    result.transform.col(rank) = transform / left;
    result.kept.push_back(j);
    ++rank;
  }
  result.columns.conservativeResize(n, rank);
  result.columns.array().colwise() /=
      weight.array();  // the weight enters again with every other column
  result.transform = result.transform.topLeftCorner(rank, rank).eval();
  return result;
}

std::unique_ptr<CrossProducts> make_products(const ModelColumns& columns,
                                             const CovarianceStructure& structure, int threads) {
  bool nested = true;
  for (std::size_t l = 0; l + 1 < columns.levels.size(); ++l)
    nested = nested && is_nested(columns.levels[l].group, columns.levels[l].n_groups,
                                 columns.levels[l + 1].group);
  if (nested) return std::make_unique<NestedCrossProducts>(columns, structure, threads);
  return std::make_unique<CrossedCrossProducts>(columns, structure);
}

// ---- Assembly ----

class Assembly {
 public:
  Assembly(const Design& design, int threads)
      : design_(design), data_(std::make_shared<MixedModel::Data>()) {
    check_sizes(design);
    check_factors(design);
    detail::require_distinct_terms(design, "fit_mixed_model");
    columns_.rows = design.response.size();
    data_->observations = columns_.rows;
    data_->omitted = design.n_omitted;
    data_->threads = threads;
    data_->log_weights = 0;
    if (design.weights.size() > 0) {
      columns_.root_weight = design.weights.array().sqrt();
      data_->log_weights = design.weights.array().log().sum();
    }
    add_levels();
    add_fixed();
    add_response();
    compress();
    standardize_effects(*data_);
    check_residual(*data_, gram_);
  }

  [[nodiscard]] std::shared_ptr<const MixedModel::Data> result() { return std::move(data_); }

 private:
  void add_levels() {
    std::vector<std::vector<Index>> blocks;
    data_->terms.resize(design_.random.size());
    for (const LevelPlan& plan : plan_levels(design_)) {
      GroupingLevel level;
      blocks.emplace_back();
      const RandomTerm& first = design_.random[plan.terms.front()];
      level.group = first.group;
      level.n_groups = static_cast<Index>(first.levels.size());
      for (std::size_t i = 0; i < plan.terms.size(); ++i) {
        const RandomTerm& term = design_.random[plan.terms[i]];
        const ColumnGroup group = standardize_columns(term.columns);
        data_->terms[plan.terms[i]] = {
            term.factor,
            term.terms,
            term.levels,
            static_cast<Index>(columns_.levels.size()),
            static_cast<Index>(level.columns.size()),
            plan.maps[i],
            group.transform};
        level.columns.insert(level.columns.end(), group.columns.begin(), group.columns.end());
        blocks.back().push_back(term.columns.cols());
      }
      columns_.levels.push_back(std::move(level));
    }
    data_->structure = CovarianceStructure(std::move(blocks));
  }

  void add_fixed() {
    const ColumnGroup group = standardize_columns(design_.fixed);
    columns_.fixed = group.columns;
    data_->fixed_transform = group.transform;
    data_->fixed_log_determinant = log_determinant(group.transform);
    data_->fixed_terms = design_.fixed_terms;
    data_->fixed_columns.resize(design_.fixed_terms.size());
    std::iota(data_->fixed_columns.begin(), data_->fixed_columns.end(), Index{0});
  }

  void add_response() {
    response_ =
        design_.offset.size() > 0 ? VectorXd(design_.response - design_.offset) : VectorXd();
    const double* values = response_.size() > 0 ? response_.data() : design_.response.data();
    const ColumnSummary summary = summarize_column(values, columns_.rows);
    if (summary.constant)
      throw DataError("fit_mixed_model: the response is constant: every value is " +
                      std::to_string(summary.first) + "; a model needs a response that varies");
    columns_.fixed.push_back(standardize_response(values, summary, columns_.fixed, *data_));
  }

  /// Names the column that is not finite.
  void refuse_infinite() const {
    const Index n = columns_.rows;
    require_finite(columns_.fixed.back().values, n, "response");
    for (Index j = 0; j < design_.fixed.cols(); ++j)
      require_finite(design_.fixed.col(j).data(), n, design_.fixed_terms[at(j)]);
    for (const RandomTerm& term : design_.random)
      for (Index j = 0; j < term.columns.cols(); ++j)
        require_finite(term.columns.col(j).data(), n, term.terms[at(j)] + " by " + term.factor);
    throw DataError(
        "fit_mixed_model: the data hold numbers too large for their squares; rescale them");
  }

  /// Compresses, and again without the columns of X that depend on others.
  void compress() {
    data_->products = make_products(columns_, data_->structure, data_->threads);
    const Index p = data_->rank();
    gram_ = unweighted_gram(*data_);
    if (!gram_.allFinite()) refuse_infinite();
    const Dependence dependence = column_dependence(gram_.topLeftCorner(p, p), independent_share);
    if (static_cast<Index>(dependence.kept.size()) < p) {
      const ModelColumn response = columns_.fixed.back();
      columns_.fixed.pop_back();
      Orthogonalized orthogonal =
          orthogonalize(columns_.fixed, columns_.rows, columns_.root_weight);
      keep_columns(orthogonal.kept);
      data_->fixed_log_determinant =
          log_determinant(data_->fixed_transform) + log_determinant(orthogonal.transform);
      data_->fixed_transform *= orthogonal.transform;
      orthogonal_ = std::move(orthogonal.columns);
      columns_.fixed.clear();
      for (Index j = 0; j < orthogonal_.cols(); ++j)
        columns_.fixed.push_back({orthogonal_.col(j).data()});
      columns_.fixed.push_back(response);
      data_->products = make_products(columns_, data_->structure, data_->threads);
      gram_ = unweighted_gram(*data_);
    }
    if (data_->rank() == 0)
      throw DataError(
          "fit_mixed_model: the fixed part is zero in every row; it needs a column that varies or "
          "an intercept");
    if (data_->rank() >= columns_.rows)
      throw DataError("fit_mixed_model: " + std::to_string(data_->rank()) + " fixed effects for " +
                      std::to_string(columns_.rows) +
                      " rows leave no degree of freedom; more rows or fewer terms are required");
  }

  void keep_columns(const std::vector<Index>& kept) {
    std::vector<std::string> names;
    std::vector<bool> is_kept(data_->fixed_terms.size(), false);
    MatrixXd transform(static_cast<Index>(kept.size()), static_cast<Index>(kept.size()));
    VectorXd shift(static_cast<Index>(kept.size()));
    for (std::size_t i = 0; i < kept.size(); ++i) {
      is_kept[at(kept[i])] = true;
      names.push_back(data_->fixed_terms[at(kept[i])]);
      shift[static_cast<Index>(i)] = data_->fixed_shift[kept[i]];
      for (std::size_t j = 0; j < kept.size(); ++j)
        transform(static_cast<Index>(i), static_cast<Index>(j)) =
            data_->fixed_transform(kept[i], kept[j]);
    }
    for (std::size_t j = 0; j < is_kept.size(); ++j)
      if (!is_kept[j]) data_->dropped.push_back(data_->fixed_terms[j]);
    data_->fixed_terms = std::move(names);
    data_->fixed_columns = kept;
    data_->fixed_transform = std::move(transform);
    data_->fixed_shift = std::move(shift);
  }

  const Design& design_;
  std::shared_ptr<MixedModel::Data> data_;
  ModelColumns columns_;
  VectorXd response_;
  MatrixXd orthogonal_;
  MatrixXd gram_;  ///< of [X y] on the internal scale
};

}  // namespace

double MixedModel::Data::criterion_offset(Criterion criterion) const {
  const double n = static_cast<double>(observations);
  const double p = static_cast<double>(rank());
  const double degrees = criterion == Criterion::reml ? n - p : n;
  double offset = -log_weights - 2 * degrees * std::log(response_scale);
  if (criterion == Criterion::reml) offset -= 2 * fixed_log_determinant;
  return offset;
}

MixedModel::MixedModel(const Design& design, int threads)
    : data_(Assembly(design, threads).result()) {}

}  // namespace rapport
