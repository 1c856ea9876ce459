#include "group_layout.hpp"

#include "row_family.hpp"
#include <algorithm>
#include <numeric>

namespace rapport::detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Do two rows have the same predictors (and, if they count, responses)?
class SameRow {
 public:
  SameRow(const SortedDesign& design, const SortedResponse& response)
      : design_(design), nominal_(response.nominal) {
    if (!averages_rows(response)) response_ = &response.response;
  }
  bool operator()(Index a, Index b) const {
    for (Index j = 0; j < design_.fixed.cols(); ++j) {
      if (design_.fixed(a, j) != design_.fixed(b, j)) return false;
    }
    for (Index j = 0; j < nominal_.cols(); ++j) {
      if (nominal_(a, j) != nominal_(b, j)) return false;
    }
    for (const RandomTerm& term : design_.random) {
      for (Index j = 0; j < term.columns.cols(); ++j) {
        if (term.columns(a, j) != term.columns(b, j)) return false;
      }
    }
    return design_.offset[a] == design_.offset[b] &&
           (response_ == nullptr || (*response_)[a] == (*response_)[b]);
  }

 private:
  const SortedDesign& design_;
  const Eigen::MatrixXd& nominal_;
  const Eigen::VectorXd* response_ = nullptr;
};

}  // namespace

BlockLayout::BlockLayout(const SortedDesign& design, const SortedResponse& response, bool merge) {
  constexpr Index memory = 16;  // distinct rows that a row is compared with
  const Index groups = design.n_blocks();
  // For each row its number among the distinct rows of its group.
  std::vector<Index> number(at(design.n()));
  std::vector<Index> distinct(at(groups));
  const SameRow same(design, response);
  std::vector<Index> kept;
  for (Index g = 0; g < groups; ++g) {
    kept.clear();
    for (Index i = design.starts[at(g)]; i < design.starts[at(g) + 1]; ++i) {
      const auto n = static_cast<Index>(kept.size());
      Index k = n;
      if (merge) {
        for (k = n; k-- > std::max<Index>(0, n - memory);) {
          if (same(kept[at(k)], i)) break;
        }
        if (k < std::max<Index>(0, n - memory)) k = n;
      }
      if (k == n) kept.push_back(i);
      number[at(i)] = k;
    }
    distinct[at(g)] = static_cast<Index>(kept.size());
  }
  group.resize(at((groups + group_lanes - 1) / group_lanes * group_lanes), -1);
  std::iota(group.begin(), group.begin() + groups, Index{0});
  std::stable_sort(group.begin(), group.begin() + groups,
                   [&](Index a, Index b) { return distinct[at(a)] > distinct[at(b)]; });
  place.resize(at(design.n()));
  for (std::size_t lane = 0; lane < group.size(); ++lane) {
    if (lane % group_lanes == 0) {
      first.push_back(size());
      rows.push_back(distinct[at(group[lane])]);
      row_of.resize(row_of.size() + at(group_lanes * rows.back()), -1);
    }
    if (group[lane] < 0) continue;
    const Index start = first.back() + static_cast<Index>(lane % group_lanes);
    for (Index i = design.starts[at(group[lane])]; i < design.starts[at(group[lane]) + 1]; ++i) {
      place[at(i)] = start + group_lanes * number[at(i)];
      row_of[at(place[at(i)])] = i;
    }
  }
}

}  // namespace rapport::detail
