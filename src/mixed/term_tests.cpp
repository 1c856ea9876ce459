#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <Eigen/LU>
#include <Eigen/QR>

#include "estimable_functions.hpp"
#include "model_columns.hpp"
#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// How a factor's coefficients in a higher term speak about its coefficients in this one: from the
/// higher term's coding (levels × columns) to differences from the first level, or to level means
/// where this term has a column a level.
Eigen::MatrixXd effects_of(const Eigen::MatrixXd& coding, bool all_levels) {
  if (all_levels) return coding;
  return coding.bottomRows(coding.rows() - 1).rowwise() - coding.row(0);
}

std::size_t position_of(const FormulaTerm& term, const std::string& variable) {
  return static_cast<std::size_t>(std::find(term.begin(), term.end(), variable) - term.begin());
}

/// What one variable of `higher` contributes to the hypothesis of `term`: rows for its effects (one
/// row where it is averaged over), columns as in `higher`.
Eigen::MatrixXd contribution(const ModelFrame& frame, const TermColumns& higher,
                             const TermColumns& term, std::size_t v) {
  const ModelVariable& variable = detail::find_variable(frame, higher.term[v]);
  const std::size_t own = position_of(term.term, variable.name);
  if (variable.levels.empty()) {
    const Index count = detail::column_count(variable, false);
    return Eigen::MatrixXd::Identity(count, count);
  }
  const Eigen::MatrixXd coding =
      detail::coding_matrix(variable, higher.all_levels[v], frame.contrast);
  if (own == term.term.size()) return coding.colwise().mean();
  return effects_of(coding, term.all_levels[own]);
}

/// Rows of the hypothesis from one term's columns: products over its variables, the first running
/// fastest. The rows run over the variables in the same order, which is a fixed reordering of the
/// term's own and changes no test.
Eigen::MatrixXd product(const Eigen::MatrixXd& fast, const Eigen::MatrixXd& slow) {
  Eigen::MatrixXd both(fast.rows() * slow.rows(), fast.cols() * slow.cols());
  for (Index i = 0; i < slow.rows(); ++i)
    for (Index j = 0; j < slow.cols(); ++j)
      both.block(i * fast.rows(), j * fast.cols(), fast.rows(), fast.cols()) = slow(i, j) * fast;
  return both;
}

/// The hypothesis of a term over all columns of the design. Satterthwaite's df of several rows
/// depend on how the hypothesis is written (Fai & Cornelius 1996); these are lmerTest's rows.
Eigen::MatrixXd hypothesis(const ModelFrame& frame, const TermColumns& term) {
  Eigen::MatrixXd contrasts =
      Eigen::MatrixXd::Zero(term.count, static_cast<Index>(frame.fixed.names.size()));
  for (const TermColumns& higher : frame.fixed.terms) {
    if (!detail::contains_term(frame, higher.term, term.term)) continue;
    Eigen::MatrixXd block = Eigen::MatrixXd::Ones(1, 1);
    for (std::size_t v = 0; v < higher.term.size(); ++v)
      block = product(block, contribution(frame, higher, term, v));
    contrasts.middleCols(higher.first, higher.count) = block;
  }
  return contrasts;
}

/// X, or another matrix with the same X'X.
const Eigen::MatrixXd& rows_or_triangle(const Design& design) {
  if (design.fixed.rows() > 0) return design.fixed;
  if (design.fixed_triangle.size() > 0) return design.fixed_triangle;
  throw InvalidArgument(
      "type3_tests: the design has no rows, as that of a saved fit; tests of terms need them");
}

/// The hypothesis of the only term, as lmerTest writes it: by the Doolittle factor of X'X, each
/// column with its regression on those after it.
Eigen::MatrixXd sequential_hypothesis(const Design& design, const TermColumns& term) {
  const Eigen::MatrixXd factor = rows_or_triangle(design).householderQr().matrixQR();
  Eigen::MatrixXd contrasts = Eigen::MatrixXd::Zero(term.count, factor.cols());
  for (Index i = 0; i < term.count; ++i) {
    const Index row = term.first + i;
    contrasts.row(i).tail(factor.cols() - row) =
        factor.row(row).tail(factor.cols() - row) / factor(row, row);
  }
  return contrasts;
}

bool is_only_term(const ModelFrame& frame) {
  return std::count_if(frame.fixed.terms.begin(), frame.fixed.terms.end(),
                       [](const TermColumns& term) { return !term.term.empty(); }) == 1;
}

/// Dropped columns as combinations of those kept: kept × dropped.
Eigen::MatrixXd dependence(const Design& design, const FixedEffects& fixed,
                           const std::vector<Index>& dropped) {
  const Eigen::MatrixXd& x = rows_or_triangle(design);
  const Eigen::MatrixXd kept = x(Eigen::all, fixed.columns);
  return kept.householderQr().solve(Eigen::MatrixXd(x(Eigen::all, dropped)));
}

std::vector<Index> dropped_columns(const Design& design, const FixedEffects& fixed) {
  std::vector<Index> dropped;
  for (Index j = 0; j < design.fixed.cols(); ++j)
    if (std::find(fixed.columns.begin(), fixed.columns.end(), j) == fixed.columns.end())
      dropped.push_back(j);
  return dropped;
}

/// The intercept of a cumulative model, whose place the thresholds take, is no column that was
/// dropped.
bool is_replaced_intercept(const Design& design, const FixedEffects& fixed, Index column) {
  const std::string& name = design.fixed_terms[static_cast<std::size_t>(column)];
  return name == "(Intercept)" &&
         std::find(fixed.dropped.begin(), fixed.dropped.end(), name) == fixed.dropped.end();
}

/// The combinations of the rows that do not depend on how the dropped columns are resolved, over
/// the columns kept.
Eigen::MatrixXd estimable_rows(const Eigen::MatrixXd& contrasts, const FixedEffects& fixed,
                               const std::vector<Index>& dropped, const Eigen::MatrixXd& resolved) {
  const Eigen::MatrixXd kept = contrasts(Eigen::all, fixed.columns);
  if (dropped.empty()) return kept;
  const Eigen::MatrixXd ambiguity =
      kept * resolved - Eigen::MatrixXd(contrasts(Eigen::all, dropped));
  Eigen::FullPivLU<Eigen::MatrixXd> lu(ambiguity.transpose());
  lu.setThreshold(1e-9);
  if (lu.rank() == 0) return kept;
  if (lu.dimensionOfKernel() == 0) return Eigen::MatrixXd(0, kept.cols());
  return lu.kernel().transpose() * kept;
}

}  // namespace

std::vector<TermHypothesis> type3_hypotheses(const Design& design, const FixedEffects& fixed) {
  const std::vector<Index> dropped = dropped_columns(design, fixed);
  const Eigen::MatrixXd resolved =
      dropped.empty() ? Eigen::MatrixXd() : dependence(design, fixed, dropped);
  const std::optional<std::vector<Eigen::MatrixXd>> with_gaps =
      dropped.empty() ? std::nullopt : detail::estimable_hypotheses(design, fixed);
  std::vector<TermHypothesis> hypotheses;
  for (std::size_t t = 0; t < design.frame.fixed.terms.size(); ++t) {
    const TermColumns& term = design.frame.fixed.terms[t];
    if (term.term.empty()) continue;
    const auto rows = [&]() -> Eigen::MatrixXd {
      if (with_gaps) return (*with_gaps)[t];
      if (dropped.empty() && is_only_term(design.frame)) return sequential_hypothesis(design, term);
      return estimable_rows(hypothesis(design.frame, term), fixed, dropped, resolved);
    };
    hypotheses.push_back({.term = term_label(term.term), .contrasts = rows()});
  }
  return hypotheses;
}

std::vector<TermTest> type3_tests(const Design& design, const FixedEffects& fixed,
                                  const FixedInference& inference) {
  std::vector<TermTest> tests;
  for (const TermHypothesis& hypothesis : type3_hypotheses(design, fixed))
    tests.push_back({.term = hypothesis.term, .test = inference.test(hypothesis.contrasts)});
  return tests;
}

Eigen::VectorXd estimable_weights(const Design& design, const FixedEffects& fixed,
                                  const VectorView& weights) {
  std::vector<Index> dropped;
  for (const Index column : dropped_columns(design, fixed))
    if (!is_replaced_intercept(design, fixed, column)) dropped.push_back(column);
  const Eigen::VectorXd kept = weights(fixed.columns);
  if (dropped.empty()) return kept;
  const Eigen::VectorXd ambiguity =
      dependence(design, fixed, dropped).transpose() * kept - Eigen::VectorXd(weights(dropped));
  if (ambiguity.cwiseAbs().maxCoeff() > 1e-8 * std::max(1.0, weights.cwiseAbs().maxCoeff()))
    return Eigen::VectorXd::Constant(kept.size(), missing);
  return kept;
}

}  // namespace rapport
