#pragma once

/// Everything, for users and examples; the library itself includes what it needs.

#include <rapport/version.hpp>

#include <rapport/base/eigen.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/parallel.hpp>
#include <rapport/base/progress.hpp>
#include <rapport/base/random.hpp>

#include <rapport/math/dense_ranks.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/incomplete_normal.hpp>
#include <rapport/math/kolmogorov.hpp>
#include <rapport/math/minimize.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/math/multiple_testing.hpp>
#include <rapport/math/quadrature.hpp>
#include <rapport/math/ranks.hpp>
#include <rapport/math/resample.hpp>
#include <rapport/math/survival.hpp>

#include <rapport/data/csv.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/data/json.hpp>
#include <rapport/data/panel.hpp>
#include <rapport/data/ratings.hpp>
#include <rapport/data/table.hpp>

#include <rapport/mixed/basis.hpp>
#include <rapport/mixed/covariance.hpp>
#include <rapport/mixed/cross_products.hpp>
#include <rapport/mixed/design.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/mixed/formula.hpp>
#include <rapport/mixed/generalized.hpp>
#include <rapport/mixed/generalized_inference.hpp>
#include <rapport/mixed/inference.hpp>
#include <rapport/mixed/means.hpp>
#include <rapport/mixed/objective.hpp>
#include <rapport/mixed/predict.hpp>
#include <rapport/mixed/quantile_residuals.hpp>
#include <rapport/mixed/r_squared.hpp>
#include <rapport/mixed/residual.hpp>
#include <rapport/mixed/saved_fit.hpp>
#include <rapport/mixed/summary.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <rapport/score/catalogue.hpp>
#include <rapport/score/change.hpp>
#include <rapport/score/multilevel_reliability.hpp>
#include <rapport/score/omega.hpp>
#include <rapport/score/reliability.hpp>
#include <rapport/score/scale.hpp>
#include <rapport/score/scoring.hpp>
#include <rapport/score/screening.hpp>
#include <rapport/score/sudden_gains.hpp>

#include <rapport/agree/bland_altman.hpp>
#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/concordance.hpp>
#include <rapport/agree/congruence.hpp>
#include <rapport/agree/dyad.hpp>
#include <rapport/agree/generalizability.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/agree/krippendorff.hpp>
#include <rapport/agree/marginal.hpp>
#include <rapport/agree/planning.hpp>
#include <rapport/agree/profile.hpp>
#include <rapport/agree/rating_model.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/agree/weights.hpp>
#include <rapport/agree/within_group.hpp>

#include <rapport/correlate/compare.hpp>
#include <rapport/correlate/correlation.hpp>
#include <rapport/correlate/dependence.hpp>
#include <rapport/correlate/exact.hpp>
#include <rapport/correlate/kendall.hpp>
#include <rapport/correlate/matrix.hpp>
#include <rapport/correlate/ordinal.hpp>
#include <rapport/correlate/pair_counts.hpp>
#include <rapport/correlate/partial.hpp>
#include <rapport/correlate/pearson.hpp>
#include <rapport/correlate/polychoric.hpp>
#include <rapport/correlate/rank_biserial.hpp>
#include <rapport/correlate/repeated_measures.hpp>
#include <rapport/correlate/spearman.hpp>
#include <rapport/correlate/weighted_tau.hpp>

#include <rapport/alliance/analysis.hpp>
#include <rapport/alliance/cross_lagged.hpp>
#include <rapport/alliance/descriptives.hpp>
#include <rapport/alliance/fitted_model.hpp>
#include <rapport/alliance/effect_size.hpp>
#include <rapport/alliance/meta.hpp>
#include <rapport/alliance/meta_bias.hpp>
#include <rapport/alliance/meta_data.hpp>
#include <rapport/alliance/meta_models.hpp>
#include <rapport/alliance/meta_power.hpp>
#include <rapport/alliance/dropout.hpp>
#include <rapport/alliance/outcome.hpp>
#include <rapport/alliance/patients.hpp>
#include <rapport/alliance/person_period.hpp>
#include <rapport/alliance/perspective.hpp>
#include <rapport/alliance/retention.hpp>
#include <rapport/alliance/rupture.hpp>
#include <rapport/alliance/simulated_panel.hpp>

#include <rapport/report/agree.hpp>
#include <rapport/report/alliance.hpp>
#include <rapport/report/correlate.hpp>
#include <rapport/report/dropout.hpp>
#include <rapport/report/dyad.hpp>
#include <rapport/report/generalized.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/meta.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/plot.hpp>
