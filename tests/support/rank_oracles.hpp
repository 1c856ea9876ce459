#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/random.hpp>
#include <rapport/correlate/pair_counts.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

/// Definitions at full length, and peers' values, for the tests of rank statistics.
namespace rapport::oracle {

inline double sign(double value) { return value > 0 ? 1 : (value < 0 ? -1 : 0); }

/// Every pair looked at.
inline PairCounts pairs_by_definition(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
  PairCounts counts;
  for (Index i = 0; i < x.size(); ++i)
    for (Index j = 0; j < i; ++j) {
      const double a = sign(x[i] - x[j]);
      const double b = sign(y[i] - y[j]);
      if (a == 0 && b == 0) ++counts.tied_both;
      if (a == 0 && b != 0) ++counts.tied_x;
      if (a != 0 && b == 0) ++counts.tied_y;
      if (a * b > 0) ++counts.concordant;
      if (a * b < 0) ++counts.discordant;
    }
  return counts;
}

/// Mid-rank of each value: those below it, half of those equal to it, and a half.
inline Eigen::VectorXd midranks_by_definition(const Eigen::VectorXd& x) {
  Eigen::VectorXd ranks(x.size());
  for (Index i = 0; i < x.size(); ++i) {
    double rank = 0.5;
    for (const double other : x) rank += other < x[i] ? 1.0 : (other == x[i] ? 0.5 : 0.0);
    ranks[i] = rank;
  }
  return ranks;
}

struct Tails {
  double less = 0;
  double greater = 0;
  double two_sided = 0;
};

/// Tail probabilities over all n! orders of y; `statistic` has null mean 0.
template <class Statistic>
Tails enumerate(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const Statistic& statistic) {
  std::vector<Index> order(static_cast<std::size_t>(y.size()));
  std::iota(order.begin(), order.end(), Index{0});
  const double observed = statistic(x, y);
  const double slack = 1e-9 * std::max(1.0, std::abs(observed));
  Tails tails;
  double all = 0;
  Eigen::VectorXd shuffled(y.size());
  do {
    for (Index i = 0; i < y.size(); ++i) shuffled[i] = y[order[static_cast<std::size_t>(i)]];
    const double t = statistic(x, shuffled);
    tails.less += t <= observed + slack ? 1 : 0;
    tails.greater += t >= observed - slack ? 1 : 0;
    tails.two_sided += std::abs(t) >= std::abs(observed) - slack ? 1 : 0;
    all += 1;
  } while (std::ranges::next_permutation(order).found);
  return {.less = tails.less / all, .greater = tails.greater / all, .two_sided = tails.two_sided / all};
}

/// n values: of `levels` whole numbers, or continuous for 0.
inline Eigen::VectorXd random_values(RandomStream& stream, Index n, Index levels) {
  Eigen::VectorXd x(n);
  for (double& value : x) value = levels == 0 ? stream.normal() : static_cast<double>(stream.below(levels));
  return x;
}

/// A file of quantity,value lines.
inline std::map<std::string, double> peer_values(const std::string& file) {
  std::ifstream in(std::string(RAPPORT_TEST_DATA) + "/correlate/" + file);
  std::map<std::string, double> values;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    const std::size_t comma = line.rfind(',');
    values[line.substr(0, comma)] = std::stod(line.substr(comma + 1));
  }
  return values;
}

/// A column of simulated.csv; `group` as 0 for a and 1 for b, missing cells as NaN.
inline Eigen::VectorXd simulated_column(const std::string& name) {
  std::ifstream in(std::string(RAPPORT_TEST_DATA) + "/correlate/simulated.csv");
  const auto cells = [](const std::string& line) {
    std::vector<std::string> parts(1);
    for (const char c : line) {
      if (c == ',') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    return parts;
  };
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> header = cells(line);
  const auto place = static_cast<std::size_t>(std::ranges::find(header, name) - header.begin());
  std::vector<double> values;
  while (std::getline(in, line)) {
    const std::string cell = cells(line).at(place);
    values.push_back(cell.empty() ? std::nan("") : (cell == "a" ? 0.0 : (cell == "b" ? 1.0 : std::stod(cell))));
  }
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
}

}  // namespace rapport::oracle
