#include "distinct_terms.hpp"

#include <rapport/base/error.hpp>

#include <vector>

namespace rapport::detail {
namespace {

/// True if the rows of each level of `a` are the rows of one level of `b`, and the other way round.
bool same_groups(const RandomTerm& a, const RandomTerm& b) {
  if (a.levels.size() != b.levels.size()) return false;
  constexpr std::int32_t unseen = -1;
  std::vector<std::int32_t> partner(a.levels.size(), unseen);
  for (std::size_t i = 0; i < a.group.size(); ++i) {
    std::int32_t& level = partner[static_cast<std::size_t>(a.group[i])];
    if (level == unseen) level = b.group[i];
    if (level != b.group[i]) return false;
  }
  return true;  // as many levels on both sides, so that none of b's is met twice
}

[[noreturn]] void refuse(const RandomTerm& a, const RandomTerm& b, const std::string& effect,
                         const std::string& caller) {
  const std::string who =
      a.factor == b.factor ? "two random terms give " + a.factor
                           : a.factor + " and " + b.factor + " group the rows alike, and both have";
  throw DataError(caller + ": " + who + " the effect " + effect +
                  ", so that its variances cannot be told apart; leave one of them out");
}

}  // namespace

void require_distinct_terms(const Design& design, const std::string& caller) {
  for (std::size_t s = 0; s < design.random.size(); ++s)
    for (std::size_t t = s + 1; t < design.random.size(); ++t) {
      const RandomTerm& a = design.random[s];
      const RandomTerm& b = design.random[t];
      if (!same_groups(a, b)) continue;
      for (Index j = 0; j < a.columns.cols(); ++j)
        for (Index k = 0; k < b.columns.cols(); ++k)
          if (a.columns.col(j) == b.columns.col(k))
            refuse(a, b, a.terms[static_cast<std::size_t>(j)], caller);
    }
}

}  // namespace rapport::detail
