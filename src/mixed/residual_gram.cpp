#include "residual_gram.hpp"

#include "residual_features.hpp"
#include <algorithm>

namespace rapport::detail {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Gram matrices of whitened rows.
class RowGrams final : public ResidualGrams {
 public:
  RowGrams(const SortedRows& rows, const std::vector<BlockShape>& shapes,
           const BlockRows& block_rows, CorrelationModel& correlation, VarianceModel& variance)
      : ResidualGrams(correlation, variance), rows_(rows), shapes_(shapes) {
    units_ = shapes;
    MatrixXd values;
    for (Index b = 0; b < rows.n_blocks(); ++b) {
      block_rows(b, values);
      const ResidualShape& shape = shapes[at(b)].sizes;
      data_.emplace_back(values.topRows(shape.q + shape.s).transpose());
    }
  }
  void add_cluster(Index /*cluster*/, double* /*shared*/) override {}
  void unit(Index unit, double* own, double* shared) override {
    whiten(unit);
    const ResidualShape& shape = shapes_[at(unit)].sizes;
    write_own(shape, own);
    for (Index j = 0; j < shape.s; ++j) {
      for (Index i = 0; i < shape.s; ++i) shared[i] += gram_(shape.q + i, shape.q + j);
      shared += shape.stride();
    }
  }
  void block(Index block, double* own) override {
    whiten(block);
    write_own(shapes_[at(block)].sizes, own);
  }
  void add_cluster_adjoint(Index /*cluster*/, const double* /*shared*/) override {}
  void add_unit_adjoint(Index block, const double* own, const double* shared) override {
    const ResidualShape& shape = shapes_[at(block)].sizes;
    const Index m = shape.q + shape.s;
    gram_.resize(m, m);
    const double* zz = own;
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) set_adjoint(i, j, *zz++);
    }
    own += shape.zz();
    for (Index i = 0; i < shape.q; ++i) {
      for (Index c = 0; c < shape.s; ++c) set_adjoint(shape.q + c, i, own[c]);
      own += shape.stride();
    }
    for (Index j = 0; j < shape.s; ++j) {
      for (Index i = 0; i < shape.s; ++i) gram_(shape.q + i, shape.q + j) = shared[i];
      shared += shape.stride();
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
  void whiten(Index block) {
    scale(block);
    for_groups(block, [&](Index g, Index first, Index size) {
      correlation_.whiten(g, scaled_.middleRows(first, size));
    });
    gram_.noalias() = scaled_.transpose().lazyProduct(scaled_);
  }
  void write_own(const ResidualShape& shape, double* own) const {
    double* zz = own;
    for (Index j = 0; j < shape.q; ++j) {
      for (Index i = j; i < shape.q; ++i) *zz++ = gram_(i, j);
    }
    own += shape.zz();
    for (Index i = 0; i < shape.q; ++i) {
      std::fill_n(own, shape.stride(), 0.0);
      for (Index c = 0; c < shape.s; ++c) own[c] = gram_(shape.q + c, i);
      own += shape.stride();
    }
  }
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
                                                   const std::vector<ResidualShape>& clusters,
                                                   const BlockRows& block_rows,
                                                   CorrelationModel& correlation,
                                                   VarianceModel& variance) {
  // A row costs about as much as the products of its columns, a feature one addition for each.
  Index limit = 0;
  for (Index b = 0; b < rows.n_blocks(); ++b) {
    const Index m = shapes[at(b)].sizes.q + shapes[at(b)].sizes.s;
    limit += (rows.block_starts[at(b + 1)] - rows.block_starts[at(b)]) * m * m;
  }
  std::unique_ptr<ResidualGrams> features =
      make_feature_grams(rows, shapes, clusters, block_rows, correlation, variance, limit);
  if (features != nullptr) return features;
  return std::make_unique<RowGrams>(rows, shapes, block_rows, correlation, variance);
}

}  // namespace rapport::detail
