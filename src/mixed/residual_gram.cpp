#include "residual_gram.hpp"

#include <algorithm>
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
  Index i;
  Index j;
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
  void expand(const PrecisionTerm& term, const std::vector<std::int32_t>& class_of, Index start,
              std::vector<ClassedTerm>& out) {
    const std::int32_t a = class_of[at(start + term.i)];
    const std::int32_t b = class_of[at(start + term.j)];
    const auto add = [&](Kind kind, double factor, Index i, Index j) {
      const std::int32_t ci = i == term.i ? a : b;
      const std::int32_t cj = j == term.i ? a : b;
      out.push_back({.feature = number(term.coefficient, kind, factor, ci, cj),
                     .kind = kind,
                     .i = i,
                     .j = j});
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
  FeatureGrams(const std::vector<BlockShape>& shapes, const std::vector<BlockShape>& clusters,
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
      expand(rows, b);
      const BlockShape& shape = shapes_[at(b)];
      last_block.resize(table_.features().size(), -1);
      std::vector<std::int32_t>& seen = last_cluster[at(shape.cluster)];
      seen.resize(table_.features().size(), -1);
      for (const ClassedTerm& term : terms_) {
        const auto feature = static_cast<std::size_t>(term.feature);
        if (last_block[feature] != b) size += shape.own();
        if (seen[feature] < 0) size += shape.shared();
        last_block[feature] = static_cast<std::int32_t>(b);
        seen[feature] = 0;
      }
      if (size > limit) return false;
    }
    data_.reserve(at(size));
    return true;
  }

  void build(const SortedRows& rows, const BlockRows& block_rows) {
    MatrixXd values;
    VectorXd difference;
    for (Index c = 0; c < static_cast<Index>(clusters_.size()); ++c)
      sums_[at(c)].slot.assign(table_.features().size(), -1);
    std::vector<std::int32_t> slot(table_.features().size(), -1);
    for (Index b = 0; b < rows.n_blocks(); ++b) {
      const BlockShape& shape = shapes_[at(b)];
      Entry& entry = blocks_[at(b)];
      Sum& sum = sums_[at(shape.cluster)];
      block_rows(b, values);
      expand(rows, b);
      entry.first = static_cast<Index>(data_.size());
      for (const ClassedTerm& term : terms_) {
        const auto feature = static_cast<std::size_t>(term.feature);
        if (slot[feature] < 0) {
          slot[feature] = static_cast<std::int32_t>(entry.features.size());
          entry.features.push_back(term.feature);
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
          add_square(shape, i, own, shared);
        else
          add_cross(shape, i, j, own, shared);
      }
      for (const std::int32_t feature : entry.features)
        slot[static_cast<std::size_t>(feature)] = -1;
    }
    value_.resize(static_cast<Index>(table_.features().size()));
    adjoint_.resize(value_.size());
  }

  void add_cluster(Index cluster, double* shared) override {
    const Sum& sum = sums_[at(cluster)];
    add_combination(sum.features, clusters_[at(cluster)].shared(), sum.data.data(), shared);
  }
  void block(Index block, double* own, double* /*shared*/) override {
    const Entry& entry = blocks_[at(block)];
    const Index size = shapes_[at(block)].own();
    std::fill_n(own, size, 0.0);
    add_combination(entry.features, size, data_.data() + entry.first, own);
  }
  void add_cluster_adjoint(Index cluster, const double* shared) override {
    const Sum& sum = sums_[at(cluster)];
    add_products(sum.features, clusters_[at(cluster)].shared(), sum.data.data(), shared);
  }
  void add_block_adjoint(Index block, const double* own, const double* /*shared*/) override {
    const Entry& entry = blocks_[at(block)];
    add_products(entry.features, shapes_[at(block)].own(), data_.data() + entry.first, own);
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
  struct Entry {
    std::vector<std::int32_t> features;
    Index first = 0;
  };
  struct Sum {
    std::vector<std::int32_t> features;
    std::vector<std::int32_t> slot;
    std::vector<double> data;
  };

  void expand(const SortedRows& rows, Index b) {
    terms_.clear();
    for (Index g = rows.first_group[at(b)]; g < rows.first_group[at(b + 1)]; ++g) {
      precision_.clear();
      correlation_.precision(g, precision_);
      const Index start = rows.group_starts[at(g)];
      const std::size_t first = terms_.size();
      for (const PrecisionTerm& term : precision_)
        table_.expand(term, variance_.class_of(), start, terms_);
      const Index shift = start - rows.block_starts[at(b)];
      for (std::size_t k = first; k < terms_.size(); ++k) {
        terms_[k].i += shift;
        terms_[k].j += shift;
      }
    }
  }
  static void add_square(const BlockShape& shape, const double* w, double* own, double* shared) {
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) *own++ += w[i] * w[j];
    }
    const double* s = w + shape.q;
    for (Index i = 0; i < shape.q; ++i) {
      for (Index c = 0; c < shape.s; ++c) own[c] += w[i] * s[c];
      own += shape.s;
    }
    for (Index j = 0; j < shape.s; ++j) {
      for (Index i = j; i < shape.s; ++i) shared[i - j] += s[i] * s[j];
      shared += shape.s - j;
    }
  }
  static void add_cross(const BlockShape& shape, const double* w, const double* v, double* own,
                        double* shared) {
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) *own++ += w[i] * v[j] + v[i] * w[j];
    }
    const double* ws = w + shape.q;
    const double* vs = v + shape.q;
    for (Index i = 0; i < shape.q; ++i) {
      for (Index c = 0; c < shape.s; ++c) own[c] += w[i] * vs[c] + v[i] * ws[c];
      own += shape.s;
    }
    for (Index j = 0; j < shape.s; ++j) {
      for (Index i = j; i < shape.s; ++i) shared[i - j] += ws[i] * vs[j] + vs[i] * ws[j];
      shared += shape.s - j;
    }
  }
  void add_combination(const std::vector<std::int32_t>& features, Index size, const double* data,
                       double* out) const {
    for (const std::int32_t feature : features) {
      const double value = value_[feature];
      for (Index k = 0; k < size; ++k) out[k] += value * data[k];
      data += size;
    }
  }
  void add_products(const std::vector<std::int32_t>& features, Index size, const double* data,
                    const double* by) {
    for (const std::int32_t feature : features) {
      double sum = 0;
      for (Index k = 0; k < size; ++k) sum += data[k] * by[k];
      adjoint_[feature] += sum;
      data += size;
    }
  }

  const std::vector<BlockShape>& shapes_;
  const std::vector<BlockShape>& clusters_;
  FeatureTable table_;
  std::vector<PrecisionTerm> precision_;
  std::vector<ClassedTerm> terms_;
  std::vector<Entry> blocks_;
  std::vector<Sum> sums_;
  std::vector<double> data_;
  VectorXd scale_;
  VectorXd value_;
  VectorXd adjoint_;
};

/// Gram matrices of whitened rows.
class RowGrams final : public ResidualGrams {
 public:
  RowGrams(const SortedRows& rows, const std::vector<BlockShape>& shapes,
           const BlockRows& block_rows, CorrelationModel& correlation, VarianceModel& variance)
      : ResidualGrams(correlation, variance), rows_(rows), shapes_(shapes) {
    MatrixXd values;
    for (Index b = 0; b < rows.n_blocks(); ++b) {
      block_rows(b, values);
      data_.emplace_back(values.transpose());
    }
  }
  void add_cluster(Index /*cluster*/, double* /*shared*/) override {}
  void block(Index block, double* own, double* shared) override {
    scale(block);
    for_groups(block, [&](Index g, Index first, Index size) {
      correlation_.whiten(g, scaled_.middleRows(first, size));
    });
    gram_.noalias() = scaled_.transpose().lazyProduct(scaled_);
    const BlockShape& shape = shapes_[at(block)];
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) *own++ = gram_(i, j);
    }
    for (Index i = 0; i < shape.q; ++i) {
      for (Index c = 0; c < shape.s; ++c) *own++ = gram_(shape.q + c, i);
    }
    for (Index j = shape.q; j < gram_.cols(); ++j) {
      for (Index i = j; i < gram_.rows(); ++i) *shared++ += gram_(i, j);
    }
  }
  void add_cluster_adjoint(Index /*cluster*/, const double* /*shared*/) override {}
  void add_block_adjoint(Index block, const double* own, const double* shared) override {
    const BlockShape& shape = shapes_[at(block)];
    const Index m = shape.q + shape.s;
    gram_.resize(m, m);
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) set_adjoint(i, j, *own++);
    }
    for (Index i = 0; i < shape.q; ++i) {
      for (Index c = 0; c < shape.s; ++c) set_adjoint(shape.q + c, i, *own++);
    }
    for (Index j = shape.q; j < m; ++j) {
      for (Index i = j; i < m; ++i) set_adjoint(i, j, *shared++);
    }
    scale(block);
    diagonal_.resize(scaled_.rows());
    for_groups(block, [&](Index g, Index first, Index size) {
      correlation_.add_adjoint(g, scaled_.middleRows(first, size), gram_,
                               diagonal_.segment(first, size));
    });
    const Index start = rows_.block_starts[at(block)];
    for (Index k = 0; k < scaled_.rows(); ++k)
      log_sd_[variance_.class_of()[at(start + k)]] -= 2 * diagonal_[k];
  }
  VectorXd gradient() override {
    const VectorXd kappa = correlation_.gradient();
    VectorXd gradient(kappa.size() + variance_.n_parameters());
    gradient.head(kappa.size()) = kappa;
    gradient.tail(variance_.n_parameters()) = variance_.slopes().transpose() * log_sd_;
    return gradient;
  }

 protected:
  void update() override { log_sd_ = 2 * variance_.counts(); }

 private:
  void set_adjoint(Index i, Index j, double value) {
    gram_(i, j) = i == j ? value : 0.5 * value;
    gram_(j, i) = gram_(i, j);
  }
  void scale(Index block) {
    const Index start = rows_.block_starts[at(block)];
    scaled_ = data_[at(block)];
    for (Index k = 0; k < scaled_.rows(); ++k)
      scaled_.row(k) /= variance_.multiplier()[variance_.class_of()[at(start + k)]];
  }
  template <class Action>
  void for_groups(Index block, const Action& action) {
    const Index start = rows_.block_starts[at(block)];
    for (Index g = rows_.first_group[at(block)]; g < rows_.first_group[at(block + 1)]; ++g) {
      const Index first = rows_.group_starts[at(g)];
      action(g, first - start, rows_.group_starts[at(g + 1)] - first);
    }
  }

  const SortedRows& rows_;
  const std::vector<BlockShape>& shapes_;
  std::vector<MatrixXd> data_;
  MatrixXd scaled_;
  MatrixXd gram_;
  VectorXd diagonal_;
  VectorXd log_sd_;  ///< ∂/∂ log SD of each class
};

}  // namespace

bool ResidualGrams::set(const VectorXd& correlation, const VectorXd& variance) {
  if (!variance_.set(variance) || !correlation_.set(correlation)) return false;
  update();
  return true;
}

double ResidualGrams::log_determinant() const {
  return correlation_.log_determinant() + 2 * variance_.log_multipliers();
}

std::unique_ptr<ResidualGrams> make_residual_grams(const SortedRows& rows,
                                                   const std::vector<BlockShape>& shapes,
                                                   const std::vector<BlockShape>& clusters,
                                                   const BlockRows& block_rows,
                                                   CorrelationModel& correlation,
                                                   VarianceModel& variance) {
  // A row costs about as much as the products of its columns, a feature one addition for each.
  Index limit = 0;
  for (Index b = 0; b < rows.n_blocks(); ++b) {
    const Index m = shapes[at(b)].q + shapes[at(b)].s;
    limit += (rows.block_starts[at(b + 1)] - rows.block_starts[at(b)]) * m * m;
  }
  auto features = std::make_unique<FeatureGrams>(shapes, clusters, correlation, variance);
  if (features->count(rows, limit)) {
    features->build(rows, block_rows);
    return features;
  }
  return std::make_unique<RowGrams>(rows, shapes, block_rows, correlation, variance);
}

}  // namespace rapport::detail
