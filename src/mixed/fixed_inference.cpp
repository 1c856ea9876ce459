#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/mixed/inference.hpp>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>

#include "model.hpp"
#include <cmath>
#include <limits>
#include <vector>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Rows that span those of L, uncorrelated in L β̂, with their variances; dependent rows are gone.
struct IndependentRows {
  MatrixXd rows;
  VectorXd variances;
};

IndependentRows independent_rows(const MatrixXd& contrasts, const MatrixXd& covariance) {
  constexpr double negligible = 1.5e-8;
  const Eigen::SelfAdjointEigenSolver<MatrixXd> solver(contrasts * covariance *
                                                       contrasts.transpose());
  const VectorXd& values = solver.eigenvalues();
  const double largest = values.size() == 0 ? 0 : values.maxCoeff();
  const Index rank = (values.array() > negligible * largest).count();
  return {solver.eigenvectors().rightCols(rank).transpose() * contrasts, values.tail(rank)};
}

/// Denominator df of a mean of independent squared t's (Fai & Cornelius 1996).
double pooled_df(const std::vector<double>& df) {
  constexpr double equal = 1e-8;
  bool all_equal = true;
  double expectation = 0;
  double mean = 0;
  for (const double value : df) {
    all_equal = all_equal && std::abs(value - df.front()) < equal;
    mean += value / static_cast<double>(df.size());
    if (!(value > 2)) expectation = infinity;
    expectation += value / (value - 2);
  }
  if (all_equal) return mean;
  if (!std::isfinite(expectation)) return 2;
  return 2 * expectation / (expectation - static_cast<double>(df.size()));
}

/// In the variances (σ², σ²ψ), in which V is linear; Q_ab = X' ∂V⁻¹ V ∂V⁻¹ X.
KenwardRogerAdjustment kenward_roger(const MixedModel::Data& data, const MixedFit& fit) {
  const Objective objective(*data.products, data.structure, fit.criterion.method,
                            data.observations);
  const ProfiledValue value = objective.value(fit.information.theta);
  const std::vector<MatrixXd> factors = data.structure.factors(fit.information.theta);
  const GramJet jet = data.products->jet(factors);
  const Index n = data.structure.n_parameters();
  const Index p = data.rank();
  std::vector<MatrixXd> covariances = factors;
  for (MatrixXd& covariance : covariances)
    covariance = (covariance * covariance.transpose()).eval();
  const VectorXd psi = data.structure.psi(covariances);
  const double sigma2 = value.sigma_squared;
  const MatrixXd s =
      (value.inverse_root * value.inverse_root.transpose()).llt().solve(MatrixXd::Identity(p, p));

  // A component of V is c₀ I + Σ c_k V_k in units of V: the identity is V − Σψ_kV_k.
  MatrixXd components = MatrixXd::Zero(n + 1, n + 1);
  components(0, 0) = 1;
  components.block(0, 1, 1, n) = -psi.transpose();
  components.bottomRightCorner(n, n).setIdentity();
  const auto first = [&](Index k) -> MatrixXd {
    return k == 0 ? s : MatrixXd(-jet.gram[at(k - 1)].topLeftCorner(p, p));
  };
  const auto second = [&](Index k, Index l) -> MatrixXd {
    if (k == 0) return first(l);
    if (l == 0) return first(k);
    return 0.5 * jet.second_gram[at((k - 1) * n + l - 1)].topLeftCorner(p, p);
  };
  MatrixXd traces(n + 1, n + 1);
  traces(0, 0) = static_cast<double>(data.observations);
  traces.block(1, 0, n, 1) = jet.log_determinant;
  traces.block(0, 1, 1, n) = jet.log_determinant.transpose();
  traces.bottomRightCorner(n, n) = -jet.second_log_determinant;
  traces = (components * traces * components.transpose() / (sigma2 * sigma2)).eval();

  KenwardRogerAdjustment result;
  result.phi = sigma2 * value.inverse_root * value.inverse_root.transpose();
  for (Index a = 0; a <= n; ++a) {
    MatrixXd sum = MatrixXd::Zero(p, p);
    for (Index k = 0; k <= n; ++k) sum -= components(a, k) * first(k);
    result.p.emplace_back(sum / (sigma2 * sigma2));
  }
  std::vector<MatrixXd> q(at((n + 1) * (n + 1)), MatrixXd::Zero(p, p));
  MatrixXd information(n + 1, n + 1);
  for (Index a = 0; a <= n; ++a)
    for (Index b = 0; b <= a; ++b) {
      MatrixXd& q_ab = q[at(a * (n + 1) + b)];
      for (Index k = 0; k <= n; ++k)
        for (Index l = 0; l <= n; ++l)
          if (components(a, k) != 0 && components(b, l) != 0)
            q_ab += components(a, k) * components(b, l) * second(k, l);
      q_ab /= sigma2 * sigma2 * sigma2;
      q[at(b * (n + 1) + a)] = q_ab;
      information(a, b) = 0.5 * (traces(a, b) - 2 * result.phi.cwiseProduct(q_ab).sum() +
                                 (result.phi * result.p[at(a)])
                                     .cwiseProduct((result.phi * result.p[at(b)]).transpose())
                                     .sum());
      information(b, a) = information(a, b);
    }
  result.w = information.ldlt().solve(MatrixXd::Identity(n + 1, n + 1));
  MatrixXd correction = MatrixXd::Zero(p, p);
  for (Index a = 0; a <= n; ++a)
    for (Index b = 0; b <= n; ++b)
      correction += result.w(a, b) *
                    (q[at(a * (n + 1) + b)] - result.p[at(a)] * result.phi * result.p[at(b)]);
  result.adjusted = result.phi + 2 * result.phi * correction * result.phi;
  result.adjusted = (0.5 * (result.adjusted + result.adjusted.transpose())).eval();
  return result;
}

/// Denominator df and the factor of F of Kenward & Roger (1997, section 3) for independent rows.
struct ScaledF {
  double df;
  double factor;
};

ScaledF kenward_roger_f(const KenwardRogerAdjustment& kr, const MatrixXd& rows) {
  const double l = static_cast<double>(rows.rows());
  const MatrixXd theta = rows.transpose() * (rows * kr.phi * rows.transpose()).ldlt().solve(rows);
  std::vector<MatrixXd> moved;
  for (const MatrixXd& p : kr.p) moved.emplace_back(theta * kr.phi * p * kr.phi);
  double a1 = 0;
  double a2 = 0;
  for (std::size_t a = 0; a < moved.size(); ++a)
    for (std::size_t b = 0; b < moved.size(); ++b) {
      const double w = kr.w(static_cast<Index>(a), static_cast<Index>(b));
      a1 += w * moved[a].trace() * moved[b].trace();
      a2 += w * moved[a].cwiseProduct(moved[b].transpose()).sum();
    }
  if (!(a2 > 1e-14)) return {infinity, 1};
  const double b = (a1 + 6 * a2) / (2 * l);
  const double g = ((l + 1) * a1 - (l + 4) * a2) / ((l + 2) * a2);
  const double d = 3 * l + 2 * (1 - g);
  const double v0 = 1 + g / d * b;
  const double v1 = 1 - (l - g) / d * b;
  const double v2 = 1 - (l + 2 - g) / d * b;
  const double ratio = std::abs(v1) < 1e-14 ? 1 : (1 - a2 / l) / v1;
  const double rho = ratio * ratio * v0 / (l * v2);
  const double df = 4 + (l + 2) / (l * rho - 1);
  // At df 2 the mean of F does not exist: 0/0, whose limit for an exact F is 1 (as in pbkrtest).
  return {df, std::abs(df - 2) < 1e-2 ? 1 : df * (1 - a2 / l) / (df - 2)};
}

}  // namespace

struct FixedInference::Derivatives {
  CovarianceInformation information;
  KenwardRogerAdjustment kenward_roger;  ///< in the user's units
};

std::optional<DegreesOfFreedom> parse_degrees_of_freedom(std::string_view text) {
  if (text == "satterthwaite") return DegreesOfFreedom::satterthwaite;
  if (text == "kenward-roger") return DegreesOfFreedom::kenward_roger;
  if (text == "residual") return DegreesOfFreedom::residual;
  if (text == "none") return DegreesOfFreedom::none;
  return std::nullopt;
}

FixedInference::FixedInference(const MixedModel& model, const MixedFit& fit,
                               DegreesOfFreedom method, double level)
    : method_(method),
      level_(level),
      residual_df_(fit.data.residual_df),
      estimate_(fit.fixed.estimate),
      covariance_(fit.fixed.covariance) {
  require_level("FixedInference", "level", level);
  auto derivatives = std::make_shared<Derivatives>();
  derivatives->information = fit.information;
  if (method == DegreesOfFreedom::kenward_roger) {
    if (fit.criterion.method != Criterion::reml)
      throw InvalidArgument(
          "FixedInference: `method` is Kenward-Roger, but the fit is by ML; it needs a REML fit");
    KenwardRogerAdjustment& kr = derivatives->kenward_roger;
    kr = rapport::kenward_roger(model.data(), fit);
    const MatrixXd to_user = model.data().fixed_transform / model.data().response_scale;
    const MatrixXd back =
        to_user.partialPivLu().solve(MatrixXd::Identity(to_user.rows(), to_user.rows()));
    kr.phi = (to_user * kr.phi * to_user.transpose()).eval();
    kr.adjusted = (to_user * kr.adjusted * to_user.transpose()).eval();
    for (MatrixXd& p : kr.p) p = (back.transpose() * p * back).eval();
    covariance_ = kr.adjusted;
  }
  derivatives_ = std::move(derivatives);
}

FixedInference::FixedInference(const MixedFit& fit, DegreesOfFreedom method, double level)
    : method_(method),
      level_(level),
      residual_df_(fit.data.residual_df),
      estimate_(fit.fixed.estimate),
      covariance_(fit.fixed.covariance) {
  require_level("FixedInference", "level", level);
  if (method == DegreesOfFreedom::kenward_roger)
    throw InvalidArgument(
        "FixedInference: `method` is Kenward-Roger, which needs its adjustment for this model; "
        "give that instead");
  auto derivatives = std::make_shared<Derivatives>();
  derivatives->information = fit.information;
  derivatives_ = std::move(derivatives);
}

FixedInference::FixedInference(const MixedFit& fit, KenwardRogerAdjustment adjustment, double level)
    : method_(DegreesOfFreedom::kenward_roger),
      level_(level),
      residual_df_(fit.data.residual_df),
      estimate_(fit.fixed.estimate),
      covariance_(adjustment.adjusted) {
  require_level("FixedInference", "level", level);
  auto derivatives = std::make_shared<Derivatives>();
  derivatives->kenward_roger = std::move(adjustment);
  derivatives_ = std::move(derivatives);
}

FixedInference::FixedInference(const FixedEffects& fixed, double level)
    : method_(DegreesOfFreedom::none),
      level_(level),
      residual_df_(infinity),
      estimate_(fixed.estimate),
      covariance_(fixed.covariance),
      derivatives_(std::make_shared<Derivatives>()) {
  require_level("FixedInference", "level", level);
}

double FixedInference::satterthwaite_df(const VectorXd& weights, double variance) const {
  const CovarianceInformation& information = derivatives_->information;
  VectorXd gradient(static_cast<Index>(information.fixed_gradient.size()));
  for (Index k = 0; k < gradient.size(); ++k)
    gradient[k] = weights.dot(information.fixed_gradient[at(k)] * weights);
  return 2 * variance * variance / gradient.dot(information.parameter_covariance * gradient);
}

ContrastEstimate FixedInference::contrast(const VectorView& weights, double null) const {
  require_same_size("FixedInference::contrast", "weights", weights.size(), "fixed effects",
                    estimate_.size());
  ContrastEstimate result;
  const double variance = weights.dot(covariance_ * weights);
  result.estimate = weights.dot(estimate_);
  result.standard_error = std::sqrt(variance);
  result.statistic = (result.estimate - null) / result.standard_error;
  switch (method_) {
    case DegreesOfFreedom::satterthwaite:
      result.df = satterthwaite_df(weights, variance);
      break;
    case DegreesOfFreedom::kenward_roger:
      result.df = kenward_roger_f(derivatives_->kenward_roger, weights.transpose()).df;
      break;
    case DegreesOfFreedom::residual:
      result.df = residual_df_;
      break;
    case DegreesOfFreedom::none:
      result.df = infinity;
      break;
  }
  result.p_value = students_t_p_value(result.statistic, result.df);
  result.ci = std::isfinite(result.df)
                  ? students_t_interval(result.estimate, result.standard_error, result.df, level_)
                  : normal_interval(result.estimate, result.standard_error, level_);
  return result;
}

ContrastTest FixedInference::test(const MatrixView& contrasts) const {
  if (contrasts.cols() != estimate_.size())
    throw InvalidArgument("FixedInference::test: `contrasts` has " +
                          std::to_string(contrasts.cols()) + " columns; one for each of the " +
                          std::to_string(estimate_.size()) + " fixed effects is required");
  ContrastTest result;
  if (contrasts.size() == 0) {
    result = {
        .statistic = missing, .numerator_df = 0, .denominator_df = missing, .p_value = missing};
    return result;
  }
  const IndependentRows independent = independent_rows(contrasts, covariance_);
  const Index rank = independent.rows.rows();
  const VectorXd estimates = independent.rows * estimate_;
  result.numerator_df = static_cast<double>(rank);
  result.statistic =
      (estimates.array().square() / independent.variances.array()).sum() / result.numerator_df;
  switch (method_) {
    case DegreesOfFreedom::satterthwaite: {
      std::vector<double> df;
      for (Index i = 0; i < rank; ++i)
        df.push_back(
            satterthwaite_df(independent.rows.row(i).transpose(), independent.variances[i]));
      result.denominator_df = df.empty() ? infinity : pooled_df(df);
      break;
    }
    case DegreesOfFreedom::kenward_roger: {
      const ScaledF scaled = kenward_roger_f(derivatives_->kenward_roger, independent.rows);
      result.denominator_df = scaled.df;
      result.statistic *= scaled.factor;
      break;
    }
    case DegreesOfFreedom::residual:
      result.denominator_df = residual_df_;
      break;
    case DegreesOfFreedom::none:
      result.denominator_df = infinity;
      break;
  }
  result.p_value =
      std::isfinite(result.denominator_df)
          ? fisher_f_upper_tail(result.statistic, result.numerator_df, result.denominator_df)
          : chi_squared_upper_tail(result.statistic * result.numerator_df, result.numerator_df);
  return result;
}

}  // namespace rapport
