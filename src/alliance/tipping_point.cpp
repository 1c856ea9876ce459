#include <rapport/alliance/tipping_point.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

/// Where p crosses `alpha` nearest to a delta of 0.
double crossing(const std::vector<TippingRow>& rows, double alpha) {
  double nearest = missing;
  for (std::size_t k = 1; k < rows.size(); ++k) {
    const double a = rows[k - 1].effect.p_value - alpha;
    const double b = rows[k].effect.p_value - alpha;
    if ((a > 0) == (b > 0)) continue;
    const double at = rows[k - 1].delta + (rows[k].delta - rows[k - 1].delta) * a / (a - b);
    if (is_missing(nearest) || std::abs(at) < std::abs(nearest)) nearest = at;
  }
  return nearest;
}

std::size_t place_of(const PooledFit& fit, const std::string& term) {
  const auto found = std::find(fit.terms.begin(), fit.terms.end(), term);
  if (found == fit.terms.end()) {
    const std::string near = nearest_name(term, fit.terms);
    throw InvalidArgument("tipping_point: the model has no term `" + term + "`" +
                          (near.empty() ? "" : "; did you mean `" + near + "`?"));
  }
  return static_cast<std::size_t>(found - fit.terms.begin());
}

}  // namespace

std::vector<Index> rows_after_dropout(const Table& table, const PanelColumns& columns,
                                      const std::string& outcome) {
  const Panel panel = make_panel(table, columns);
  const Eigen::VectorXd& y = table.numbers(outcome);
  std::vector<Index> rows;
  for (std::size_t p = 0; p + 1 < panel.first.size(); ++p)
    for (Index k = panel.first[p + 1]; k-- > panel.first[p];) {
      const Index row = panel.order[static_cast<std::size_t>(k)];
      if (!is_missing(y[row])) break;
      rows.push_back(row);
    }
  std::sort(rows.begin(), rows.end());
  return rows;
}

TippingPoint tipping_point(const std::vector<Table>& imputations, const std::string& outcome,
                           const std::vector<Index>& rows, const std::string& formula,
                           const std::string& term, std::vector<double> deltas,
                           const PooledFitOptions& options) {
  if (deltas.empty()) throw InvalidArgument("tipping_point: `deltas` is empty");
  if (rows.empty())
    throw InvalidArgument("tipping_point: `rows` is empty; no outcome is missing after dropout");
  std::sort(deltas.begin(), deltas.end());
  TippingPoint result{};
  result.formula = formula;
  result.outcome = outcome;
  result.term = term;
  result.n_shifted = static_cast<Index>(rows.size());
  const Formula model = parse_formula(formula);
  for (const double delta : deltas) {
    std::vector<Table> shifted = imputations;
    for (Table& table : shifted) {
      Eigen::VectorXd y = table.numbers(outcome);
      y(rows).array() += delta;
      table.set(outcome, std::move(y));
    }
    const PooledFit fit = fit_imputed(model, shifted, options);
    result.rows.push_back({.delta = delta, .effect = fit.fixed.parameters[place_of(fit, term)]});
  }
  result.tipping_delta = crossing(result.rows, 1 - options.confidence_level);
  return result;
}

}  // namespace rapport
