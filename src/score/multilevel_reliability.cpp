#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/fit.hpp>
#include <rapport/score/multilevel_reliability.hpp>
#include <rapport/score/omega.hpp>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace rapport {
namespace {

/// The rows whose person and occasion are known, with levels that occur.
struct Answers {
  Eigen::MatrixXd items;
  Factor person;
  Factor occasion;
};

Answers usable_rows(const MatrixView& items, const Factor& person, const Factor& occasion) {
  require_same_size("multilevel_reliability", "items", items.rows(), "person", person.size());
  require_same_size("multilevel_reliability", "items", items.rows(), "occasion", occasion.size());
  std::vector<Index> rows;
  for (Index i = 0; i < items.rows(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (person.codes[at] >= 0 && occasion.codes[at] >= 0 && !items.row(i).array().isNaN().all())
      rows.push_back(i);
  }
  Answers panel{.items = items(rows, Eigen::all),
                .person = select(person, rows),
                .occasion = select(occasion, rows)};
  const auto need = [](const char* what, Index found) {
    if (found < 2)
      throw DataError("multilevel_reliability: there are " + std::to_string(found) + " " + what +
                      "; at least 2 are required");
  };
  need("persons", panel.person.level_count());
  need("occasions", panel.occasion.level_count());
  need("items", items.cols());
  for (Index j = 0; j < items.cols(); ++j)
    if (panel.items.col(j).array().isNaN().all())
      throw DataError("multilevel_reliability: item " + std::to_string(j + 1) +
                      " has no answer; leave it out");
  return panel;
}

/// The row of each person (rows) and occasion (columns), −1 where there is none.
Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> cells_of(const Answers& panel) {
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> cells(panel.person.level_count(),
                                                             panel.occasion.level_count());
  cells.setConstant(-1);
  for (Index i = 0; i < panel.items.rows(); ++i) {
    const auto p = panel.person.codes[static_cast<std::size_t>(i)];
    const auto t = panel.occasion.codes[static_cast<std::size_t>(i)];
    if (cells(p, t) >= 0)
      throw DataError("person \"" + panel.person.levels[static_cast<std::size_t>(p)] +
                      "\" has two rows at occasion \"" +
                      panel.occasion.levels[static_cast<std::size_t>(t)] +
                      "\"; each occasion takes one");
    cells(p, t) = i;
  }
  return cells;
}

/// Expected mean squares of the three-way design without replicates.
AnswerVariances from_mean_squares(
    const Answers& panel, const Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic>& cells) {
  const Index np = cells.rows();
  const Index nt = cells.cols();
  const Index ni = panel.items.cols();
  const double grand = panel.items.mean();
  Eigen::MatrixXd pt(np, nt);
  Eigen::MatrixXd pi = Eigen::MatrixXd::Zero(np, ni);
  Eigen::MatrixXd ti = Eigen::MatrixXd::Zero(nt, ni);
  for (Index p = 0; p < np; ++p)
    for (Index t = 0; t < nt; ++t) {
      const Eigen::RowVectorXd answers = panel.items.row(cells(p, t));
      pt(p, t) = answers.mean() - grand;
      pi.row(p) += (answers.array() - grand).matrix() / static_cast<double>(nt);
      ti.row(t) += (answers.array() - grand).matrix() / static_cast<double>(np);
    }
  const Eigen::VectorXd p = pt.rowwise().mean();
  const Eigen::RowVectorXd t = pt.colwise().mean();
  const Eigen::RowVectorXd item = pi.colwise().mean();
  const Eigen::MatrixXd pt_rest = (pt.colwise() - p).rowwise() - t;
  const Eigen::MatrixXd pi_rest = (pi.colwise() - p).rowwise() - item;
  const Eigen::MatrixXd ti_rest = (ti.colwise() - Eigen::VectorXd(t.transpose())).rowwise() - item;
  double rest = 0;
  for (Index a = 0; a < np; ++a)
    for (Index b = 0; b < nt; ++b)
      rest += ((panel.items.row(cells(a, b)).array() - grand).matrix() - pi_rest.row(a) -
               ti_rest.row(b) - item - Eigen::RowVectorXd::Constant(ni, pt(a, b)))
                  .squaredNorm();
  const auto P = static_cast<double>(np);
  const auto T = static_cast<double>(nt);
  const auto I = static_cast<double>(ni);
  const double ms_p = T * I * p.squaredNorm() / (P - 1);
  const double ms_t = P * I * t.squaredNorm() / (T - 1);
  const double ms_i = P * T * item.squaredNorm() / (I - 1);
  const double ms_pt = I * pt_rest.squaredNorm() / ((P - 1) * (T - 1));
  const double ms_pi = T * pi_rest.squaredNorm() / ((P - 1) * (I - 1));
  const double ms_ti = P * ti_rest.squaredNorm() / ((T - 1) * (I - 1));
  const double ms_e = rest / ((P - 1) * (T - 1) * (I - 1));
  return {.person = (ms_p - ms_pt - ms_pi + ms_e) / (T * I),
          .occasion = (ms_t - ms_pt - ms_ti + ms_e) / (P * I),
          .item = (ms_i - ms_pi - ms_ti + ms_e) / (P * T),
          .person_occasion = (ms_pt - ms_e) / I,
          .person_item = (ms_pi - ms_e) / T,
          .occasion_item = (ms_ti - ms_e) / P,
          .residual = ms_e};
}

/// The answers present, one below the other, and which row and item each is.
struct LongAnswers {
  Eigen::VectorXd value;
  std::vector<Index> row;
  std::vector<std::int32_t> item;
};

LongAnswers long_answers(const Eigen::MatrixXd& items) {
  LongAnswers out;
  std::vector<double> values;
  for (Index i = 0; i < items.rows(); ++i)
    for (Index j = 0; j < items.cols(); ++j) {
      if (is_missing(items(i, j))) continue;
      values.push_back(items(i, j));
      out.row.push_back(i);
      out.item.push_back(static_cast<std::int32_t>(j));
    }
  out.value = Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
  return out;
}

RandomTerm intercepts(const std::string& name, const Factor& factor) {
  return {.factor = name,
          .terms = {"(Intercept)"},
          .columns = Eigen::MatrixXd::Ones(factor.size(), 1),
          .group = factor.codes,
          .levels = factor.levels};
}

Design design_of(const LongAnswers& answers, std::vector<RandomTerm> random) {
  Design design;
  design.response = answers.value;
  design.fixed = Eigen::MatrixXd::Ones(answers.value.size(), 1);
  design.fixed_terms = {"(Intercept)"};
  design.random = std::move(random);
  for (Index i = 0; i < answers.value.size(); ++i) design.rows.push_back(i);
  return design;
}

Factor spread(const Factor& factor, const LongAnswers& answers) {
  return select(factor, answers.row);
}

double variance_of(const MixedFit& fit, std::size_t term) {
  return fit.random[term].covariance(0, 0);
}

NestedVariances nested_variances(const Answers& panel, const LongAnswers& answers) {
  const Factor person = spread(panel.person, answers);
  const Factor occasion = cross(person, spread(panel.occasion, answers));
  const MixedFit fit = fit_mixed_model(
      design_of(answers, {intercepts("person", person), intercepts("person:occasion", occasion)}),
      {.random_effects = false});
  return {.person = variance_of(fit, 0),
          .occasion = variance_of(fit, 1),
          .residual = fit.residual.sd * fit.residual.sd};
}

AnswerVariances crossed_variances(const Answers& panel, const LongAnswers& answers) {
  const Factor person = spread(panel.person, answers);
  const Factor occasion = spread(panel.occasion, answers);
  Factor item{.codes = answers.item, .levels = {}};
  for (Index j = 0; j < panel.items.cols(); ++j) item.levels.push_back(std::to_string(j + 1));
  const MixedFit fit = fit_mixed_model(
      design_of(answers,
                {intercepts("person", person), intercepts("occasion", occasion),
                 intercepts("item", item), intercepts("person:occasion", cross(person, occasion)),
                 intercepts("person:item", cross(person, item)),
                 intercepts("occasion:item", cross(occasion, item))}),
      {.random_effects = false});
  return {.person = variance_of(fit, 0),
          .occasion = variance_of(fit, 1),
          .item = variance_of(fit, 2),
          .person_occasion = variance_of(fit, 3),
          .person_item = variance_of(fit, 4),
          .occasion_item = variance_of(fit, 5),
          .residual = fit.residual.sd * fit.residual.sd};
}

/// ω of the pooled within-person and of the between-person covariances, over complete rows.
std::pair<double, double> multilevel_omega(const Answers& panel) {
  std::vector<Index> complete;
  for (Index i = 0; i < panel.items.rows(); ++i)
    if (!panel.items.row(i).hasNaN()) complete.push_back(i);
  const Eigen::MatrixXd x = panel.items(complete, Eigen::all);
  const Factor person = select(panel.person, complete);
  const auto n = static_cast<double>(x.rows());
  const auto groups = static_cast<double>(person.level_count());
  if (x.cols() < 3 || !(groups > 1) || !(n > groups)) return {missing, missing};
  Eigen::MatrixXd means = Eigen::MatrixXd::Zero(person.level_count(), x.cols());
  Eigen::VectorXd sizes = Eigen::VectorXd::Zero(person.level_count());
  for (Index i = 0; i < x.rows(); ++i) {
    means.row(person.codes[static_cast<std::size_t>(i)]) += x.row(i);
    sizes[person.codes[static_cast<std::size_t>(i)]] += 1;
  }
  means = sizes.cwiseInverse().asDiagonal() * means;
  Eigen::MatrixXd residuals = x;
  for (Index i = 0; i < x.rows(); ++i)
    residuals.row(i) -= means.row(person.codes[static_cast<std::size_t>(i)]);
  const Eigen::MatrixXd centred = means.rowwise() - x.colwise().mean();
  const Eigen::MatrixXd within = residuals.transpose() * residuals / (n - groups);
  const Eigen::MatrixXd between = centred.transpose() * sizes.asDiagonal() * centred / (groups - 1);
  const double size = (n - sizes.squaredNorm() / n) / (groups - 1);
  const Eigen::MatrixXd latent = (between - within) / size;
  const auto omega_of = [](const Eigen::MatrixXd& c, Index count) {
    if (!(c.diagonal().minCoeff() > 0)) return missing;
    const double likelihood = omega_of_covariance(c, count).total;
    return is_missing(likelihood)
               ? omega_of_covariance(c, count, {.method = FactorMethod::minimum_residual}).total
               : likelihood;
  };
  return {omega_of(within, x.rows() - person.level_count()),
          omega_of(latent, person.level_count())};
}

void fill_coefficients(MultilevelReliability& out) {
  const AnswerVariances& v = out.variances;
  const NestedVariances& n = out.nested;
  const auto m = static_cast<double>(out.items);
  const auto k = static_cast<double>(out.occasions);
  const double person = v.person + v.person_item / m;
  out.rkf = person / (person + v.residual / (k * m));
  out.r1f = person / (person + v.residual / m);
  out.r1r = person / (person + v.occasion + v.person_occasion + v.residual / m);
  out.rkr = person / (person + (v.occasion + v.person_occasion + v.residual / m) / k);
  out.rc = v.person_occasion / (v.person_occasion + v.residual / m);
  out.rkrn = n.person / (n.person + n.occasion / k + n.residual / (k * m));
  out.rcn = n.occasion / (n.occasion + n.residual / m);
}

}  // namespace

MultilevelReliability multilevel_reliability(const MatrixView& items, const Factor& person,
                                             const Factor& occasion) {
  const Answers panel = usable_rows(items, person, occasion);
  const Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic> cells = cells_of(panel);
  const LongAnswers answers = long_answers(panel.items);
  const bool balanced = cells.minCoeff() >= 0 && answers.value.size() == panel.items.size();
  MultilevelReliability out{};
  out.method = balanced ? VarianceMethod::mean_squares : VarianceMethod::reml;
  out.persons = cells.rows();
  out.occasions = cells.cols();
  out.items = panel.items.cols();
  out.n_used = answers.value.size();
  out.n_omitted = items.size() - out.n_used;
  out.variances = balanced ? from_mean_squares(panel, cells) : crossed_variances(panel, answers);
  out.nested = nested_variances(panel, answers);
  const auto [within, between] = multilevel_omega(panel);
  out.omega_within = within;
  out.omega_between = between;
  fill_coefficients(out);
  return out;
}

}  // namespace rapport
