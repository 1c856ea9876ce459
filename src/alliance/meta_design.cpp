#include "meta_design.hpp"

#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>

#include <Eigen/Cholesky>

#include <cmath>
#include <limits>
#include <memory>

namespace rapport {
namespace {

void require_positive_variances(const std::string& function, const MetaData& data) {
  for (Index i = 0; i < data.variance.size(); ++i) {
    if (!(data.variance[i] > 0) || !std::isfinite(data.variance[i]))
      throw InvalidArgument(function + ": `variance` " + std::to_string(i + 1) + " is " +
                            shortest_decimal(data.variance[i]) +
                            "; sampling variances must be positive and finite");
    if (!std::isfinite(data.effect[i]))
      throw InvalidArgument(function + ": `effect` " + std::to_string(i + 1) + " is " +
                            shortest_decimal(data.effect[i]) + "; effects must be finite");
  }
}

void require_fitting_sizes(const std::string& function, const MetaData& data) {
  const Index k = data.effect.size();
  require_same_size(function, "effect", k, "variance", data.variance.size());
  if (!data.study.empty())
    require_same_size(function, "effect", k, "study", static_cast<Index>(data.study.size()));
  if (data.moderators.cols() > 0)
    require_same_size(function, "effect", k, "moderators", data.moderators.rows());
  require_same_size(function, "moderators (columns)", data.moderators.cols(), "terms",
                    static_cast<Index>(data.terms.size()));
  if (data.covariance.size() > 0) {
    require_same_size(function, "effect", k, "covariance", data.covariance.rows());
    require_same_size(function, "effect", k, "covariance (columns)", data.covariance.cols());
  }
  if (k < 2)
    throw InvalidArgument(function + ": `effect` has " + std::to_string(k) +
                          (k == 1 ? " value" : " values") + "; a meta-analysis needs at least 2");
  if (k <= data.moderators.cols() + 1)
    throw InvalidArgument(function + ": there are " + std::to_string(k) + " effects for " +
                          std::to_string(data.moderators.cols() + 1) +
                          " coefficients; needs at least one effect more");
}

/// A sampling covariance has the variances on its diagonal, and nothing between studies.
void require_covariance_of_studies(const std::string& function, const MetaData& data) {
  if (data.covariance.size() == 0) return;
  const auto study_of = [&](Index i) {
    return data.study.empty() ? static_cast<std::int32_t>(i)
                              : data.study[static_cast<std::size_t>(i)];
  };
  for (Index j = 0; j < data.covariance.cols(); ++j) {
    if (!(std::abs(data.covariance(j, j) - data.variance[j]) <= 1e-8 * data.variance[j]))
      throw InvalidArgument(function + ": `covariance` has " +
                            shortest_decimal(data.covariance(j, j)) +
                            " on its diagonal where `variance` is " +
                            shortest_decimal(data.variance[j]) + "; they must be equal");
    for (Index i = 0; i < data.covariance.rows(); ++i)
      if (data.covariance(i, j) != 0 && study_of(i) != study_of(j))
        throw InvalidArgument(function + ": `covariance` of effects " + std::to_string(i + 1) +
                              " and " + std::to_string(j + 1) +
                              " is not 0, though they are of different studies; give `study`");
  }
}

void require_two_levels_of_nesting(const std::string& function,
                                   const std::vector<std::vector<Index>>& studies,
                                   std::size_t effects) {
  if (studies.size() < 2)
    throw InvalidArgument(function + ": `study` has one study; three levels need at least 2");
  if (studies.size() == effects)
    throw InvalidArgument(function +
                          ": `study` has one effect a study, so that the variances of studies and "
                          "effects cannot be told "
                          "apart; leave out `study`");
}

/// A study of a nested model whose sampling errors are correlated.
struct CorrelatedStudies {
  std::vector<DenseStudy> studies;
  std::vector<Eigen::MatrixXd> sampling;

  bool operator()(const Eigen::VectorXd& theta, MarginalMoments& moments) {
    moments.clear();
    for (std::size_t s = 0; s < studies.size(); ++s) {
      studies[s].covariance = sampling[s];
      for (Index j = 0; j < theta.size(); ++j)
        studies[s].covariance += theta[j] * studies[s].derivatives[static_cast<std::size_t>(j)];
      if (!accumulate(studies[s], moments)) return false;
    }
    return true;
  }
};

}  // namespace

std::vector<std::vector<Index>> clusters_of(const MetaData& data) {
  std::vector<std::vector<Index>> clusters;
  for (Index i = 0; i < data.effect.size(); ++i) {
    const auto cluster = data.study.empty()
                             ? static_cast<std::size_t>(i)
                             : static_cast<std::size_t>(data.study[static_cast<std::size_t>(i)]);
    if (cluster >= clusters.size()) clusters.resize(cluster + 1);
    clusters[cluster].push_back(i);
  }
  std::erase_if(clusters, [](const std::vector<Index>& rows) { return rows.empty(); });
  return clusters;
}

MetaDesign make_meta_design(const std::string& function, const MetaData& data) {
  require_fitting_sizes(function, data);
  require_positive_variances(function, data);
  require_covariance_of_studies(function, data);
  MetaDesign design;
  const Index k = data.effect.size();
  const Index p = data.moderators.cols() + 1;
  design.x = Eigen::MatrixXd::Ones(k, p);
  if (p > 1) design.x.rightCols(p - 1) = data.moderators;
  design.terms = data.terms;
  design.terms.insert(design.terms.begin(), "(Intercept)");
  Orthonormal basis = orthonormalized(design.x);
  if (basis.dependent >= 0)
    throw InvalidArgument(function + ": moderator \"" +
                          design.terms[static_cast<std::size_t>(basis.dependent)] +
                          "\" is constant or collinear with those before it; leave it out");
  design.u.resize(k, p + 1);
  design.u << basis.q, data.effect;
  design.r = std::move(basis.r);
  if (!data.study.empty()) {
    design.studies = clusters_of(data);
    require_two_levels_of_nesting(function, design.studies, static_cast<std::size_t>(k));
  }
  return design;
}

MomentsAt nested_moments(const MetaData& data, const MetaDesign& design) {
  if (data.covariance.size() == 0) {
    const auto model = std::make_shared<NestedModel>(design.u, data.variance, design.studies);
    return [model](const Eigen::VectorXd& theta, MarginalMoments& moments) {
      model->accumulate(theta, moments);
      return true;
    };
  }
  const auto model = std::make_shared<CorrelatedStudies>();
  for (const std::vector<Index>& rows : clusters_of(data)) {
    const auto n = static_cast<Index>(rows.size());
    DenseStudy study{
        .u = design.u(rows, Eigen::all), .covariance = {}, .derivatives = {}, .bends = {}};
    if (!design.studies.empty()) study.derivatives.push_back(Eigen::MatrixXd::Ones(n, n));
    study.derivatives.push_back(Eigen::MatrixXd::Identity(n, n));
    model->studies.push_back(std::move(study));
    model->sampling.push_back(data.covariance(rows, rows));
  }
  return [model](const Eigen::VectorXd& theta, MarginalMoments& moments) {
    return (*model)(theta, moments);
  };
}

GeneralizedLeastSquares on_scale_of_x(GeneralizedLeastSquares fit, const Eigen::MatrixXd& r) {
  const Eigen::MatrixXd inverse =
      r.triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(r.rows(), r.cols()));
  fit.coefficients = inverse * fit.coefficients;
  fit.covariance = inverse * fit.covariance * inverse.transpose();
  return fit;
}

Eigen::MatrixXd marginal_covariance(const MetaData& data, const MetaFit& fit,
                                    const std::vector<Index>& rows) {
  const auto n = static_cast<Index>(rows.size());
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Constant(n, n, study_variance(fit));
  covariance.diagonal().array() += effect_variance(fit);
  if (data.covariance.size() > 0) {
    covariance += data.covariance(rows, rows);
  } else {
    covariance.diagonal() += data.variance(rows);
  }
  return covariance;
}

MetaCoefficient meta_coefficient(std::string term, double estimate, double standard_error,
                                 double df, double level) {
  const double statistic = estimate / standard_error;
  const bool normal = std::isinf(df);
  return {.term = std::move(term),
          .estimate = estimate,
          .standard_error = standard_error,
          .statistic = statistic,
          .df = df,
          .p_value = normal ? normal_p_value(statistic) : students_t_p_value(statistic, df),
          .ci = normal ? normal_interval(estimate, standard_error, level)
                       : students_t_interval(estimate, standard_error, df, level)};
}

MetaWaldTest wald_test(std::string name, const Eigen::VectorXd& coefficients,
                       const Eigen::MatrixXd& covariance, const std::vector<Index>& positions,
                       double denominator_df) {
  const Eigen::VectorXd tested = coefficients(positions);
  const double chi_squared =
      tested.dot(Eigen::LLT<Eigen::MatrixXd>(covariance(positions, positions)).solve(tested));
  const auto df = static_cast<double>(positions.size());
  const bool normal = std::isinf(denominator_df);
  return {.name = std::move(name),
          .statistic = normal ? chi_squared : chi_squared / df,
          .numerator_df = df,
          .denominator_df = denominator_df,
          .p_value = normal ? chi_squared_upper_tail(chi_squared, df)
                            : fisher_f_upper_tail(chi_squared / df, df, denominator_df)};
}

}  // namespace rapport
