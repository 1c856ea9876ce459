#include "residual_features.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Kind = PrecisionTerm::Kind;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// A fixed Gram matrix and its place: coefficient · factor / (SD of class a · SD of class b).
struct Feature {
  Index coefficient;
  double factor;
  std::int32_t class_a;
  std::int32_t class_b;
};

/// A precision term between rows of given variance classes.
struct ClassedTerm {
  std::int32_t feature;
  Kind kind;
  std::int32_t i;
  std::int32_t j;
};

/// Numbers features as they are met. Differences of rows with unlike variances are written out in
/// squares and cross products.
class FeatureTable {
 public:
  FeatureTable(Index n_coefficients, Index n_classes) : n_classes_(n_classes) {
    const double size = 4.0 * static_cast<double>(n_coefficients) * static_cast<double>(n_classes) *
                        static_cast<double>(n_classes);
    if (size < 1e6) direct_.assign(static_cast<std::size_t>(size), -1);
  }
  /// `start`: the group's first row; `shift`: its place in the block.
  void expand(const PrecisionTerm& term, const std::vector<std::int32_t>& class_of, Index start,
              Index shift, std::vector<ClassedTerm>& out) {
    const std::int32_t a = class_of[at(start + term.i)];
    const std::int32_t b = class_of[at(start + term.j)];
    const auto add = [&](Kind kind, double factor, Index i, Index j) {
      const std::int32_t ci = i == term.i ? a : b;
      const std::int32_t cj = j == term.i ? a : b;
      out.push_back({.feature = number(term.coefficient, kind, factor, ci, cj),
                     .kind = kind,
                     .i = static_cast<std::int32_t>(i + shift),
                     .j = static_cast<std::int32_t>(j + shift)});
    };
    if (a == b || term.kind == Kind::square || term.kind == Kind::cross) {
      add(term.kind, 1, term.i, term.j);
    } else if (term.kind == Kind::difference_square) {
      add(Kind::square, 1, term.i, term.i);
      add(Kind::cross, -1, term.i, term.j);
      add(Kind::square, 1, term.j, term.j);
    } else {
      add(Kind::cross, 1, term.i, term.j);
      add(Kind::square, -2, term.j, term.j);
    }
  }
  [[nodiscard]] const std::vector<Feature>& features() const { return features_; }

 private:
  std::int32_t number(Index coefficient, Kind kind, double factor, std::int32_t a, std::int32_t b) {
    const Index key =
        ((coefficient * 4 + static_cast<Index>(kind)) * n_classes_ + a) * n_classes_ + b;
    std::int32_t& place =
        direct_.empty() ? hashed_.emplace(key, -1).first->second : direct_[at(key)];
    if (place < 0) {
      place = static_cast<std::int32_t>(features_.size());
      features_.push_back(
          {.coefficient = coefficient, .factor = factor, .class_a = a, .class_b = b});
    }
    return place;
  }

  Index n_classes_;
  std::vector<std::int32_t> direct_;
  std::unordered_map<Index, std::int32_t> hashed_;
  std::vector<Feature> features_;
};

/// Gram matrices as sums over features of fixed ones.
class FeatureGrams final : public ResidualGrams {
 public:
  FeatureGrams(const std::vector<BlockShape>& shapes, const std::vector<ResidualShape>& clusters,
               CorrelationModel& correlation, VarianceModel& variance)
      : ResidualGrams(correlation, variance),
        shapes_(shapes),
        clusters_(clusters),
        table_(correlation.coefficients().size(), variance.n_classes()),
        blocks_(shapes.size()),
        sums_(clusters.size()) {}

  /// False once more than `limit` numbers would be kept.
  bool count(const SortedRows& rows, Index limit) {
    Index size = 0;
    std::vector<std::int32_t> last_block;
    std::vector<std::vector<std::int32_t>> last_cluster(clusters_.size());
    for (Index b = 0; b < rows.n_blocks(); ++b) {
      first_term_.push_back(terms_.size());
      expand(rows, b);
      const ResidualShape& shape = shapes_[at(b)].sizes;
      last_block.resize(table_.features().size(), -1);
      std::vector<std::int32_t>& seen = last_cluster[at(shapes_[at(b)].cluster)];
      seen.resize(table_.features().size(), -1);
      for (std::size_t k = first_term_.back(); k < terms_.size(); ++k) {
        const auto feature = static_cast<std::size_t>(terms_[k].feature);
        if (last_block[feature] != b) size += shape.own();
        if (seen[feature] < 0) size += shape.shared();
        last_block[feature] = static_cast<std::int32_t>(b);
        seen[feature] = 0;
      }
      if (size > limit) return false;
    }
    first_term_.push_back(terms_.size());
    data_.reserve(at(size));
    return true;
  }

  void build(const SortedRows& rows, const BlockRows& block_rows) {
    MatrixXd values;
    VectorXd difference;
    for (Index c = 0; c < static_cast<Index>(clusters_.size()); ++c)
      sums_[at(c)].slot.assign(table_.features().size(), -1);
    std::vector<std::int32_t> slot(table_.features().size(), -1);
    std::vector<std::int32_t> list;
    std::map<std::vector<std::int32_t>, Index> list_number;
    Index last_list = 0;
    for (Index b = 0; b < rows.n_blocks(); ++b) {
      const ResidualShape& shape = shapes_[at(b)].sizes;
      Entry& entry = blocks_[at(b)];
      Sum& sum = sums_[at(shapes_[at(b)].cluster)];
      block_rows(b, values);
      entry.first = static_cast<Index>(data_.size());
      list.clear();
      for (std::size_t k = first_term_[at(b)]; k < first_term_[at(b + 1)]; ++k) {
        const ClassedTerm& term = terms_[k];
        const auto feature = static_cast<std::size_t>(term.feature);
        if (slot[feature] < 0) {
          slot[feature] = static_cast<std::int32_t>(list.size());
          list.push_back(term.feature);
          data_.resize(data_.size() + at(shape.own()), 0.0);
        }
        if (sum.slot[feature] < 0) {
          sum.slot[feature] = static_cast<std::int32_t>(sum.features.size());
          sum.features.push_back(term.feature);
          sum.data.resize(sum.data.size() + at(shape.shared()), 0.0);
        }
        double* own = data_.data() + entry.first + slot[feature] * shape.own();
        double* shared = sum.data.data() + sum.slot[feature] * shape.shared();
        const double* i = values.col(term.i).data();
        const double* j = values.col(term.j).data();
        if (term.kind == Kind::difference_square || term.kind == Kind::difference_cross) {
          difference = values.col(term.i) - values.col(term.j);
          i = difference.data();
        }
        if (term.kind == Kind::square || term.kind == Kind::difference_square)
          kernels_.square(shape, i, own, shared);
        else
          kernels_.cross(shape, i, j, own, shared);
      }
      for (const std::int32_t feature : list) slot[static_cast<std::size_t>(feature)] = -1;
      if (lists_.empty() || list != lists_[at(last_list)]) {
        const auto found = list_number.emplace(list, static_cast<Index>(lists_.size()));
        if (found.second) lists_.push_back(list);
        last_list = found.first->second;
      }
      entry.list = last_list;
    }
    terms_ = {};
    value_.resize(static_cast<Index>(table_.features().size()));
    adjoint_.resize(value_.size());
  }

  void merge() {
    constexpr std::size_t smallest_class = 8;
    const auto n = static_cast<Index>(blocks_.size());
    std::map<std::pair<Index, Index>, std::vector<std::vector<Index>>> classes;
    for (Index b = 0; b < n; ++b) {
      auto& candidates = classes[{shapes_[at(b)].cluster, blocks_[at(b)].list}];
      const auto same = std::find_if(
          candidates.begin(), candidates.end(), [&](const std::vector<Index>& members) {
            return same_effects(blocks_[at(members.front())], blocks_[at(b)], shapes_[at(b)].sizes);
          });
      if (same != candidates.end())
        same->push_back(b);
      else if (candidates.size() < 64)
        candidates.push_back({b});
      else
        keep_unit(shapes_[at(b)], blocks_[at(b)]);
    }
    for (const auto& entry : classes) {
      for (const std::vector<Index>& members : entry.second) {
        if (members.size() >= smallest_class) {
          merge_class(members);
          continue;
        }
        for (const Index member : members) keep_unit(shapes_[at(member)], blocks_[at(member)]);
      }
    }
  }

  void add_cluster(Index cluster, double* shared) override {
    const Sum& sum = sums_[at(cluster)];
    kernels_.combine(value_.data(), sum.features.data(), static_cast<Index>(sum.features.size()),
                     clusters_[at(cluster)].shared(), sum.data.data(), shared);
  }
  void unit(Index unit, double* own, double* /*shared*/) override {
    combine(entries_[at(unit)], units_[at(unit)].sizes, own);
  }
  void block(Index block, double* own) override {
    combine(blocks_[at(block)], shapes_[at(block)].sizes, own);
  }
  void add_cluster_adjoint(Index cluster, const double* shared) override {
    const Sum& sum = sums_[at(cluster)];
    kernels_.contract(shared, sum.features.data(), static_cast<Index>(sum.features.size()),
                      clusters_[at(cluster)].shared(), sum.data.data(), adjoint_.data());
  }
  void add_unit_adjoint(Index unit, const double* own, const double* /*shared*/) override {
    const Entry& entry = entries_[at(unit)];
    const std::vector<std::int32_t>& list = lists_[at(entry.list)];
    kernels_.contract(own, list.data(), static_cast<Index>(list.size()),
                      units_[at(unit)].sizes.own(), data_.data() + entry.first, adjoint_.data());
  }

  VectorXd gradient() override {
    const Index n_variance = variance_.n_parameters();
    VectorXd log_sd = 2 * variance_.counts();  // ∂/∂ log SD of each class
    for (Index f = 0; f < value_.size(); ++f) {
      const Feature& feature = table_.features()[at(f)];
      const double product = adjoint_[f] * value_[f];
      log_sd[feature.class_a] -= product;
      log_sd[feature.class_b] -= product;
      correlation_.adjoint()[feature.coefficient] += adjoint_[f] * scale_[f];
    }
    const VectorXd kappa = correlation_.gradient();
    VectorXd gradient(kappa.size() + n_variance);
    gradient.head(kappa.size()) = kappa;
    gradient.tail(n_variance) = variance_.slopes().transpose() * log_sd;
    return gradient;
  }

 protected:
  void update() override {
    scale_.resize(value_.size());
    for (Index f = 0; f < value_.size(); ++f) {
      const Feature& feature = table_.features()[at(f)];
      scale_[f] = feature.factor / (variance_.multiplier()[feature.class_a] *
                                    variance_.multiplier()[feature.class_b]);
      value_[f] = scale_[f] * correlation_.coefficients()[feature.coefficient];
    }
    adjoint_.setZero();
  }

 private:
  /// A list of features and where their Gram matrices start in data_.
  struct Entry {
    Index list = 0;
    Index first = 0;
  };
  struct Sum {
    std::vector<std::int32_t> features;
    std::vector<std::int32_t> slot;
    std::vector<double> data;
  };

  void combine(const Entry& entry, const ResidualShape& shape, double* own) const {
    const std::vector<std::int32_t>& list = lists_[at(entry.list)];
    kernels_.combine(value_.data(), list.data(), static_cast<Index>(list.size()), shape.own(),
                     data_.data() + entry.first, own);
  }

  /// Z'C⁻¹Z of two blocks with the same features is the same whatever the parameters.
  [[nodiscard]] bool same_effects(const Entry& a, const Entry& b,
                                  const ResidualShape& shape) const {
    for (std::size_t f = 0; f < lists_[at(a.list)].size(); ++f) {
      const double* x = data_.data() + a.first + static_cast<Index>(f) * shape.own();
      const double* y = data_.data() + b.first + static_cast<Index>(f) * shape.own();
      for (Index k = 0; k < shape.zz(); ++k) {
        if (std::abs(x[k] - y[k]) > 1e-13 * (std::abs(x[k]) + std::abs(y[k]))) return false;
      }
    }
    return true;
  }

  void keep_unit(const BlockShape& shape, const Entry& entry) {
    units_.push_back(shape);
    entries_.push_back(entry);
  }

  /// Replaces blocks with the same Z'C⁻¹Z by units whose Z'C⁻¹S have the same second moments: the
  /// columns of a Cholesky factor of those. Pivots that are 0 up to rounding give no unit.
  void merge_class(const std::vector<Index>& members) {
    const BlockShape& shape = shapes_[at(members.front())];
    const Entry first = blocks_[at(members.front())];
    const auto n_features = static_cast<Index>(lists_[at(first.list)].size());
    const ResidualShape& sizes = shape.sizes;
    const Index cross = sizes.q * sizes.stride();
    MatrixXd stacked(n_features * cross, static_cast<Index>(members.size()));
    for (std::size_t m = 0; m < members.size(); ++m) {
      const double* from = data_.data() + blocks_[at(members[m])].first + sizes.zz();
      for (Index f = 0; f < n_features; ++f) {
        stacked.col(static_cast<Index>(m)).segment(f * cross, cross) =
            Eigen::Map<const VectorXd>(from + f * sizes.own(), cross);
      }
    }
    const MatrixXd factor = semidefinite_columns(stacked);
    if (4 * factor.cols() > 3 * stacked.cols()) {
      for (const Index member : members) keep_unit(shape, blocks_[at(member)]);
      return;
    }
    for (Index r = 0; r < factor.cols(); ++r) {
      const Entry entry{.list = first.list, .first = static_cast<Index>(data_.size())};
      data_.resize(data_.size() + at(n_features * sizes.own()));
      for (Index f = 0; f < n_features; ++f) {
        double* to = data_.data() + entry.first + f * sizes.own();
        std::copy_n(data_.data() + first.first + f * sizes.own(), sizes.zz(), to);
        Eigen::Map<VectorXd>(to + sizes.zz(), cross) = factor.col(r).segment(f * cross, cross);
      }
      BlockShape unit = shape;
      unit.weight = r == 0 ? static_cast<double>(members.size()) : 0;
      keep_unit(unit, entry);
    }
  }

  /// P of few columns with PP' = VV'.
  static MatrixXd semidefinite_columns(const MatrixXd& v) {
    MatrixXd moment = MatrixXd::Zero(v.rows(), v.rows());
    moment.selfadjointView<Eigen::Lower>().rankUpdate(v);
    const VectorXd diagonal = moment.diagonal();
    MatrixXd columns = MatrixXd::Zero(v.rows(), std::max<Index>(v.rows(), 1));
    Index rank = 0;
    for (Index k = 0; k < v.rows(); ++k) {
      const Index left = v.rows() - k;
      VectorXd rest = moment.col(k).tail(left);
      rest.noalias() -= columns.block(k, 0, left, rank) * columns.row(k).head(rank).transpose();
      if (!(rest[0] > 1e-13 * diagonal[k])) continue;
      columns.col(rank).head(k).setZero();
      columns.col(rank).tail(left) = rest / std::sqrt(rest[0]);
      ++rank;
    }
    return columns.leftCols(std::max<Index>(rank, 1));
  }

  void expand(const SortedRows& rows, Index b) {
    for (Index g = rows.first_group[at(b)]; g < rows.first_group[at(b + 1)]; ++g) {
      precision_.clear();
      correlation_.precision(g, precision_);
      const Index start = rows.group_starts[at(g)];
      for (const PrecisionTerm& term : precision_)
        table_.expand(term, variance_.class_of(), start, start - rows.block_starts[at(b)], terms_);
    }
  }

  const std::vector<BlockShape>& shapes_;
  const std::vector<ResidualShape>& clusters_;
  const ResidualKernels& kernels_ = residual_kernels();
  FeatureTable table_;
  std::vector<PrecisionTerm> precision_;
  std::vector<ClassedTerm> terms_;       ///< of all blocks, while building
  std::vector<std::size_t> first_term_;  ///< of each block
  std::vector<Entry> blocks_;
  std::vector<Entry> entries_;  ///< of the units
  std::vector<std::vector<std::int32_t>> lists_;
  std::vector<Sum> sums_;
  std::vector<double> data_;
  VectorXd scale_;
  VectorXd value_;
  VectorXd adjoint_;
};

}  // namespace

std::unique_ptr<ResidualGrams> make_feature_grams(const SortedRows& rows,
                                                  const std::vector<BlockShape>& shapes,
                                                  const std::vector<ResidualShape>& clusters,
                                                  const BlockRows& block_rows,
                                                  CorrelationModel& correlation,
                                                  VarianceModel& variance, Index limit) {
  auto grams = std::make_unique<FeatureGrams>(shapes, clusters, correlation, variance);
  if (!grams->count(rows, limit)) return nullptr;
  grams->build(rows, block_rows);
  grams->merge();
  return grams;
}

}  // namespace rapport::detail
