#pragma once

#include "model_columns.hpp"
#include "model_parts.hpp"
#include "nested.hpp"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rapport {

/// Rows of a model that are in memory together.
struct ModelRows {
  const std::vector<detail::VariableValues>* values;  ///< of the frame's variables
  const double* response;
  const double* offset;                     ///< null: none
  const double* root_weight;                ///< null: 1
  std::vector<const std::int32_t*> groups;  ///< of each level, innermost first
  Index size;
};

/// A nested model whose rows come in pieces, of which only cross-products are kept.
class PiecewiseModel {
 public:
  /// `factors` are the labels of the grouping factors, innermost first; `expected` says how many
  /// innermost groups to make room for. Columns are centred and scaled as `sample` suggests.
  PiecewiseModel(ModelFrame frame, std::vector<std::string> factors, const ModelRows& sample,
                 Index expected, int threads);

  /// Group numbers may come in any order, but each must come sooner or later.
  void add(const ModelRows& rows);
  /// Adds what another model of the same frame and sample gathered; its group g of level l is
  /// `groups[l][g]` here.
  void absorb(const PiecewiseModel& other, const std::vector<std::vector<std::int32_t>>& groups);
  /// No row comes any more: frees what only adding needs.
  void close() { products_->close(); }
  void renumber(const std::vector<std::vector<std::int32_t>>& numbers);

  [[nodiscard]] Index rows() const { return rows_; }
  /// The model, unless columns of X depend on one another (nearly), are not finite, or a group has
  /// no rows: then nothing. `levels` are the names of each level's groups. To be called once.
  [[nodiscard]] std::shared_ptr<MixedModel::Data> finish(const std::vector<LevelNames>& levels,
                                                         Index omitted);

 private:
  struct Piece;
  struct Buffers;
  void plan_terms(const ModelRows& sample);
  void plan_fixed(const ModelRows& sample);
  [[nodiscard]] Piece compress(const ModelRows& rows, Index first, Index n) const;

  ModelFrame frame_;
  std::vector<std::string> factors_;
  int threads_;
  std::shared_ptr<MixedModel::Data> data_ = std::make_shared<MixedModel::Data>();
  detail::PieceColumns fixed_;
  std::vector<detail::PieceColumns> random_;  ///< of each term
  std::vector<std::vector<std::size_t>> level_terms_;
  ModelColumns columns_;  ///< how each is centred and scaled
  std::unique_ptr<NestedCrossProducts> products_;
  Index rows_ = 0;
  double log_weights_ = 0;
};

}  // namespace rapport
