#include "loadings.hpp"

#include <cmath>

namespace rapport::detail {

EffectPositions::EffectPositions(const Design& design) {
  for (const RandomTerm& term : design.random) {
    first.push_back(size);
    width.push_back(term.columns.cols());
    size += static_cast<Index>(term.levels.size()) * term.columns.cols();
  }
}

Eigen::SparseMatrix<double> random_loadings(const Design& design, const EffectPositions& positions,
                                            const std::vector<Eigen::MatrixXd>& factors,
                                            const Eigen::VectorXd& weights) {
  std::vector<Eigen::Triplet<double>> entries;
  for (std::size_t k = 0; k < design.random.size(); ++k) {
    const RandomTerm& term = design.random[k];
    const Eigen::MatrixXd scaled = term.columns * factors[k];
    for (Index i = 0; i < scaled.rows(); ++i) {
      const double root = weights.size() > 0 ? std::sqrt(weights[i]) : 1;
      const Index first = positions.of(k, term.group[static_cast<std::size_t>(i)]);
      for (Index j = 0; j < scaled.cols(); ++j)
        entries.emplace_back(i, first + j, root * scaled(i, j));
    }
  }
  Eigen::SparseMatrix<double> matrix(design.fixed.rows(), positions.size);
  matrix.setFromTriplets(entries.begin(), entries.end());
  return matrix;
}

}  // namespace rapport::detail
