#include <rapport/mixed/location_scale.hpp>

#include <Eigen/Cholesky>

#include <cmath>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// b = a u + Lε of one term: its share with the scale effect u, and a root of what remains.
struct TermDraw {
  VectorXd share;
  MatrixXd root;
};

TermDraw draw_of(const RandomEffects& random, const VectorXd& correlation) {
  TermDraw draw{.share = VectorXd::Zero(random.sd.size()), .root = {}};
  if (correlation.size() == random.sd.size() && correlation.allFinite())
    draw.share = correlation.cwiseProduct(random.sd);
  const Eigen::LDLT<MatrixXd> ldlt(random.covariance - draw.share * draw.share.transpose());
  const VectorXd d = ldlt.vectorD().cwiseMax(0).cwiseSqrt();
  draw.root = ldlt.transpositionsP().transpose() * (MatrixXd(ldlt.matrixL()) * d.asDiagonal());
  return draw;
}

VectorXd normals(RandomStream& stream, Index n) {
  VectorXd draws(n);
  for (double& draw : draws) draw = stream.normal();
  return draws;
}

}  // namespace

MatrixXd simulate_responses(const Design& design, const ScaleModel& scale,
                            const LocationScaleFit& fit, Seed seed, Index replicates) {
  const Index n = design.response.size();
  const auto levels = static_cast<Index>(scale.levels.size());
  VectorXd mean = design.fixed(Eigen::all, fit.fit.fixed.columns) * fit.fit.fixed.estimate;
  if (design.offset.size() > 0) mean += design.offset;
  VectorXd log_sd = VectorXd::Constant(n, 0.5 * fit.scale.front().estimate);
  for (std::size_t k = 1; k < fit.scale.size(); ++k)
    log_sd += 0.5 * fit.scale[k].estimate * scale.effects.columns.col(static_cast<Index>(k) - 1);
  if (design.weights.size() > 0) log_sd.array() -= 0.5 * design.weights.array().log();
  std::vector<TermDraw> terms;
  for (const RandomEffects& random : fit.fit.random)
    terms.push_back(draw_of(random, fit.correlation));
  MatrixXd responses(n, replicates);
  for (Index r = 0; r < replicates; ++r) {
    RandomStream stream(seed, static_cast<std::uint64_t>(r));
    const VectorXd u = normals(stream, levels);
    VectorXd y = mean;
    for (std::size_t t = 0; t < terms.size(); ++t) {
      const RandomTerm& term = design.random[t];
      const Index q = term.columns.cols();
      std::vector<Index> scale_level(term.levels.size(), 0);
      for (std::size_t i = 0; i < term.group.size(); ++i)
        scale_level[static_cast<std::size_t>(term.group[i])] = scale.group[i];
      MatrixXd effects(q, levels);
      for (Index g = 0; g < levels; ++g)
        effects.col(g) = u[scale_level[static_cast<std::size_t>(g)]] * terms[t].share +
                         terms[t].root * normals(stream, q);
      for (Index i = 0; i < n; ++i)
        y[i] += term.columns.row(i).dot(effects.col(term.group[static_cast<std::size_t>(i)]));
    }
    for (Index i = 0; i < n; ++i)
      y[i] +=
          stream.normal() *
          std::exp(log_sd[i] + 0.5 * fit.scale_sd * u[scale.group[static_cast<std::size_t>(i)]]);
    responses.col(r) = y;
  }
  return responses;
}

}  // namespace rapport
