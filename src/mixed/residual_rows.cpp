#include "residual_rows.hpp"

#include <algorithm>
#include <numeric>

namespace rapport::detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

bool holds_groups(const RandomTerm& term, const std::vector<std::int32_t>& group) {
  std::vector<std::int32_t> level_of;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto g = static_cast<std::size_t>(group[i]);
    if (g >= level_of.size()) level_of.resize(g + 1, -1);
    if (level_of[g] < 0) level_of[g] = term.group[i];
    if (level_of[g] != term.group[i]) return false;
  }
  return true;
}

SortedRows sort_rows(const Design& design, const std::vector<std::int32_t>& given,
                     const Eigen::VectorXd& time) {
  const Index n = design.response.size();
  std::vector<std::int32_t> single;
  if (given.empty()) {
    single.resize(at(n));
    std::iota(single.begin(), single.end(), 0);
  }
  const std::vector<std::int32_t>& group = given.empty() ? single : given;
  const RandomTerm* finest = nullptr;
  for (const RandomTerm& term : design.random) {
    const bool finer = finest == nullptr || term.levels.size() > finest->levels.size();
    if (finer && (given.empty() || holds_groups(term, group))) finest = &term;
  }
  const std::vector<std::int32_t>& block = finest == nullptr ? group : finest->group;
  const auto before = [&](Index a, Index b) {
    if (block[at(a)] != block[at(b)]) return block[at(a)] < block[at(b)];
    if (group[at(a)] != group[at(b)]) return group[at(a)] < group[at(b)];
    return time.size() > 0 && time[a] < time[b];
  };
  SortedRows rows;
  rows.order.resize(at(n));
  std::iota(rows.order.begin(), rows.order.end(), Index{0});
  if (!std::is_sorted(rows.order.begin(), rows.order.end(), before))
    std::stable_sort(rows.order.begin(), rows.order.end(), before);
  rows.time.resize(n);
  for (Index k = 0; k < n; ++k) {
    const auto row = at(rows.order[at(k)]);
    const auto last = k == 0 ? row : at(rows.order[at(k - 1)]);
    if (k == 0 || block[row] != block[last]) {
      rows.block_starts.push_back(k);
      rows.first_group.push_back(static_cast<Index>(rows.group_starts.size()));
    }
    if (k == 0 || group[row] != group[last]) rows.group_starts.push_back(k);
    rows.time[k] = time.size() > 0 ? time[static_cast<Index>(row)]
                                   : static_cast<double>(k - rows.group_starts.back());
  }
  rows.block_starts.push_back(n);
  rows.first_group.push_back(static_cast<Index>(rows.group_starts.size()));
  rows.group_starts.push_back(n);
  for (const RandomTerm& term : design.random)
    rows.inner.push_back(finest != nullptr && term.factor == finest->factor);
  return rows;
}

}  // namespace rapport::detail
