#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/mixed/pooled_fit.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <Eigen/Cholesky>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// What is pooled of one fit.
struct OneFit {
  FixedEffects fixed;
  VectorXd df;  ///< of each fixed effect
  std::vector<TermHypothesis> hypotheses;
  VectorXd test_df;  ///< of each hypothesis
  std::vector<RandomEffects> random;
  double residual_variance = missing;
  Index rows = 0;
  bool singular = false;
  std::vector<std::string> warnings;
};

DesignOptions design_options(const PooledFitOptions& options) {
  DesignOptions design = options.design;
  if (!options.generalized) return design;
  design.response = response_kind(options.generalized->family);
  return design;
}

void require_converged(const OptimizerReport& optimizer, const std::string& formula) {
  if (!optimizer.converged)
    throw DataError("the model `" + formula + "` did not converge in one of the imputations");
}

OneFit fit_gaussian(const Design& design, const PooledFitOptions& options,
                    const std::string& formula) {
  const MixedModel model(design);
  const MixedFit fit = model.fit({.criterion = options.criterion, .random_effects = false});
  require_converged(fit.optimizer, formula);
  const FixedInference inference(model, fit, options.df, options.confidence_level);
  OneFit one;
  one.fixed = fit.fixed;
  one.fixed.covariance = inference.covariance();
  const Index p = fit.fixed.estimate.size();
  one.df.resize(p);
  for (Index k = 0; k < p; ++k) one.df[k] = inference.contrast(VectorXd::Unit(p, k)).df;
  one.hypotheses = type3_hypotheses(design, fit.fixed);
  one.test_df.resize(static_cast<Index>(one.hypotheses.size()));
  for (std::size_t k = 0; k < one.hypotheses.size(); ++k)
    one.test_df[static_cast<Index>(k)] =
        one.hypotheses[k].contrasts.rows() > 0
            ? inference.test(one.hypotheses[k].contrasts).denominator_df
            : missing;
  one.random = fit.random;
  one.residual_variance = fit.residual.sd * fit.residual.sd;
  one.singular = fit.optimizer.singular;
  return one;
}

OneFit fit_generalized(const Design& design, const PooledFitOptions& options,
                       const std::string& formula) {
  GeneralizedOptions engine = *options.generalized;
  engine.random_effects = false;
  const GeneralizedFit fit = fit_generalized_model(design, engine);
  require_converged(fit.optimizer, formula);
  OneFit one;
  one.fixed = fit.fixed;
  one.df = VectorXd::Constant(fit.fixed.estimate.size(), infinity);
  one.hypotheses = type3_hypotheses(design, fit.fixed);
  one.test_df = VectorXd::Constant(static_cast<Index>(one.hypotheses.size()), infinity);
  one.random = fit.random;
  one.singular = fit.optimizer.singular;
  one.warnings = fit.warnings;
  return one;
}

void require_same_terms(const std::vector<OneFit>& fits) {
  for (const OneFit& fit : fits)
    if (fit.fixed.terms != fits.front().fixed.terms)
      throw DataError(
          "the imputations do not allow the same fixed effects: a column is a combination of "
          "others "
          "in some of them");
}

VectorXd mean_over(const std::vector<OneFit>& fits,
                   const std::function<VectorXd(const OneFit&)>& of) {
  VectorXd sum = of(fits.front());
  for (std::size_t i = 1; i < fits.size(); ++i) sum += of(fits[i]);
  return sum / static_cast<double>(fits.size());
}

std::vector<PooledSpread> pool_spreads(const std::vector<OneFit>& fits) {
  std::vector<PooledSpread> spreads;
  for (std::size_t t = 0; t < fits.front().random.size(); ++t) {
    const RandomEffects& first = fits.front().random[t];
    for (std::size_t k = 0; k < first.terms.size(); ++k) {
      PooledSpread spread{.factor = first.factor,
                          .term = first.terms[k],
                          .sd = 0,
                          .smallest = infinity,
                          .largest = 0};
      for (const OneFit& fit : fits) {
        const double sd = fit.random[t].sd[static_cast<Index>(k)];
        spread.sd += sd * sd / static_cast<double>(fits.size());
        spread.smallest = std::min(spread.smallest, sd);
        spread.largest = std::max(spread.largest, sd);
      }
      spread.sd = std::sqrt(spread.sd);
      spreads.push_back(spread);
    }
  }
  return spreads;
}

std::vector<OneFit> fit_all(const Formula& formula, const std::vector<Table>& tables,
                            const PooledFitOptions& options) {
  require_at_least("fit_imputed", "tables", static_cast<Index>(tables.size()), 2);
  const std::string text = to_string(formula);
  std::vector<OneFit> fits(tables.size());
  parallel_for(static_cast<Index>(tables.size()), options.threads, [&](Index i) {
    const auto k = static_cast<std::size_t>(i);
    const Design design = make_design(formula, tables[k], design_options(options));
    fits[k] = options.generalized ? fit_generalized(design, options, text)
                                  : fit_gaussian(design, options, text);
    fits[k].rows = static_cast<Index>(design.rows.size());
  });
  require_same_terms(fits);
  return fits;
}

std::vector<PooledTermTest> pool_tests(const std::vector<OneFit>& fits,
                                       const PooledEstimates& fixed) {
  const VectorXd df = mean_over(fits, [](const OneFit& fit) { return fit.test_df; });
  std::vector<PooledTermTest> tests;
  for (std::size_t k = 0; k < fits.front().hypotheses.size(); ++k) {
    const TermHypothesis& hypothesis = fits.front().hypotheses[k];
    if (hypothesis.contrasts.rows() == 0) continue;
    tests.push_back(
        {.term = hypothesis.term,
         .test = pooled_wald_test(fixed, hypothesis.contrasts, df[static_cast<Index>(k)])});
  }
  return tests;
}

void add_warnings(const std::vector<OneFit>& fits, PooledFit& pooled) {
  for (const OneFit& fit : fits)
    for (const std::string& warning : fit.warnings)
      if (std::find(pooled.warnings.begin(), pooled.warnings.end(), warning) ==
          pooled.warnings.end())
        pooled.warnings.push_back(warning);
  if (pooled.n_singular > 0)
    pooled.warnings.push_back("the covariance matrix of random effects is singular in " +
                              std::to_string(pooled.n_singular) + " of " +
                              std::to_string(fits.size()) + " imputations");
  for (const std::string& column : fits.front().fixed.dropped)
    pooled.warnings.push_back(column + " depends on other terms and is left out");
}

/// Groups of rows that share no random effect with others.
std::vector<std::vector<Index>> independent_rows(const Design& design) {
  const Index n = design.response.size();
  std::vector<Index> parent(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) parent[static_cast<std::size_t>(i)] = i;
  const auto root = [&](Index i) {
    while (parent[static_cast<std::size_t>(i)] != i) {
      Index& up = parent[static_cast<std::size_t>(i)];
      up = parent[static_cast<std::size_t>(up)];
      i = up;
    }
    return i;
  };
  for (const RandomTerm& term : design.random) {
    std::vector<Index> first(term.levels.size(), -1);
    for (Index i = 0; i < n; ++i) {
      Index& of_level = first[static_cast<std::size_t>(term.group[static_cast<std::size_t>(i)])];
      if (of_level < 0) of_level = i;
      parent[static_cast<std::size_t>(root(i))] = root(of_level);
    }
  }
  std::vector<std::vector<Index>> rows(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) rows[static_cast<std::size_t>(root(i))].push_back(i);
  rows.erase(std::remove_if(rows.begin(), rows.end(), [](const auto& r) { return r.empty(); }),
             rows.end());
  return rows;
}

/// The ML estimates of one imputation, and the mean of several.
struct Parameters {
  VectorXd coefficients;
  std::vector<MatrixXd> covariances;
  double variance = 0;
};

Parameters parameters_of(const Design& design, const MixedFit& fit) {
  Parameters p{.coefficients = VectorXd::Zero(design.fixed.cols()),
               .covariances = {},
               .variance = fit.residual.sd * fit.residual.sd};
  for (std::size_t k = 0; k < fit.fixed.columns.size(); ++k)
    p.coefficients[fit.fixed.columns[k]] = fit.fixed.estimate[static_cast<Index>(k)];
  for (const RandomEffects& term : fit.random) p.covariances.push_back(term.covariance);
  return p;
}

Parameters mean_of(const std::vector<Parameters>& all) {
  Parameters mean = all.front();
  const auto m = static_cast<double>(all.size());
  for (std::size_t i = 1; i < all.size(); ++i) {
    mean.coefficients += all[i].coefficients;
    mean.variance += all[i].variance;
    for (std::size_t t = 0; t < mean.covariances.size(); ++t)
      mean.covariances[t] += all[i].covariances[t];
  }
  mean.coefficients /= m;
  mean.variance /= m;
  for (MatrixXd& covariance : mean.covariances) covariance /= m;
  return mean;
}

/// −2 log L of each imputation at its own estimates and, of a Gaussian model, at their means.
struct Deviances {
  VectorXd own;
  VectorXd at_means;
  double parameters = 0;
};

Deviances gaussian_deviances(const std::vector<Design>& designs, int threads) {
  const auto m = static_cast<Index>(designs.size());
  Deviances result{.own = VectorXd(m), .at_means = VectorXd(m)};
  std::vector<Parameters> parameters(designs.size());
  std::vector<Index> counts(designs.size());
  parallel_for(m, threads, [&](Index i) {
    const auto k = static_cast<std::size_t>(i);
    const MixedFit fit =
        fit_mixed_model(designs[k], {.criterion = Criterion::ml, .random_effects = false});
    result.own[i] = fit.criterion.value;
    counts[k] = fit.criterion.parameters;
    parameters[k] = parameters_of(designs[k], fit);
  });
  const Parameters mean = mean_of(parameters);
  parallel_for(m, threads, [&](Index i) {
    result.at_means[i] = gaussian_deviance(designs[static_cast<std::size_t>(i)], mean.coefficients,
                                           mean.covariances, std::sqrt(mean.variance));
  });
  result.parameters = static_cast<double>(counts.front());
  return result;
}

Deviances generalized_deviances(const std::vector<Design>& designs,
                                const PooledFitOptions& options) {
  Deviances result{.own = VectorXd(static_cast<Index>(designs.size())), .at_means = {}};
  std::vector<Index> counts(designs.size());
  parallel_for(static_cast<Index>(designs.size()), options.threads, [&](Index i) {
    const auto k = static_cast<std::size_t>(i);
    const GeneralizedFit fit = fit_generalized_model(designs[k], *options.generalized);
    result.own[i] = fit.criterion.value;
    counts[k] = fit.criterion.parameters;
  });
  result.parameters = static_cast<double>(counts.front());
  return result;
}

Deviances deviances(const std::vector<Design>& designs, const PooledFitOptions& options) {
  return options.generalized ? generalized_deviances(designs, options)
                             : gaussian_deviances(designs, options.threads);
}

}  // namespace

double gaussian_deviance(const Design& design, const VectorView& coefficients,
                         const std::vector<MatrixXd>& covariances, double sigma) {
  require_same_size("gaussian_deviance", "coefficients", coefficients.size(), "columns",
                    design.fixed.cols());
  require_same_size("gaussian_deviance", "covariances", static_cast<Index>(covariances.size()),
                    "random terms", static_cast<Index>(design.random.size()));
  VectorXd residual = design.response - design.fixed * coefficients;
  if (design.offset.size() > 0) residual -= design.offset;
  double deviance = static_cast<double>(residual.size()) * std::log(2 * std::numbers::pi);
  for (const std::vector<Index>& rows : independent_rows(design)) {
    const auto n = static_cast<Index>(rows.size());
    MatrixXd v = MatrixXd::Zero(n, n);
    for (Index i = 0; i < n; ++i)
      v(i, i) =
          sigma * sigma /
          (design.weights.size() > 0 ? design.weights[rows[static_cast<std::size_t>(i)]] : 1.0);
    for (std::size_t t = 0; t < covariances.size(); ++t) {
      const RandomTerm& term = design.random[t];
      const MatrixXd z = term.columns(rows, Eigen::all);
      const MatrixXd common = z * covariances[t] * z.transpose();
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < n; ++j)
          if (term.group[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)])] ==
              term.group[static_cast<std::size_t>(rows[static_cast<std::size_t>(j)])])
            v(i, j) += common(i, j);
    }
    const Eigen::LLT<MatrixXd> root(v);
    const VectorXd r = root.matrixL().solve(VectorXd(residual(rows)));
    deviance += 2 * root.matrixLLT().diagonal().array().log().sum() + r.squaredNorm();
  }
  return deviance;
}

PooledFit fit_imputed(const Formula& formula, const std::vector<Table>& tables,
                      const PooledFitOptions& options) {
  const std::vector<OneFit> fits = fit_all(formula, tables, options);
  PooledFit pooled{};
  pooled.formula = to_string(formula);
  pooled.terms = fits.front().fixed.terms;
  MatrixXd estimates(static_cast<Index>(fits.size()), fits.front().fixed.estimate.size());
  std::vector<MatrixXd> covariances;
  pooled.n_used = std::numeric_limits<Index>::max();
  double variance = 0;
  for (std::size_t i = 0; i < fits.size(); ++i) {
    estimates.row(static_cast<Index>(i)) = fits[i].fixed.estimate.transpose();
    covariances.push_back(fits[i].fixed.covariance);
    variance += fits[i].residual_variance / static_cast<double>(fits.size());
    pooled.n_used = std::min(pooled.n_used, fits[i].rows);
    pooled.n_singular += fits[i].singular ? 1 : 0;
  }
  const VectorXd df = mean_over(fits, [](const OneFit& fit) { return fit.df; });
  pooled.fixed = pool_estimates(estimates, covariances, df, options.confidence_level);
  pooled.tests = pool_tests(fits, pooled.fixed);
  pooled.random = pool_spreads(fits);
  pooled.residual_sd = std::sqrt(variance);
  add_warnings(fits, pooled);
  return pooled;
}

PooledComparison compare_imputed(const Formula& larger, const Formula& smaller,
                                 const std::vector<Table>& tables,
                                 const PooledFitOptions& options) {
  require_at_least("compare_imputed", "tables", static_cast<Index>(tables.size()), 2);
  std::vector<Design> large;
  std::vector<Design> small;
  for (const Table& table : tables) {
    large.push_back(make_design(larger, table, design_options(options)));
    small.push_back(make_design(smaller, table, design_options(options)));
    if (large.back().rows != small.back().rows)
      throw InvalidArgument(
          "compare_imputed: the models use different rows, because a variable of one of them is "
          "missing in some");
  }
  const Deviances of_large = deviances(large, options);
  const Deviances of_small = deviances(small, options);
  PooledComparison comparison{};
  comparison.df = of_large.parameters - of_small.parameters;
  if (!(comparison.df > 0))
    throw InvalidArgument("compare_imputed: `larger` has no more parameters than `smaller`");
  comparison.statistics = of_small.own - of_large.own;
  comparison.d2 = pooled_chi_squared_test(comparison.statistics, comparison.df);
  if (!options.generalized)
    comparison.d3 = pooled_likelihood_ratio_test(
        comparison.statistics, VectorXd(of_small.at_means - of_large.at_means), comparison.df);
  return comparison;
}

}  // namespace rapport
