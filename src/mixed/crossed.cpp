#include "crossed.hpp"

#include <Eigen/Cholesky>

#include "dense.hpp"
#include "node.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Λ with its diagonal kept away from 0, so that Λ⁻¹ exists. Derivatives in Ψ are smooth: this
/// moves them by 1e-8 of themselves.
MatrixXd regular(MatrixXd factor) {
  constexpr double least = 1e-4;
  for (Index j = 0; j < factor.rows(); ++j)
    if (std::abs(factor(j, j)) < least) factor(j, j) = factor(j, j) < 0 ? -least : least;
  return factor;
}

double quadratic_trace(const MatrixXd& a, const MatrixXd& b) {
  return a.cwiseProduct(b.transpose()).sum();
}

}  // namespace

/// A group of the eliminated level with the root's columns that it meets set apart.
struct CrossedCrossProducts::Node {
  GroupNode group;
  MatrixXd b_root;   ///< q × root columns met
  MatrixXd b_fixed;  ///< q × M
};

/// The root's effects on the scale u = Λ⁻¹b, with Ĝ = Λ'GΛ.
struct CrossedCrossProducts::Root {
  double log_determinant;  ///< log|I + Ĝ|
  MatrixXd gram;           ///< W'V⁻¹W
  MatrixXd predictor;      ///< D × M: (I + Ĝ)⁻¹Λ'Z'V₁⁻¹W
  MatrixXd inverse;        ///< (I + Ĝ)⁻¹
};

/// Derivatives with the second ones of the Gram matrix projected: P' ∂²(W'V⁻¹W) P.
struct CrossedCrossProducts::SecondOrder {
  VectorXd log_determinant;
  std::vector<MatrixXd> gram;
  MatrixXd second_log_determinant;
  std::vector<MatrixXd> second_gram;  ///< (k, l) at kK + l

  void add(Index k, Index l, double log_term, const MatrixXd& gram_term) {
    const Index n = log_determinant.size();
    second_log_determinant(k, l) += log_term;
    second_gram[at(k * n + l)] += gram_term;
    if (k == l) return;
    second_log_determinant(l, k) += log_term;
    second_gram[at(l * n + k)] += gram_term.transpose();
  }
};

CrossedCrossProducts::CrossedCrossProducts(const ModelColumns& columns,
                                           CovarianceStructure structure)
    : structure_(std::move(structure)),
      fixed_columns_(static_cast<Index>(columns.fixed.size())),
      leaf_size_(static_cast<Index>(columns.levels.front().columns.size())) {
  for (std::size_t l = 1; l < columns.levels.size(); ++l) {
    const auto size = static_cast<Index>(columns.levels[l].columns.size());
    root_levels_.push_back({size, columns.levels[l].n_groups, root_size_});
    root_size_ += size * columns.levels[l].n_groups;
  }
  compress(columns);
}

// ---- Compression ----

namespace {

/// A value on the model's internal scale.
double internal_value(const ModelColumns& columns, const ModelColumn& source, Index row) {
  const double scaled = (source.values[row] - source.shift) * source.scale;
  return columns.root_weight.size() == 0 ? scaled : scaled * columns.root_weight[row];
}

/// Rows sorted by group: those of group g from begin[g] to begin[g + 1].
struct SortedRows {
  std::vector<Index> rows;
  std::vector<Index> begin;

  explicit SortedRows(const GroupingLevel& level)
      : rows(level.group.size()), begin(at(level.n_groups + 1), 0) {
    for (const std::int32_t g : level.group) ++begin[static_cast<std::size_t>(g) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<Index> next(begin.begin(), begin.end() - 1);
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[at(next[static_cast<std::size_t>(level.group[i])]++)] = static_cast<Index>(i);
  }
};

}  // namespace

/// The columns of the root that a row meets, ascending.
std::vector<Index> CrossedCrossProducts::columns_of_row(const ModelColumns& columns,
                                                        Index row) const {
  std::vector<Index> result;
  for (std::size_t l = 0; l < root_levels_.size(); ++l)
    for (Index j = 0; j < root_levels_[l].size; ++j)
      result.push_back(root_levels_[l].first +
                       columns.levels[l + 1].group[at(row)] * root_levels_[l].size + j);
  return result;
}

void CrossedCrossProducts::compress(const ModelColumns& columns) {
  const Index m = fixed_columns_;
  remainder_ = MatrixXd::Zero(root_size_ + m, root_size_ + m);
  const SortedRows sorted(columns.levels.front());
  leaves_.resize(at(columns.levels.front().n_groups));
  for (std::size_t g = 0; g < leaves_.size(); ++g) {
    const std::vector<Index> rows(sorted.rows.begin() + sorted.begin[g],
                                  sorted.rows.begin() + sorted.begin[g + 1]);
    compress_leaf(columns, rows, leaves_[g]);
  }
  remainder_.topLeftCorner(root_size_, root_size_).triangularView<Eigen::StrictlyUpper>() =
      remainder_.topLeftCorner(root_size_, root_size_).transpose();
  remainder_.bottomLeftCorner(m, root_size_) = remainder_.topRightCorner(root_size_, m).transpose();
}

void CrossedCrossProducts::compress_leaf(const ModelColumns& columns,
                                         const std::vector<Index>& rows, Leaf& leaf) {
  const Index m = fixed_columns_;
  const auto n_rows = static_cast<Index>(rows.size());
  std::vector<std::vector<Index>> met_by_row;
  MatrixXd own(n_rows, leaf_size_ + m);
  for (Index i = 0; i < n_rows; ++i) {
    for (Index j = 0; j < leaf_size_; ++j)
      own(i, j) = internal_value(columns, columns.levels.front().columns[at(j)], rows[at(i)]);
    for (Index j = 0; j < m; ++j)
      own(i, leaf_size_ + j) = internal_value(columns, columns.fixed[at(j)], rows[at(i)]);
    met_by_row.push_back(columns_of_row(columns, rows[at(i)]));
    leaf.root_columns.insert(leaf.root_columns.end(), met_by_row.back().begin(),
                             met_by_row.back().end());
  }
  std::sort(leaf.root_columns.begin(), leaf.root_columns.end());
  leaf.root_columns.erase(std::unique(leaf.root_columns.begin(), leaf.root_columns.end()),
                          leaf.root_columns.end());

  // A row has few columns of the root: its products are added as they are, and those of C taken
  // away. X and y are left with residuals.
  const MatrixXd fixed = own.rightCols(m);
  GroupFactor factor = factor_group(own, leaf_size_);
  const auto met = static_cast<Index>(leaf.root_columns.size());
  leaf.r = std::move(factor.r);
  leaf.c = MatrixXd::Zero(leaf_size_, met + m);
  residual_rows_ += n_rows - (leaf.r.diagonal().array() != 0).count();
  for (Index i = 0; i < n_rows; ++i) {
    const std::vector<Index>& row_columns = met_by_row[at(i)];
    std::vector<double> values;
    for (std::size_t l = 0; l < root_levels_.size(); ++l)
      for (const ModelColumn& source : columns.levels[l + 1].columns)
        values.push_back(internal_value(columns, source, rows[at(i)]));
    for (std::size_t a = 0; a < values.size(); ++a) {
      const auto place =
          std::lower_bound(leaf.root_columns.begin(), leaf.root_columns.end(), row_columns[a]) -
          leaf.root_columns.begin();
      leaf.c.col(place) += values[a] * own.row(i).head(leaf_size_).transpose();
      for (std::size_t b = 0; b <= a; ++b)
        remainder_(row_columns[a], row_columns[b]) += values[a] * values[b];
      remainder_.row(row_columns[a]).tail(m) += values[a] * fixed.row(i);
    }
  }
  add_outer(leaf, leaf.c, leaf.c, -1, remainder_);
  leaf.c.rightCols(m) = factor.c;
  for (Index j = 0; j < m; ++j)
    for (Index i = 0; i < met; ++i)
      remainder_(leaf.root_columns[at(i)], root_size_ + j) -=
          leaf.c.col(i).dot(leaf.c.col(met + j));
  remainder_.bottomRightCorner(m, m).noalias() += own.rightCols(m).transpose() * own.rightCols(m);
}

void CrossedCrossProducts::multiply_rows(Eigen::Ref<MatrixXd> rows,
                                         const std::vector<MatrixXd>& factors) const {
  for (std::size_t l = 0; l < root_levels_.size(); ++l) {
    const RootLevel& level = root_levels_[l];
    const MatrixXd& factor = factors[l + 1];
    if (level.size == 1) {
      rows.middleRows(level.first, level.n_groups) *= factor(0, 0);
      continue;
    }
    for (Index g = 0; g < level.n_groups; ++g) {
      auto block = rows.middleRows(level.first + g * level.size, level.size);
      block = (factor.transpose() * block).eval();
    }
  }
}

void CrossedCrossProducts::transform_effects(const std::vector<MatrixXd>& transforms) {
  multiply_rows(remainder_.topRows(root_size_), transforms);
  MatrixXd transposed = remainder_.leftCols(root_size_).transpose();
  multiply_rows(transposed, transforms);
  remainder_.leftCols(root_size_) = transposed.transpose();
  for (Leaf& leaf : leaves_) {
    leaf.r *= transforms.front();
    // The columns of one group of the root stand side by side.
    for (std::size_t first = 0; first < leaf.root_columns.size();) {
      std::size_t l = 0;
      while (l + 1 < root_levels_.size() && leaf.root_columns[first] >= root_levels_[l + 1].first)
        ++l;
      const Index size = root_levels_[l].size;
      auto block = leaf.c.middleCols(static_cast<Index>(first), size);
      block = (block * transforms[l + 1]).eval();
      first += at(size);
    }
  }
}

std::vector<MatrixXd> CrossedCrossProducts::mean_effect_grams() const {
  std::vector<MatrixXd> result = {MatrixXd::Zero(leaf_size_, leaf_size_)};
  MatrixXd grams = remainder_;
  for (const Leaf& leaf : leaves_) {
    result.front().noalias() += leaf.r.transpose() * leaf.r;
    const auto n = static_cast<Index>(leaf.root_columns.size());
    for (Index j = 0; j < n; ++j)
      for (Index i = 0; i < n; ++i)
        grams(leaf.root_columns[at(i)], leaf.root_columns[at(j)]) +=
            leaf.c.col(i).dot(leaf.c.col(j));
  }
  result.front() /= static_cast<double>(leaves_.size());
  for (const RootLevel& level : root_levels_) {
    MatrixXd sum = MatrixXd::Zero(level.size, level.size);
    for (Index g = 0; g < level.n_groups; ++g)
      sum += grams.block(level.first + g * level.size, level.first + g * level.size, level.size,
                         level.size);
    result.emplace_back(sum / static_cast<double>(level.n_groups));
  }
  return result;
}

// ---- Value ----

CrossedCrossProducts::Node CrossedCrossProducts::leaf_node(const Leaf& leaf,
                                                           const MatrixXd& factor) const {
  Node node;
  node.group = solve_node(leaf.r, leaf.c, factor);
  node.b_root = node.group.b.leftCols(node.group.b.cols() - fixed_columns_);
  node.b_fixed = node.group.b.rightCols(fixed_columns_);
  return node;
}

void CrossedCrossProducts::add_outer(const Leaf& leaf, const MatrixXd& left, const MatrixXd& right,
                                     double scale, MatrixXd& gram) const {
  const auto met = static_cast<Index>(leaf.root_columns.size());
  const Index q = left.rows();
  for (Index j = 0; j < met; ++j) {
    double* column = gram.col(leaf.root_columns[at(j)]).data();
    for (Index i = j; i < met; ++i) {
      double sum = 0;
      for (Index k = 0; k < q; ++k) sum += left(k, i) * right(k, j);
      column[leaf.root_columns[at(i)]] += scale * sum;
    }
  }
  for (Index j = 0; j < fixed_columns_; ++j) {
    for (Index i = 0; i < met; ++i)
      gram(leaf.root_columns[at(i)], root_size_ + j) += scale * left.col(i).dot(right.col(met + j));
    for (Index i = 0; i < fixed_columns_; ++i)
      gram(root_size_ + i, root_size_ + j) += scale * left.col(met + i).dot(right.col(met + j));
  }
}

MatrixXd CrossedCrossProducts::root_gram(const MatrixXd& leaf_factor,
                                         double& log_determinant) const {
  MatrixXd gram = remainder_;
  for (const Leaf& leaf : leaves_) {
    const GroupNode node = solve_node(leaf.r, leaf.c, leaf_factor);
    log_determinant += node.log_determinant;
    add_outer(leaf, node.half, node.half, 1, gram);
  }
  gram.topLeftCorner(root_size_, root_size_).triangularView<Eigen::StrictlyUpper>() =
      gram.topLeftCorner(root_size_, root_size_).transpose();
  gram.bottomLeftCorner(fixed_columns_, root_size_) =
      gram.topRightCorner(root_size_, fixed_columns_).transpose();
  return gram;
}

CrossedCrossProducts::Root CrossedCrossProducts::solve_root(const MatrixXd& gram,
                                                            const std::vector<MatrixXd>& factors,
                                                            MatrixXd& lower) const {
  const Index n = root_size_;
  lower = gram.topLeftCorner(n, n);
  multiply_rows(lower, factors);
  lower.transposeInPlace();
  multiply_rows(lower, factors);
  lower.diagonal().array() += 1;
  Root root;
  if (!factor_in_place(lower)) {
    root.log_determinant = std::numeric_limits<double>::quiet_NaN();
    root.gram = MatrixXd::Constant(fixed_columns_, fixed_columns_, root.log_determinant);
    return root;
  }
  root.log_determinant = 2 * lower.diagonal().array().log().sum();
  MatrixXd half = gram.topRightCorner(n, fixed_columns_);
  multiply_rows(half, factors);
  lower.triangularView<Eigen::Lower>().solveInPlace(half);
  root.gram = gram.bottomRightCorner(fixed_columns_, fixed_columns_);
  root.gram.noalias() -= half.transpose() * half;
  return root;
}

void CrossedCrossProducts::invert_root(const MatrixXd& gram, const std::vector<MatrixXd>& factors,
                                       const MatrixXd& lower, Root& root) const {
  root.inverse = inverse_of_factored(lower);
  MatrixXd right = gram.topRightCorner(root_size_, fixed_columns_);
  multiply_rows(right, factors);
  root.predictor = root.inverse * right;
}

/// The root's Gram matrix and the Cholesky factor of I + Ĝ.
struct CrossedCrossProducts::Kept final : Factorization {
  MatrixXd gram;
  MatrixXd lower;
};

WeightedGram CrossedCrossProducts::value(const std::vector<MatrixXd>& factors) const {
  WeightedGram result;
  if (std::all_of(factors.begin() + 1, factors.end(),
                  [](const MatrixXd& f) { return f.isZero(0); })) {
    result.gram = remainder_.bottomRightCorner(fixed_columns_, fixed_columns_);
    for (const Leaf& leaf : leaves_) {
      const GroupNode node = solve_node(leaf.r, leaf.c.rightCols(fixed_columns_), factors.front());
      result.log_determinant += node.log_determinant;
      result.gram.noalias() += node.half.transpose() * node.half;
    }
    return result;
  }
  auto kept = std::make_shared<Kept>();
  kept->gram = root_gram(factors.front(), result.log_determinant);
  const Root root = solve_root(kept->gram, factors, kept->lower);
  result.log_determinant += root.log_determinant;
  result.gram = root.gram;
  result.factorization = std::move(kept);
  return result;
}

// ---- Derivatives ----

/// What the terms of second order share.
struct CrossedCrossProducts::Sweep {
  std::vector<MatrixXd> factors;  ///< Λ, regular
  std::vector<MatrixXd> units;    ///< E of each coordinate
  const MatrixXd& projection;
  Root root;
  std::vector<MatrixXd> tangents;  ///< ∂ of the root's Gram matrix in the eliminated level's
                                   ///< coordinates, lower triangle
  std::vector<MatrixXd> cross;  ///< what a coordinate does to Z'V⁻¹W, projected, on the scale of u
  std::vector<MatrixXd> moved;   ///< (I + Ĝ)⁻¹ ∂Ĝ in the eliminated level's coordinates
  std::vector<MatrixXd> scaled;  ///< Λ⁻¹ E Λ⁻ᵀ of the root's coordinates
};

MatrixXd CrossedCrossProducts::on_effects(MatrixXd rows,
                                          const std::vector<MatrixXd>& factors) const {
  std::vector<MatrixXd> transposed;
  for (const MatrixXd& factor : factors) transposed.emplace_back(factor.transpose());
  multiply_rows(rows, transposed);
  return rows;
}

MatrixXd CrossedCrossProducts::effects_covariance(const MatrixXd& inverse,
                                                  const std::vector<MatrixXd>& factors) const {
  if (std::all_of(root_levels_.begin(), root_levels_.end(),
                  [](const RootLevel& level) { return level.size == 1; })) {
    VectorXd scale(root_size_);
    for (std::size_t l = 0; l < root_levels_.size(); ++l)
      scale.segment(root_levels_[l].first, root_levels_[l].n_groups)
          .setConstant(factors[l + 1](0, 0));
    return scale.asDiagonal() * inverse * scale.asDiagonal();
  }
  MatrixXd covariance = on_effects(inverse, factors);
  covariance.transposeInPlace();
  return on_effects(std::move(covariance), factors);
}

void CrossedCrossProducts::add_leaf_terms(const MatrixXd& leaf_factor, Sweep& sweep,
                                          SecondOrder& result) const {
  const Index m = fixed_columns_;
  const Index n_leaf = structure_.offset(1);
  const MatrixXd predictor = on_effects(sweep.root.predictor, sweep.factors);
  const MatrixXd covariance = effects_covariance(sweep.root.inverse, sweep.factors);
  for (const Leaf& leaf : leaves_) {
    const Node node = leaf_node(leaf, leaf_factor);
    const auto met = static_cast<Index>(leaf.root_columns.size());
    MatrixXd predictor_met(met, m);
    MatrixXd covariance_met(met, met);
    for (Index j = 0; j < met; ++j) {
      const double* column = covariance.col(leaf.root_columns[at(j)]).data();
      predictor_met.row(j) = predictor.row(leaf.root_columns[at(j)]);
      for (Index i = 0; i < met; ++i) covariance_met(i, j) = column[leaf.root_columns[at(i)]];
    }
    // What remains of the group's B once the root's effects are predicted, and the spread of that
    // prediction.
    const MatrixXd b = (node.b_fixed - node.b_root * predictor_met) * sweep.projection;
    const MatrixXd spread = node.b_root * covariance_met * node.b_root.transpose();
    for (Index k = 0; k < n_leaf; ++k) {
      const MatrixXd& e = sweep.units[at(k)];
      const MatrixXd ae = node.group.a * e;
      result.log_determinant[k] += ae.trace();
      add_outer(leaf, node.group.b, e * node.group.b, -1, sweep.tangents[at(k)]);
      for (Index l = 0; l <= k; ++l) {
        const MatrixXd al = node.group.a * sweep.units[at(l)];
        const MatrixXd middle = e * al;
        const MatrixXd product = b.transpose() * middle * b;
        result.add(k, l, 2 * middle.cwiseProduct(spread).sum() - quadratic_trace(ae, al),
                   product + product.transpose());
      }
    }
  }
}

/// First derivatives of the root in the eliminated level's coordinates.
void CrossedCrossProducts::add_tangent_terms(Sweep& sweep, SecondOrder& result) const {
  const Index d = root_size_;
  const Index m = fixed_columns_;
  for (std::size_t k = 0; k < sweep.tangents.size(); ++k) {
    MatrixXd& tangent = sweep.tangents[k];
    tangent.topLeftCorner(d, d).triangularView<Eigen::StrictlyUpper>() =
        tangent.topLeftCorner(d, d).transpose();
    multiply_rows(tangent.topRows(d), sweep.factors);
    MatrixXd zz = tangent.topLeftCorner(d, d).transpose();
    multiply_rows(zz, sweep.factors);
    const MatrixXd zw = tangent.topRightCorner(d, m);
    const MatrixXd change = zw - zz * sweep.root.predictor;
    result.gram[k] += tangent.bottomRightCorner(m, m) - sweep.root.predictor.transpose() * change -
                      zw.transpose() * sweep.root.predictor;
    sweep.cross[k] = change * sweep.projection;
    sweep.moved[k] = MatrixXd::Zero(d, d);
    add_product(sweep.moved[k], 1, sweep.root.inverse, zz);
    result.log_determinant[static_cast<Index>(k)] += sweep.moved[k].trace();
    tangent.resize(0, 0);
  }
}

/// First derivatives in the root's own coordinates.
void CrossedCrossProducts::add_own_terms(Sweep& sweep, SecondOrder& result) const {
  const MatrixXd& v = sweep.root.inverse;
  const MatrixXd projected = sweep.root.predictor * sweep.projection;
  for (Index k = structure_.offset(1); k < structure_.n_parameters(); ++k) {
    const RootLevel& level = level_of(k);
    const auto lambda =
        sweep.factors[at(structure_.coordinates()[at(k)].level)].triangularView<Eigen::Lower>();
    const MatrixXd half = lambda.solve(sweep.units[at(k)]);
    const MatrixXd e = lambda.solve(half.transpose());
    sweep.scaled[at(k)] = e;
    sweep.cross[at(k)] = MatrixXd::Zero(root_size_, projected.cols());
    for (Index g = 0; g < level.n_groups; ++g) {
      const Index first = level.first + g * level.size;
      const auto rows = sweep.root.predictor.middleRows(first, level.size);
      sweep.cross[at(k)].middleRows(first, level.size) =
          e * projected.middleRows(first, level.size);
      result.gram[at(k)] -= rows.transpose() * e * rows;
      result.log_determinant[k] +=
          e.trace() - e.cwiseProduct(v.block(first, first, level.size, level.size)).sum();
    }
  }
}

const CrossedCrossProducts::RootLevel& CrossedCrossProducts::level_of(Index coordinate) const {
  return root_levels_[at(structure_.coordinates()[at(coordinate)].level - 1)];
}

/// tr(E_k A E_l A) with A = I − (I + Ĝ)⁻¹, both coordinates of the root.
double CrossedCrossProducts::own_trace(const Sweep& sweep, Index k, Index l) const {
  const MatrixXd& v = sweep.root.inverse;
  const MatrixXd& e = sweep.scaled[at(k)];
  const MatrixXd& f = sweep.scaled[at(l)];
  const RootLevel& own = level_of(k);
  const RootLevel& other = level_of(l);
  if (own.size == 1 && other.size == 1) {
    const auto block = v.block(own.first, other.first, own.n_groups, other.n_groups);
    double sum = block.squaredNorm();
    if (own.first == other.first) sum += static_cast<double>(own.n_groups) - 2 * block.trace();
    return e(0, 0) * f(0, 0) * sum;
  }
  double sum = 0;
  for (Index h = 0; h < other.n_groups; ++h)
    for (Index g = 0; g < own.n_groups; ++g) {
      const Index row = own.first + g * own.size;
      const Index column = other.first + h * other.size;
      MatrixXd a = -v.block(row, column, own.size, other.size);
      if (row == column) a.diagonal().array() += 1;
      sum += quadratic_trace(e * a, f * a.transpose());
    }
  return sum;
}

/// tr(E_k V ∂Ĝ V), V = (I + Ĝ)⁻¹: a coordinate of the root and one of the eliminated level.
double CrossedCrossProducts::mixed_trace(const Sweep& sweep, Index k, Index l) const {
  const RootLevel& own = level_of(k);
  const MatrixXd& moved = sweep.moved[at(l)];
  const MatrixXd& v = sweep.root.inverse;
  const Index n = own.n_groups * own.size;
  double sum = 0;
  for (Index i = 0; i < own.size; ++i)
    for (Index j = 0; j < own.size; ++j) {
      double entry = 0;  // Σ over groups of (∂ĜV)_ij within V's blocks
      for (Index g = 0; own.size > 1 && g < own.n_groups; ++g)
        entry += moved.row(own.first + g * own.size + i).dot(v.col(own.first + g * own.size + j));
      if (own.size == 1)
        entry = moved.middleRows(own.first, n).cwiseProduct(v.middleRows(own.first, n)).sum();
      sum += sweep.scaled[at(k)](i, j) * entry;
    }
  return sum;
}

CrossedCrossProducts::SecondOrder CrossedCrossProducts::second_order(
    const std::vector<MatrixXd>& factors, const WeightedGram& known,
    const MatrixXd& projection) const {
  const Index n = structure_.n_parameters();
  const Index n_leaf = structure_.offset(1);
  const Index m = fixed_columns_;
  SecondOrder result;
  result.log_determinant = VectorXd::Zero(n);
  result.second_log_determinant = MatrixXd::Zero(n, n);
  result.gram.assign(at(n), MatrixXd::Zero(m, m));
  result.second_gram.assign(at(n * n), MatrixXd::Zero(projection.cols(), projection.cols()));

  Sweep sweep{{},
              {},
              projection,
              {},
              {},
              std::vector<MatrixXd>(at(n)),
              std::vector<MatrixXd>(at(n_leaf)),
              std::vector<MatrixXd>(at(n))};
  for (const MatrixXd& factor : factors) sweep.factors.push_back(regular(factor));
  for (const CovarianceStructure::Coordinate& c : structure_.coordinates())
    sweep.units.push_back(symmetric_unit(structure_.size(c.level), c.row, c.column));
  sweep.tangents.assign(at(n_leaf), MatrixXd::Zero(root_size_ + m, root_size_ + m));
  const auto* kept = static_cast<const Kept*>(known.factorization.get());
  double unused = 0;
  MatrixXd own_gram;
  MatrixXd own_lower;
  if (kept == nullptr) own_gram = root_gram(factors.front(), unused);
  const MatrixXd& gram = kept == nullptr ? own_gram : kept->gram;
  const bool again = kept == nullptr || sweep.factors != factors;
  if (again) sweep.root = solve_root(gram, sweep.factors, own_lower);
  invert_root(gram, sweep.factors, again ? own_lower : kept->lower, sweep.root);
  add_leaf_terms(factors.front(), sweep, result);
  add_tangent_terms(sweep, result);
  add_own_terms(sweep, result);

  std::vector<MatrixXd> solved;
  for (const MatrixXd& cross : sweep.cross) solved.emplace_back(sweep.root.inverse * cross);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l <= k; ++l) {
      const MatrixXd product = sweep.cross[at(k)].transpose() * solved[at(l)];
      MatrixXd gram_term = -(product + product.transpose());
      if (k < n_leaf) {
        result.add(k, l, -quadratic_trace(sweep.moved[at(k)], sweep.moved[at(l)]), gram_term);
      } else if (l < n_leaf) {
        result.add(k, l, mixed_trace(sweep, k, l), gram_term);
      } else {  // B'EAEB with A = I − (I + Ĝ)⁻¹
        const MatrixXd direct = sweep.cross[at(k)].transpose() * sweep.cross[at(l)];
        gram_term += direct + direct.transpose();
        result.add(k, l, -own_trace(sweep, k, l), gram_term);
      }
    }
  return result;
}

GramDerivatives CrossedCrossProducts::derivatives(const std::vector<MatrixXd>& factors,
                                                  const WeightedGram& known,
                                                  const MatrixXd& trace_factor,
                                                  const VectorXd& data_vector) const {
  const Index n = structure_.n_parameters();
  const Index rank = trace_factor.cols();
  MatrixXd projection(fixed_columns_, rank + 1);
  projection << trace_factor, data_vector;
  SecondOrder second = second_order(factors, known, projection);
  GramDerivatives result;
  result.log_determinant = std::move(second.log_determinant);
  result.gram = std::move(second.gram);
  result.trace_part = second.second_log_determinant;
  result.data_part.resize(n, n);
  for (Index k = 0; k < n; ++k)
    for (Index l = 0; l < n; ++l) {
      const MatrixXd& gram = second.second_gram[at(k * n + l)];
      result.trace_part(k, l) += gram.diagonal().head(rank).sum();
      result.data_part(k, l) = gram(rank, rank);
    }
  return result;
}

GramJet CrossedCrossProducts::jet(const std::vector<MatrixXd>& factors) const {
  SecondOrder second =
      second_order(factors, {}, MatrixXd::Identity(fixed_columns_, fixed_columns_));
  return {std::move(second.log_determinant), std::move(second.gram),
          std::move(second.second_log_determinant), std::move(second.second_gram)};
}

// ---- Simulation ----

std::unique_ptr<CrossProducts> CrossedCrossProducts::simulate(const std::vector<MatrixXd>& factors,
                                                              const VectorXd& coefficients,
                                                              double sigma,
                                                              RandomStream& stream) const {
  std::unique_ptr<CrossedCrossProducts> drawn(new CrossedCrossProducts(*this));
  const Index p = fixed_columns_ - 1;
  VectorXd around(root_size_ + p);  // effects of the root, then β
  for (std::size_t l = 0; l < root_levels_.size(); ++l) {
    const RootLevel& level = root_levels_[l];
    for (Index g = 0; g < level.n_groups; ++g)
      around.segment(level.first + g * level.size, level.size) =
          sigma * (factors[l + 1] * normal_vector(level.size, stream));
  }
  around.tail(p) = coefficients;
  for (Leaf& leaf : drawn->leaves_) {
    const auto met = static_cast<Index>(leaf.root_columns.size());
    VectorXd response = leaf.r * (sigma * (factors.front() * normal_vector(leaf_size_, stream)));
    for (Index j = 0; j < met; ++j) response += around[leaf.root_columns[at(j)]] * leaf.c.col(j);
    response += leaf.c.middleCols(met, p) * coefficients;
    const VectorXd noise = sigma * normal_vector(leaf_size_, stream);
    for (Index k = 0; k < leaf_size_; ++k)
      leaf.c(k, met + p) = response[k] + (leaf.r(k, k) != 0 ? noise[k] : 0.0);
  }
  const Index last = root_size_ + p;
  const VectorXd column =
      draw_gram_column(remainder_.topLeftCorner(last, last), around, sigma, residual_rows_, stream);
  drawn->remainder_.col(last) = column;
  drawn->remainder_.row(last) = column.transpose();
  return drawn;
}

// ---- Effects ----

std::vector<LevelEffects> CrossedCrossProducts::effects(const std::vector<MatrixXd>& factors,
                                                        const VectorXd& combination) const {
  double unused = 0;
  const MatrixXd gram = root_gram(factors.front(), unused);
  MatrixXd lower;
  Root root = solve_root(gram, factors, lower);
  invert_root(gram, factors, lower, root);
  std::vector<MatrixXd> transposed;
  for (const MatrixXd& factor : factors) transposed.emplace_back(factor.transpose());
  MatrixXd mean = root.predictor * combination;
  multiply_rows(mean, transposed);
  MatrixXd covariance = root.inverse;
  multiply_rows(covariance, transposed);
  covariance.transposeInPlace();
  multiply_rows(covariance, transposed);

  std::vector<LevelEffects> result(factors.size());
  result.front().mean.resize(static_cast<Index>(leaves_.size()), leaf_size_);
  result.front().covariance.resize(static_cast<Index>(leaves_.size()) * leaf_size_, leaf_size_);
  const MatrixXd psi = factors.front() * factors.front().transpose();
  for (std::size_t g = 0; g < leaves_.size(); ++g) {
    const Leaf& leaf = leaves_[g];
    const Node node = leaf_node(leaf, factors.front());
    const auto met = static_cast<Index>(leaf.root_columns.size());
    VectorXd mean_met(met);
    MatrixXd covariance_met(met, met);
    for (Index j = 0; j < met; ++j) {
      mean_met[j] = mean(leaf.root_columns[at(j)], 0);
      for (Index i = 0; i < met; ++i)
        covariance_met(i, j) = covariance(leaf.root_columns[at(i)], leaf.root_columns[at(j)]);
    }
    const MatrixXd gain = psi * node.b_root;
    result.front().mean.row(static_cast<Index>(g)) =
        (psi * (node.b_fixed * combination) - gain * mean_met).transpose();
    result.front().covariance.middleRows(static_cast<Index>(g) * leaf_size_, leaf_size_) =
        node_covariance(leaf.r, factors.front()) + gain * covariance_met * gain.transpose();
  }
  for (std::size_t l = 0; l < root_levels_.size(); ++l) {
    const RootLevel& level = root_levels_[l];
    LevelEffects& effects = result[l + 1];
    effects.mean.resize(level.n_groups, level.size);
    effects.covariance.resize(level.n_groups * level.size, level.size);
    for (Index g = 0; g < level.n_groups; ++g) {
      const Index first = level.first + g * level.size;
      effects.mean.row(g) = mean.col(0).segment(first, level.size).transpose();
      effects.covariance.middleRows(g * level.size, level.size) =
          covariance.block(first, first, level.size, level.size);
    }
  }
  return result;
}

}  // namespace rapport
