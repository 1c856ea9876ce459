#include "integral.hpp"

#include <algorithm>
#include <numeric>

namespace rapport::detail {

SortedDesign::SortedDesign(const Design& design, const Eigen::MatrixXd& columns) {
  const Index n = design.response.size();
  const RandomTerm* finest = nullptr;
  for (const RandomTerm& term : design.random) {
    if (finest == nullptr || term.levels.size() > finest->levels.size()) finest = &term;
  }
  order.resize(static_cast<std::size_t>(n));
  if (finest == nullptr) {
    std::iota(order.begin(), order.end(), Index{0});
    starts = {0};
  } else {
    starts.assign(finest->levels.size() + 1, 0);
    for (const std::int32_t g : finest->group) ++starts[static_cast<std::size_t>(g) + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<Index> next(starts.begin(), starts.end() - 1);
    for (Index i = 0; i < n; ++i) {
      const auto g = static_cast<std::size_t>(finest->group[static_cast<std::size_t>(i)]);
      order[static_cast<std::size_t>(next[g]++)] = i;
    }
  }
  fixed = columns(order, Eigen::all);
  offset = design.offset.size() == 0 ? Eigen::VectorXd::Zero(n).eval()
                                     : Eigen::VectorXd(design.offset(order));
  random = design.random;
  for (std::size_t t = 0; t < random.size(); ++t) {
    inner.push_back(random[t].factor == finest->factor);
    random[t].columns = Eigen::MatrixXd(design.random[t].columns(order, Eigen::all));
    for (std::size_t k = 0; k < order.size(); ++k) {
      random[t].group[k] = design.random[t].group[static_cast<std::size_t>(order[k])];
    }
  }
}

}  // namespace rapport::detail
