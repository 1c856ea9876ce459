#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/incomplete_normal.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

namespace rapport {
namespace {

/// Where the parameters stand. Variables are ordered x₁ y₁ x₂ y₂ …; each (co)variance block is (xx,
/// xy, yy).
struct Layout {
  Index waves;
  bool equal;

  [[nodiscard]] Index dimension() const { return 2 * waves; }
  [[nodiscard]] Index intercepts() const { return dimension(); }
  [[nodiscard]] Index within(Index wave) const { return dimension() + 3 + 3 * wave; }
  /// The effect of variable `from` on variable `to` at `wave` ≥ 1.
  [[nodiscard]] Index effect(Index wave, Index to, Index from) const {
    return dimension() + 3 + 3 * waves + (equal ? 0 : 4 * (wave - 1)) + 2 * to + from;
  }
  [[nodiscard]] Index size() const {
    return dimension() + 3 + 3 * waves + (equal ? 4 : 4 * (waves - 1));
  }
};

/// One entry of the matrices Ψ (within-person (co)variances) or B (lagged effects), and the
/// parameter it holds.
struct Entry {
  Index parameter;
  Index row;
  Index column;
};

/// Σ = J Φ J' + K Ψ K' with K = (I − B)⁻¹: Φ the random intercepts, Ψ the within-person (residual)
/// covariances.
struct Structure {
  Eigen::VectorXd mean;
  Eigen::MatrixXd carry;   ///< K
  Eigen::MatrixXd within;  ///< V = K Ψ K'
  Eigen::MatrixXd sigma;
};

class Model {
 public:
  explicit Model(Layout layout) : layout_(layout) {
    for (Index t = 0; t < layout.waves; ++t) {
      covariances_.push_back({layout.within(t), 2 * t, 2 * t});
      covariances_.push_back({layout.within(t) + 1, 2 * t + 1, 2 * t});
      covariances_.push_back({layout.within(t) + 2, 2 * t + 1, 2 * t + 1});
      for (Index to = 0; to < 2 && t > 0; ++to)
        for (Index from = 0; from < 2; ++from)
          effects_.push_back({layout.effect(t, to, from), 2 * t + to, 2 * (t - 1) + from});
    }
  }

  [[nodiscard]] Structure structure(const Eigen::VectorXd& theta) const {
    const Index d = layout_.dimension();
    Structure s;
    s.mean = theta.head(d);
    Eigen::MatrixXd psi = Eigen::MatrixXd::Zero(d, d);
    for (const Entry& e : covariances_)
      psi(e.row, e.column) = psi(e.column, e.row) = theta[e.parameter];
    Eigen::MatrixXd b = Eigen::MatrixXd::Zero(d, d);
    for (const Entry& e : effects_) b(e.row, e.column) = theta[e.parameter];
    s.carry = (Eigen::MatrixXd::Identity(d, d) - b)
                  .triangularView<Eigen::UnitLower>()
                  .solve(Eigen::MatrixXd::Identity(d, d));
    s.within = s.carry * psi * s.carry.transpose();
    s.sigma = s.within;
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) s.sigma(i, j) += theta[layout_.intercepts() + i % 2 + j % 2];
    return s;
  }

  /// −log L with gradient and Hessian in the parameters.
  void operator()(const IncompleteNormal& sample, const Eigen::VectorXd& theta,
                  Derivatives& out) const {
    const Structure s = structure(theta);
    const IncompleteNormal::Derivatives at = sample.derivatives(s.mean, s.sigma);
    out.value = -at.value;
    if (!std::isfinite(at.value)) return;
    const Index d = layout_.dimension();
    const Index moments = d + d * (d + 1) / 2;
    Eigen::MatrixXd jacobian = Eigen::MatrixXd::Zero(moments, layout_.size());
    jacobian.topLeftCorner(d, d).setIdentity();
    const auto add = [&](Index parameter, const Eigen::MatrixXd& change) {
      jacobian.col(parameter).tail(moments - d) += lower_triangle(change);
    };
    for (Index k = 0; k < 3; ++k) add(layout_.intercepts() + k, intercept_change(k));
    for (const Entry& e : covariances_) add(e.parameter, covariance_change(s, e));
    for (const Entry& e : effects_) {
      const Eigen::MatrixXd half = s.carry.col(e.row) * s.within.row(e.column);
      add(e.parameter, half + half.transpose());
    }
    Eigen::MatrixXd doubled =
        2 * at.covariance;  // an off-diagonal element stands twice in the matrix
    doubled.diagonal() = at.covariance.diagonal();
    Eigen::VectorXd in_moments(moments);
    in_moments << at.mean, lower_triangle(doubled);
    out.gradient = -jacobian.transpose() * in_moments;
    out.hessian = -jacobian.transpose() * at.hessian * jacobian;
    add_curvature(s, at.covariance, out.hessian);
  }

 private:
  [[nodiscard]] Eigen::MatrixXd intercept_change(Index which) const {
    const Index d = layout_.dimension();
    Eigen::MatrixXd change(d, d);
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) change(i, j) = i % 2 + j % 2 == which ? 1 : 0;
    return change;
  }

  [[nodiscard]] static Eigen::MatrixXd covariance_change(const Structure& s, const Entry& e) {
    const Eigen::MatrixXd half = s.carry.col(e.row) * s.carry.col(e.column).transpose();
    return e.row == e.column ? half : Eigen::MatrixXd(half + half.transpose());
  }

  /// The second derivatives of Σ itself, tr(G ∂²Σ), which only the lagged effects have. With A =
  /// K'GK and M = K'GV: in B_ij and Ψ_kl, 2h(A_ik K_jl + A_il K_jk), h = ½ on the diagonal; in B_ij
  /// and B_kl, 2(K_li M_kj + K_jk M_il + V_jl A_ik).
  void add_curvature(const Structure& s, const Eigen::MatrixXd& g, Eigen::MatrixXd& hessian) const {
    const Eigen::MatrixXd& k = s.carry;
    const Eigen::MatrixXd a = k.transpose() * g * k;
    const Eigen::MatrixXd m = k.transpose() * g * s.within;
    for (const Entry& b : effects_) {
      for (const Entry& p : covariances_) {
        const double half = p.row == p.column ? 0.5 : 1;
        const double second =
            2 * half *
            (a(b.row, p.row) * k(b.column, p.column) + a(b.row, p.column) * k(b.column, p.row));
        hessian(b.parameter, p.parameter) -= second;
        hessian(p.parameter, b.parameter) -= second;
      }
      for (const Entry& c : effects_)
        hessian(b.parameter, c.parameter) -=
            2 * (k(c.column, b.row) * m(c.row, b.column) + k(b.column, c.row) * m(b.row, c.column) +
                 s.within(b.column, c.column) * a(b.row, c.row));
    }
  }

  Layout layout_;
  std::vector<Entry> covariances_;
  std::vector<Entry> effects_;
};

/// A covariance block that is surely positive definite: the correlation is cut at ±0.8.
void set_block(Eigen::VectorXd& theta, Index at, double xx, double xy, double yy) {
  const double limit = 0.8 * std::sqrt(xx * yy);
  theta[at] = xx;
  theta[at + 1] = std::clamp(xy, -limit, limit);
  theta[at + 2] = yy;
}

/// Start of the search in standardised variables, from the unrestricted moments: what is shared by
/// waves that are not neighbours belongs to the random intercepts.
Eigen::VectorXd start_values(const Layout& layout, const IncompleteNormal::Saturated& moments) {
  Eigen::VectorXd theta = Eigen::VectorXd::Zero(layout.size());
  theta.head(layout.dimension()) = moments.mean;
  double shared[2][2] = {{0, 0}, {0, 0}};
  Index count = 0;
  for (Index t = 0; t < layout.waves; ++t)
    for (Index u = 0; u + 1 < t; ++u, ++count)
      for (Index v = 0; v < 2; ++v)
        for (Index w = 0; w < 2; ++w) shared[v][w] += moments.covariance(2 * t + v, 2 * u + w);
  const auto part = [&](Index v, Index w) { return shared[v][w] / static_cast<double>(count); };
  const auto bounded = [](double value) { return std::clamp(value, 0.1, 0.7); };
  set_block(theta, layout.intercepts(), bounded(part(0, 0)), (part(0, 1) + part(1, 0)) / 2,
            bounded(part(1, 1)));
  for (Index t = 0; t < layout.waves; ++t) {
    const auto rest = [&](Index v) {
      return std::max(
          0.1, moments.covariance(2 * t + v, 2 * t + v) - theta[layout.intercepts() + 2 * v]);
    };
    set_block(theta, layout.within(t), rest(0),
              moments.covariance(2 * t, 2 * t + 1) - theta[layout.intercepts() + 1], rest(1));
  }
  for (Index t = 1; t < layout.waves; ++t)
    for (Index v = 0; v < 2; ++v) theta[layout.effect(t, v, v)] = 0.3;
  return theta;
}

/// The data with x and y each in units of its standard deviation, columns x₁ y₁ x₂ y₂ ….
struct Standardised {
  Eigen::MatrixXd data;
  double scale[2];
  double centre[2];
};

Standardised standardise(const MatrixView& x, const MatrixView& y) {
  Standardised result{.data = Eigen::MatrixXd(x.rows(), 2 * x.cols()), .scale = {}, .centre = {}};
  for (Index v = 0; v < 2; ++v) {
    const Eigen::MatrixXd values = v == 0 ? x : y;
    const Moments all = moments(Eigen::VectorXd(values.reshaped()));
    if (!(all.sd > 0))
      throw DataError(std::string("cross-lagged model: ") + (v == 0 ? "x" : "y") +
                      " has no variance");
    result.scale[v] = all.sd;
    result.centre[v] = all.mean;
    for (Index t = 0; t < values.cols(); ++t) {
      result.data.col(2 * t + v) = ((values.col(t).array() - all.mean) / all.sd).matrix();
      if (result.data.col(2 * t + v).array().isNaN().all())
        throw DataError(std::string("cross-lagged model: ") + (v == 0 ? "x" : "y") +
                        " has no value at wave " + std::to_string(t + 1) + "; choose other waves");
    }
  }
  return result;
}

/// What a parameter in standardised variables is multiplied by to have the data's own units.
Eigen::VectorXd unit_of(const Layout& layout, const double (&scale)[2]) {
  Eigen::VectorXd unit(layout.size());
  for (Index i = 0; i < layout.dimension(); ++i) unit[i] = scale[i % 2];
  const auto block = [&](Index at) {
    unit[at] = scale[0] * scale[0];
    unit[at + 1] = scale[0] * scale[1];
    unit[at + 2] = scale[1] * scale[1];
  };
  block(layout.intercepts());
  for (Index t = 0; t < layout.waves; ++t) block(layout.within(t));
  for (Index t = 1; t < layout.waves; ++t)
    for (Index to = 0; to < 2; ++to)
      for (Index from = 0; from < 2; ++from)
        unit[layout.effect(t, to, from)] = scale[to] / scale[from];
  return unit;
}

std::vector<LaggedEffect> effects_of(const Layout& layout, const Eigen::VectorXd& theta,
                                     const Eigen::VectorXd& errors,
                                     const Eigen::VectorXd& within_sd, double level) {
  std::vector<LaggedEffect> effects;
  for (Index t = 1; t < layout.waves; ++t)
    for (Index to = 0; to < 2; ++to)
      for (Index from = 0; from < 2; ++from) {
        const Index at = layout.effect(t, to, from);
        const double z = theta[at] / errors[at];
        const Index cause = 2 * (t - 1) + from;
        const Index outcome = 2 * t + to;
        effects.push_back({.from_x = from == 0,
                           .to_x = to == 0,
                           .wave = t + 1,
                           .estimate = theta[at],
                           .standard_error = errors[at],
                           .statistic = z,
                           .p_value = normal_p_value(z),
                           .ci = normal_interval(theta[at], errors[at], level),
                           .standardized = theta[at] * within_sd[cause] / within_sd[outcome]});
      }
  return effects;
}

/// Root mean square of the standardised residuals of means and covariances, as with means in
/// Bentler (1995).
double standardized_residual(const IncompleteNormal::Saturated& observed,
                             const Structure& implied) {
  const Eigen::VectorXd sd = observed.covariance.diagonal().cwiseSqrt();
  double squares = ((observed.mean - implied.mean).cwiseQuotient(sd)).squaredNorm();
  const Index d = sd.size();
  for (Index j = 0; j < d; ++j)
    for (Index i = j; i < d; ++i)
      squares += std::pow((observed.covariance(i, j) - implied.sigma(i, j)) / (sd[i] * sd[j]), 2);
  return std::sqrt(squares / static_cast<double>(d + d * (d + 1) / 2));
}

void add_fit_indices(const IncompleteNormal& sample, double unit_shift, const Structure& structure,
                     CrossLaggedFit& fit) {
  const IncompleteNormal::Saturated baseline = sample.independent();
  const Index d = sample.dimension();
  const auto n = static_cast<double>(sample.rows());
  fit.baseline_log_likelihood = baseline.log_likelihood + unit_shift;
  fit.aic = -2 * fit.log_likelihood + 2 * static_cast<double>(fit.parameters);
  fit.bic = -2 * fit.log_likelihood + std::log(n) * static_cast<double>(fit.parameters);
  fit.chi_square.df = static_cast<double>(d + d * (d + 1) / 2 - fit.parameters);
  const bool identified = sample.pairs().minCoeff() > 0 && sample.rows() > d;
  if (!identified) {
    fit.unrestricted_log_likelihood = fit.cfi = fit.tli = fit.rmsea = fit.srmr = missing;
    fit.chi_square.statistic = fit.chi_square.p_value = missing;
    return;
  }
  const IncompleteNormal::Saturated saturated = sample.saturated();
  fit.unrestricted_log_likelihood = saturated.log_likelihood + unit_shift;
  const double df = fit.chi_square.df;
  const double chi = 2 * (fit.unrestricted_log_likelihood - fit.log_likelihood);
  const auto baseline_df = static_cast<double>(d * (d - 1) / 2);
  const double baseline_chi = 2 * (fit.unrestricted_log_likelihood - fit.baseline_log_likelihood);
  fit.chi_square.statistic = chi;
  fit.chi_square.p_value = chi_squared_upper_tail(chi, df);
  const double excess = std::max(chi - df, 0.0);
  fit.cfi = 1 - excess / std::max({excess, baseline_chi - baseline_df, 0.0});
  fit.tli = (baseline_chi / baseline_df - chi / df) / (baseline_chi / baseline_df - 1);
  fit.rmsea = std::sqrt(excess / (df * n));
  fit.srmr = standardized_residual(saturated, structure);
}

double correlation_of(double xx, double xy, double yy) {
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : missing;
}

bool is_proper(double xx, double xy, double yy) { return xx > 0 && yy > 0 && xy * xy < xx * yy; }

}  // namespace

CrossLaggedFit random_intercept_cross_lagged(const MatrixView& x, const MatrixView& y,
                                             const CrossLaggedOptions& options) {
  constexpr const char* name = "random_intercept_cross_lagged";
  require_level(name, "confidence_level", options.confidence_level);
  require_same_size(name, "x", x.rows(), "y", y.rows());
  require_same_size(name, "x", x.cols(), "y", y.cols());
  require_at_least(name, "waves", x.cols(), 3);
  const Standardised standardised = standardise(x, y);
  const IncompleteNormal sample(standardised.data);
  const Layout layout{.waves = x.cols(), .equal = options.equal_over_time};
  const Model model(layout);
  // A few steps towards the unrestricted moments are enough to start from; the independent ones
  // always exist.
  const IncompleteNormal::Saturated start =
      sample.pairs().minCoeff() > 0 ? sample.approximate() : sample.independent();
  const Optimum optimum = minimize_newton(
      [&](const Eigen::VectorXd& theta, Derivatives& out) { model(sample, theta, out); },
      start_values(layout, start));

  const Structure structure = model.structure(optimum.argument);
  const Eigen::VectorXd unit = unit_of(layout, standardised.scale);
  Eigen::VectorXd theta = optimum.argument.cwiseProduct(unit);
  for (Index i = 0; i < layout.dimension(); ++i) theta[i] += standardised.centre[i % 2];
  const Eigen::LDLT<Eigen::MatrixXd> information(optimum.hessian);
  const Eigen::MatrixXd covariance =
      information.solve(Eigen::MatrixXd::Identity(layout.size(), layout.size()));
  const bool usable = information.info() == Eigen::Success && information.isPositive();
  const Eigen::VectorXd errors =
      covariance.diagonal()
          .unaryExpr([&](double v) { return usable && v > 0 ? std::sqrt(v) : missing; })
          .cwiseProduct(unit);

  CrossLaggedFit fit{};
  const Index r = layout.intercepts();
  const Eigen::VectorXd within_sd =
      structure.within.diagonal().cwiseSqrt().cwiseProduct(unit.head(layout.dimension()));
  fit.effects = effects_of(layout, theta, errors, within_sd, options.confidence_level);
  fit.x_variance = theta[r];
  fit.covariance = theta[r + 1];
  fit.y_variance = theta[r + 2];
  fit.correlation = correlation_of(theta[r], theta[r + 1], theta[r + 2]);
  fit.intercept_standard_errors = Eigen::VectorXd{{errors[r], errors[r + 2], errors[r + 1]}};
  fit.proper = is_proper(theta[r], theta[r + 1], theta[r + 2]);
  fit.x_means.resize(layout.waves);
  fit.y_means.resize(layout.waves);
  for (Index t = 0; t < layout.waves; ++t) {
    const Index at = layout.within(t);
    fit.within_covariances.push_back(
        {.wave = t + 1,
         .estimate = theta[at + 1],
         .correlation = correlation_of(theta[at], theta[at + 1], theta[at + 2])});
    fit.proper = fit.proper && is_proper(theta[at], theta[at + 1], theta[at + 2]);
    fit.x_means[t] = theta[2 * t];
    fit.y_means[t] = theta[2 * t + 1];
  }
  fit.parameters = layout.size();
  fit.iterations = optimum.iterations;
  fit.converged = optimum.termination != Termination::iteration_limit && usable;
  fit.n_used = sample.rows();
  fit.n_omitted = x.rows() - sample.rows();
  // Densities are per unit: every value of v counts −log(scale of v).
  double unit_shift = 0;
  for (Index i = 0; i < layout.dimension(); ++i)
    unit_shift -= sample.pairs()(i, i) * std::log(standardised.scale[i % 2]);
  fit.log_likelihood = -optimum.value + unit_shift;
  add_fit_indices(sample, unit_shift, structure, fit);
  return fit;
}

Eigen::MatrixXd in_waves(const Panel& panel, const VectorView& x,
                         const std::vector<double>& sessions) {
  require_same_size("in_waves", "x", x.size(), "panel", panel.rows());
  std::unordered_map<double, Index> wave;
  for (const double session : sessions) wave.emplace(session, static_cast<Index>(wave.size()));
  Eigen::MatrixXd values =
      Eigen::MatrixXd::Constant(panel.patients(), static_cast<Index>(sessions.size()), missing);
  for (const Index row : panel.order) {
    const auto found = wave.find(panel.session[row]);
    if (found != wave.end())
      values(panel.patient.codes[static_cast<std::size_t>(row)], found->second) = x[row];
  }
  return values;
}

}  // namespace rapport
