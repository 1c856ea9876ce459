#include <rapport/base/error.hpp>

#include "nested.hpp"
#include "node.hpp"
#include <algorithm>
#include <numeric>

// Cross-products of rows that come in parts.

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr Index lanes = LeafBlocks::lanes;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index rank_of(const MatrixXd& r) { return (r.diagonal().array() != 0).count(); }

/// values[numbers[i]] = old values[i].
template <class T>
void renumbered(std::vector<T>& values, const std::vector<std::int32_t>& numbers) {
  std::vector<T> old = std::move(values);
  values.resize(old.size());
  for (std::size_t i = 0; i < old.size(); ++i) values[at(numbers[i])] = std::move(old[i]);
}

/// True if the numbers are 0, 1, … in some order.
bool is_permutation(const std::vector<std::int32_t>& numbers) {
  std::vector<char> seen(numbers.size(), 0);
  for (const std::int32_t number : numbers) {
    if (at(number) >= seen.size() || seen[at(number)] != 0) return false;
    seen[at(number)] = 1;
  }
  return true;
}

}  // namespace

NestedCrossProducts::NestedCrossProducts(CovarianceStructure structure, Index fixed_columns,
                                         Index leaves, int threads)
    : structure_(std::move(structure)), threads_(threads), expected_(leaves) {
  set_levels(fixed_columns);
  for (Index l = 0; l < depth(); ++l) levels_[at(l)].n_groups = 0;
}

bool NestedCrossProducts::adopt(NestedCrossProducts& part,
                                const std::vector<std::vector<std::int32_t>>& groups) {
  if (depth() == 0 || remainders_.size() > 0) return false;
  for (const std::vector<std::int32_t>& numbers : groups)
    if (!is_permutation(numbers)) return false;
  levels_ = std::move(part.levels_);
  leaves_ = std::move(part.leaves_);
  leaf_group_ = std::move(part.leaf_group_);
  remainders_ = std::move(part.remainders_);
  residual_rows_ = std::move(part.residual_rows_);
  renumber(groups);
  lane_of_.resize(at(levels_.front().n_groups));
  for (std::size_t slot = 0; slot < leaf_group_.size(); ++slot)
    if (leaf_group_[slot] >= 0) lane_of_[at(leaf_group_[slot])] = static_cast<std::int32_t>(slot);
  return true;
}

void NestedCrossProducts::reserve_leaves() {
  if (depth() == 0) return;
  const std::size_t slots = at(expected_ + expected_ / 16 + 8 * lanes);
  leaves_->values.reserve(slots * at(leaf_doubles()));
  leaf_group_.reserve(slots);
  levels_.front().parent.reserve(at(expected_));
}

void NestedCrossProducts::absorb(const NestedCrossProducts& part,
                                 const std::vector<std::vector<std::int32_t>>& groups) {
  if (remainders_.size() == 0) reserve_leaves();
  absorb_levels(part, groups);
  const Level& receiver = levels_[at(std::min<Index>(1, depth()))];
  const Index width = receiver.size + receiver.width;
  if (remainders_.size() == 0)
    remainders_ = MatrixArray(receiver.n_groups, width, width);
  else
    remainders_.resize(receiver.n_groups);
  residual_rows_.resize(at(receiver.n_groups), 0);
  const auto here = [&](Index parent) { return depth() > 1 ? groups[1][at(parent)] : 0; };
  for (Index g = 0; g < part.remainders_.size(); ++g) {
    const Index parent = here(g);
    remainders_[parent] += part.remainders_[g];
    residual_rows_[at(parent)] += part.residual_rows_[at(g)];
  }
  for (const Run& run : part.leaves_->runs) absorb_run(part, run, here(run.parent), groups.front());
}

void NestedCrossProducts::absorb_levels(const NestedCrossProducts& part,
                                        const std::vector<std::vector<std::int32_t>>& groups) {
  for (Index l = 0; l < depth(); ++l) {
    Level& level = levels_[at(l)];
    for (std::size_t g = 0; g < groups[at(l)].size(); ++g) {
      const std::size_t own = at(groups[at(l)][g]);
      const std::int32_t outer = part.levels_[at(l)].parent[g];
      const std::int32_t parent = l + 1 < depth() ? groups[at(l + 1)][at(outer)] : 0;
      if (own >= level.parent.size()) level.parent.resize(own + 1, -1);
      if (level.parent[own] < 0) level.parent[own] = parent;
      if (level.parent[own] != parent)
        throw NotNested(
            "the grouping factors are not nested: a group of one has rows in several groups of "
            "another");
    }
    level.n_groups = static_cast<Index>(level.parent.size());
  }
  if (depth() > 0) lane_of_.resize(levels_.front().parent.size(), -1);
}

Index NestedCrossProducts::append_lane(Index parent) {
  std::vector<Run>& runs = leaves_->runs;
  const bool starts = leaf_group_.size() % at(lanes) == 0;
  if (starts || runs.back().parent != parent) {
    leaf_group_.resize((leaf_group_.size() + at(lanes) - 1) / at(lanes) * at(lanes), -1);
    leaves_->values.resize(leaves_->values.size() + at(lanes * leaf_doubles()), 0);
    const Index block = static_cast<Index>(leaf_group_.size()) / lanes;
    if (!runs.empty() && runs.back().parent == parent && runs.back().n_blocks < 256)
      ++runs.back().n_blocks;
    else
      runs.push_back({parent, block, 1});
  }
  leaf_group_.push_back(-1);
  return static_cast<Index>(leaf_group_.size()) - 1;
}

void NestedCrossProducts::absorb_run(const NestedCrossProducts& part, const Run& run, Index parent,
                                     const std::vector<std::int32_t>& groups) {
  const Index first = run.first_block * lanes;
  const Index last = first + run.n_blocks * lanes;
  const auto group_of = [&](Index slot) {
    const std::int32_t own = part.leaf_group_[at(slot)];
    return own < 0 ? -1 : groups[at(own)];
  };
  Index known = 0;
  for (Index slot = first; slot < last; ++slot)
    if (group_of(slot) >= 0 && lane_of_[at(group_of(slot))] >= 0) ++known;
  if (2 * known < last - first) {  // whole blocks
    leaf_group_.resize((leaf_group_.size() + at(lanes) - 1) / at(lanes) * at(lanes), -1);
    const auto block = static_cast<Index>(leaf_group_.size()) / lanes;
    leaves_->runs.push_back({parent, block, run.n_blocks});
    const double* source = part.leaves_->values.data() + first * leaf_doubles();
    leaves_->values.insert(leaves_->values.end(), source,
                           source + run.n_blocks * lanes * leaf_doubles());
    const auto base = static_cast<Index>(leaf_group_.size());
    leaf_group_.resize(leaf_group_.size() + at(last - first), -1);
    for (Index slot = first; slot < last; ++slot) {
      const std::int32_t group = group_of(slot);
      if (group < 0) continue;
      std::int32_t& lane = lane_of_[at(group)];
      if (lane < 0) {
        lane = static_cast<std::int32_t>(base + slot - first);
        leaf_group_[at(lane)] = group;
      } else {
        const Index q = levels_.front().size;
        set_leaf(*leaves_, base + slot - first, MatrixXd::Zero(q, q),
                 MatrixXd::Zero(q, levels_.front().width));
        stack_leaf(part, slot, lane, parent);
      }
    }
    return;
  }
  for (Index slot = first; slot < last; ++slot) {
    const std::int32_t group = group_of(slot);
    if (group < 0) continue;
    std::int32_t& lane = lane_of_[at(group)];
    if (lane >= 0) {
      stack_leaf(part, slot, lane, parent);
      continue;
    }
    lane = static_cast<std::int32_t>(append_lane(parent));
    leaf_group_[at(lane)] = group;
    set_leaf(*leaves_, lane, part.leaf_r(*part.leaves_, slot), part.leaf_c(*part.leaves_, slot));
  }
}

void NestedCrossProducts::stack_leaf(const NestedCrossProducts& part, Index part_slot, Index slot,
                                     Index parent) {
  const Index q = levels_.front().size;
  const Index width = levels_.front().width;
  MatrixXd work(2 * q, q + width);
  work << leaf_r(*leaves_, slot), leaf_c(*leaves_, slot), part.leaf_r(*part.leaves_, part_slot),
      part.leaf_c(*part.leaves_, part_slot);
  const Index before = rank_of(work.topLeftCorner(q, q)) + rank_of(work.bottomLeftCorner(q, q));
  const GroupFactor factor = factor_group(work, q);
  set_leaf(*leaves_, slot, factor.r, factor.c);
  remainders_[parent].noalias() += work.rightCols(width).transpose() * work.rightCols(width);
  residual_rows_[at(parent)] += before - rank_of(factor.r);
}

bool NestedCrossProducts::has_groups(Index level, Index n) const {
  const std::vector<std::int32_t>& parent = levels_[at(level)].parent;
  return static_cast<Index>(parent.size()) == n &&
         std::find(parent.begin(), parent.end(), -1) == parent.end();
}

void NestedCrossProducts::renumber(const std::vector<std::vector<std::int32_t>>& numbers) {
  for (Index l = 0; l < depth(); ++l) {
    std::vector<std::int32_t>& parents = levels_[at(l)].parent;
    if (l + 1 < depth())
      for (std::int32_t& parent : parents) parent = numbers[at(l + 1)][at(parent)];
    renumbered(parents, numbers[at(l)]);
  }
  if (depth() == 0) return;
  for (std::int32_t& group : leaf_group_)
    if (group >= 0) group = numbers[0][at(group)];
  if (depth() == 1) return;
  for (Run& run : leaves_->runs) run.parent = numbers[1][at(run.parent)];
  const MatrixArray old = remainders_;
  for (Index g = 0; g < old.size(); ++g) remainders_[numbers[1][at(g)]] = old[g];
  renumbered(residual_rows_, numbers[1]);
}

void NestedCrossProducts::settle() {
  close();
  leaf_group_.resize((leaf_group_.size() + at(lanes) - 1) / at(lanes) * at(lanes), -1);
  std::stable_sort(leaves_->runs.begin(), leaves_->runs.end(),
                   [](const Run& a, const Run& b) { return a.parent < b.parent; });
  merge_equal_designs();
}

}  // namespace rapport
