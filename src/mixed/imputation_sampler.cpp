#include "imputation_sampler.hpp"

#include <cmath>
#include <functional>
#include <optional>
#include <utility>

namespace rapport {
namespace {

using Eigen::LLT;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// How much wider than the data the half-t priors of SDs are.
constexpr double prior_width = 10;

std::vector<bool> unit_variances(const std::vector<IncompleteColumn>& columns, Index before) {
  std::vector<bool> unit(static_cast<std::size_t>(before), false);
  for (const IncompleteColumn& column : columns) unit.push_back(column.kind == ImputedKind::binary);
  return unit;
}

/// SDs of the variables; each `times` over.
VectorXd spreads(const std::vector<IncompleteColumn>& columns, Index times) {
  VectorXd sd(static_cast<Index>(columns.size()) * times);
  for (std::size_t k = 0; k < columns.size(); ++k)
    sd.segment(static_cast<Index>(k) * times, times)
        .setConstant(LatentThresholds(columns[k]).start_sd());
  return sd;
}

VectorXd joined(const VectorXd& a, const VectorXd& b) {
  VectorXd both(a.size() + b.size());
  both << a, b;
  return both;
}

CovarianceSampler residual_sampler(const ImputationProblem& problem) {
  const VectorXd sd = spreads(problem.columns, 1);
  return {unit_variances(problem.columns, 0), prior_width * sd, sd.cwiseAbs2()};
}

CovarianceSampler between_sampler(const ImputationProblem& problem) {
  const auto effects = static_cast<Index>(problem.columns.size()) * problem.effects;
  const VectorXd sd =
      joined(spreads(problem.columns, problem.effects), spreads(problem.group_columns, 1));
  VectorXd variances = sd.cwiseAbs2();
  variances.head(effects) *= 0.25;
  return {unit_variances(problem.group_columns, effects), prior_width * sd, variances};
}

/// Coefficients of a regression of `response` on columns with Gram matrix `gram` = X'X, residuals
/// with the given covariance, under a flat prior.
MatrixXd draw_regression(const LLT<MatrixXd>& gram, const MatrixXd& cross,
                         const MatrixXd& covariance, RandomStream& stream) {
  const MatrixXd noise = normal_draws(cross.rows(), cross.cols(), stream);
  return gram.solve(cross) +
         MatrixXd(gram.matrixU().solve(noise)) * MatrixXd(LLT<MatrixXd>(covariance).matrixU());
}

/// What each group multiplies the effect's column by to give `column`, or nothing.
std::optional<VectorXd> group_multiple(const ImputationProblem& problem, Index column,
                                       Index effect) {
  const auto x = problem.fixed.col(column);
  const auto z = problem.fixed.col(effect);
  VectorXd multiple = VectorXd::Zero(problem.groups);
  VectorXd largest = VectorXd::Zero(problem.groups);  // |z| where the multiple was read
  for (Index i = 0; i < x.size(); ++i) {
    const std::int32_t j = problem.group[static_cast<std::size_t>(i)];
    if (std::abs(z[i]) <= largest[j]) continue;
    largest[j] = std::abs(z[i]);
    multiple[j] = x[i] / z[i];
  }
  const double tolerance = 1e-10 * x.cwiseAbs().maxCoeff();
  for (Index i = 0; i < x.size(); ++i)
    if (!(std::abs(x[i] - multiple[problem.group[static_cast<std::size_t>(i)]] * z[i]) < tolerance))
      return std::nullopt;
  return multiple;
}

std::vector<GroupColumn> group_columns(const ImputationProblem& problem) {
  std::vector<GroupColumn> columns;
  for (Index c = 0; c < problem.fixed.cols(); ++c)
    for (Index l = 0; l < problem.effects; ++l)
      if (const std::optional<VectorXd> multiple = group_multiple(problem, c, l)) {
        columns.push_back({.column = c, .effect = l, .multiple = *multiple});
        break;
      }
  return columns;
}

/// One step from 0 by slice sampling with stepping out (Neal 2003); the density has one mode.
double slice_sample(const std::function<double(double)>& log_density, RandomStream& stream) {
  constexpr double width = 0.5;
  const double slice = log_density(0) - stream.exponential();
  double lower = -width * stream.uniform();
  double upper = lower + width;
  while (lower > -20 && log_density(lower) > slice) lower -= width;
  while (upper < 20 && log_density(upper) > slice) upper += width;
  while (true) {
    const double at = lower + (upper - lower) * stream.uniform();
    if (log_density(at) > slice || upper - lower < 1e-12) return at;
    (at < 0 ? lower : upper) = at;
  }
}

void append_spread(const MatrixXd& covariance, std::vector<double>& all) {
  const VectorXd sd = covariance.diagonal().cwiseSqrt();
  for (const double s : sd) all.push_back(s);
  for (Index i = 1; i < sd.size(); ++i)
    for (Index j = 0; j < i; ++j) all.push_back(covariance(i, j) / (sd[i] * sd[j]));
}

}  // namespace

ImputationSampler::ImputationSampler(const ImputationProblem& problem, RandomStream stream)
    : problem_(problem),
      stream_(stream),
      rows_(problem.columns, problem.fixed.rows(), 0),
      group_rows_(problem.group_columns, problem.groups,
                  static_cast<Index>(problem.columns.size()) * problem.effects),
      residual_(residual_sampler(problem)),
      between_(between_sampler(problem)),
      gram_(problem.fixed.transpose() * problem.fixed) {
  values_ = rows_.start(stream_);
  group_values_ = group_rows_.start(stream_);
  const Index p = values_.cols();
  const Index q = problem.effects;
  effects_ = normal_draws(problem.groups, p * q, stream_) * 0.5 *
             MatrixXd(spreads(problem.columns, q).asDiagonal());
  coefficients_ = gram_.solve(problem.fixed.transpose() * values_);
  if (problem.groups == 0) return;
  group_coefficients_ = MatrixXd::Zero(problem.group_fixed.cols(), group_values_.cols());
  if (group_values_.cols() > 0) {
    group_gram_.compute(problem.group_fixed.transpose() * problem.group_fixed);
    group_coefficients_ = group_gram_.solve(problem.group_fixed.transpose() * group_values_);
  }
  std::vector<MatrixXd> grams(static_cast<std::size_t>(problem.groups), MatrixXd::Zero(q, q));
  for (std::size_t i = 0; i < problem.group.size(); ++i) {
    const VectorXd z = problem.fixed.row(static_cast<Index>(i)).head(q).transpose();
    grams[static_cast<std::size_t>(problem.group[i])] += z * z.transpose();
  }
  group_columns_ = group_columns(problem);
  std::map<std::vector<double>, Index> place;
  for (const MatrixXd& gram : grams) {
    const auto [found, fresh] =
        place.emplace(std::vector<double>(gram.data(), gram.data() + gram.size()),
                      static_cast<Index>(place.size()));
    if (fresh) effect_grams_.push_back(gram);
    effect_gram_of_.push_back(found->second);
  }
}

void ImputationSampler::step(bool adapt) {
  rows_.draw(values_, problem_.fixed * coefficients_ + group_part(), residual_.covariance(), adapt,
             stream_);
  if (problem_.groups > 0) {
    draw_effects();
    if (group_values_.cols() > 0) draw_group_values(adapt);
  }
  draw_coefficients();
  draw_covariances();
}

MatrixXd ImputationSampler::group_part() const {
  const Index p = values_.cols();
  const Index q = problem_.effects;
  MatrixXd part = MatrixXd::Zero(values_.rows(), p);
  for (std::size_t i = 0; i < problem_.group.size(); ++i) {
    const auto row = static_cast<Index>(i);
    for (Index k = 0; k < p; ++k)
      for (Index l = 0; l < q; ++l)
        part(row, k) += problem_.fixed(row, l) * effects_(problem_.group[i], k * q + l);
  }
  return part;
}

/// E(b | w), J × pq.
MatrixXd ImputationSampler::effects_given_group_values() const {
  const Index e = effects_.cols();
  const Index g = group_values_.cols();
  if (g == 0) return MatrixXd::Zero(problem_.groups, e);
  const MatrixXd& all = between_.covariance();
  const MatrixXd deviations = group_values_ - problem_.group_fixed * group_coefficients_;
  const LLT<MatrixXd> root(all.bottomRightCorner(g, g));
  return deviations * root.solve(MatrixXd(all.bottomLeftCorner(g, e)));
}

/// b given y and w.
void ImputationSampler::draw_effects() {
  const Index p = values_.cols();
  const Index q = problem_.effects;
  const Index e = p * q;
  const Index g = group_values_.cols();
  const MatrixXd& all = between_.covariance();
  MatrixXd conditional = all.topLeftCorner(e, e);
  if (g > 0)
    conditional -=
        all.topRightCorner(e, g) *
        LLT<MatrixXd>(all.bottomRightCorner(g, g)).solve(MatrixXd(all.bottomLeftCorner(g, e)));
  const MatrixXd prior = LLT<MatrixXd>(conditional).solve(MatrixXd::Identity(e, e));
  const MatrixXd expected = effects_given_group_values();
  const MatrixXd precision = LLT<MatrixXd>(residual_.covariance()).solve(MatrixXd::Identity(p, p));

  MatrixXd cross = expected * prior;  // J × pq: prior mean and data, weighted
  const MatrixXd weighted = (values_ - problem_.fixed * coefficients_) * precision;
  for (std::size_t i = 0; i < problem_.group.size(); ++i) {
    const auto row = static_cast<Index>(i);
    for (Index k = 0; k < p; ++k)
      for (Index l = 0; l < q; ++l)
        cross(problem_.group[i], k * q + l) += problem_.fixed(row, l) * weighted(row, k);
  }
  std::vector<LLT<MatrixXd>> roots;
  for (const MatrixXd& gram : effect_grams_) {
    MatrixXd posterior = prior;
    for (Index k = 0; k < p; ++k)
      for (Index m = 0; m < p; ++m) posterior.block(k * q, m * q, q, q) += precision(k, m) * gram;
    roots.emplace_back(posterior);
  }
  for (Index j = 0; j < problem_.groups; ++j) {
    const LLT<MatrixXd>& root =
        roots[static_cast<std::size_t>(effect_gram_of_[static_cast<std::size_t>(j)])];
    const VectorXd noise = root.matrixU().solve(normal_draws(e, 1, stream_));
    effects_.row(j) = (root.solve(VectorXd(cross.row(j).transpose())) + noise).transpose();
  }
  move_effects(expected, prior);
}

/// Coefficients of what is a group's own are moved against the effects of groups, which changes no
/// fitted value: without that both would walk together slowly (hierarchical centring, Gelfand, Sahu
/// & Carlin 1995). `precision` is that of the effects about `expected`.
void ImputationSampler::move_effects(const MatrixXd& expected, const MatrixXd& precision) {
  const Index p = values_.cols();
  const Index q = problem_.effects;
  const auto s = static_cast<Index>(group_columns_.size());
  const MatrixXd weighted = (effects_ - expected) * precision;
  MatrixXd information(p * s, p * s);
  VectorXd right(p * s);
  for (Index c = 0; c < s; ++c) {
    const GroupColumn& a = group_columns_[static_cast<std::size_t>(c)];
    for (Index k = 0; k < p; ++k) right[k * s + c] = a.multiple.dot(weighted.col(k * q + a.effect));
    for (Index d = 0; d < s; ++d) {
      const GroupColumn& b = group_columns_[static_cast<std::size_t>(d)];
      const double product = a.multiple.dot(b.multiple);
      for (Index k = 0; k < p; ++k)
        for (Index m = 0; m < p; ++m)
          information(k * s + c, m * s + d) =
              product * precision(k * q + a.effect, m * q + b.effect);
    }
  }
  const LLT<MatrixXd> root(information);
  const VectorXd noise = root.matrixU().solve(normal_draws(p * s, 1, stream_));
  const VectorXd shift = root.solve(right) + noise;
  for (Index c = 0; c < s; ++c) {
    const GroupColumn& a = group_columns_[static_cast<std::size_t>(c)];
    for (Index k = 0; k < p; ++k) {
      effects_.col(k * q + a.effect) -= shift[k * s + c] * a.multiple;
      coefficients_(a.column, k) += shift[k * s + c];
    }
  }
}

void ImputationSampler::draw_group_values(bool adapt) {
  const Index e = effects_.cols();
  const Index g = group_values_.cols();
  MatrixXd both(problem_.groups, e + g);
  both << effects_, group_values_;
  MatrixXd mean(problem_.groups, e + g);
  mean << MatrixXd::Zero(problem_.groups, e), problem_.group_fixed * group_coefficients_;
  group_rows_.draw(both, mean, between_.covariance(), adapt, stream_);
  group_values_ = both.rightCols(g);
}

void ImputationSampler::draw_coefficients() {
  coefficients_ = draw_regression(gram_, problem_.fixed.transpose() * (values_ - group_part()),
                                  residual_.covariance(), stream_);
  const Index e = effects_.cols();
  const Index g = group_values_.cols();
  if (g == 0) return;
  const MatrixXd& all = between_.covariance();
  const LLT<MatrixXd> root(all.topLeftCorner(e, e));
  const MatrixXd slopes = root.solve(MatrixXd(all.topRightCorner(e, g)));
  const MatrixXd conditional = all.bottomRightCorner(g, g) - all.bottomLeftCorner(g, e) * slopes;
  group_coefficients_ = draw_regression(
      group_gram_, problem_.group_fixed.transpose() * (group_values_ - effects_ * slopes),
      conditional, stream_);
}

void ImputationSampler::draw_covariances() {
  const MatrixXd residuals = values_ - problem_.fixed * coefficients_ - group_part();
  residual_.draw(residuals.transpose() * residuals, static_cast<double>(residuals.rows()), stream_);
  if (problem_.groups == 0) return;
  MatrixXd both(problem_.groups, effects_.cols() + group_values_.cols());
  both.leftCols(effects_.cols()) = effects_;
  if (group_values_.cols() > 0)
    both.rightCols(group_values_.cols()) =
        group_values_ - problem_.group_fixed * group_coefficients_;
  between_.draw(both.transpose() * both, static_cast<double>(problem_.groups), stream_);
  rescale_effects(residuals);
}

/// Each effect of groups is multiplied, with its SD, by a factor drawn given everything else: an SD
/// near 0 holds its effects near 0 and they hold it, which this moves together.
void ImputationSampler::rescale_effects(MatrixXd residuals) {
  const Index p = values_.cols();
  const MatrixXd precision = LLT<MatrixXd>(residual_.covariance()).solve(MatrixXd::Identity(p, p));
  VectorXd part(values_.rows());  // what the effect gives each row
  for (Index e = 0; e < effects_.cols(); ++e) {
    const Index k = e / problem_.effects;
    const Index l = e % problem_.effects;
    for (Index i = 0; i < part.size(); ++i)
      part[i] = problem_.fixed(i, l) * effects_(problem_.group[static_cast<std::size_t>(i)], e);
    const double cross = part.dot(residuals * precision.col(k));
    const double square = precision(k, k) * part.squaredNorm();
    const double log_c = slice_sample(
        [&](double at) {
          const double c = std::exp(at);
          return (c - 1) * cross - (c - 1) * (c - 1) * square / 2 +
                 between_.log_density_of_scale(e, c);
        },
        stream_);
    const double c = std::exp(log_c);
    residuals.col(k) -= (c - 1) * part;
    effects_.col(e) *= c;
    between_.rescale(e, c);
  }
}

VectorXd ImputationSampler::parameters() const {
  std::vector<double> all(coefficients_.data(), coefficients_.data() + coefficients_.size());
  all.insert(all.end(), group_coefficients_.data(),
             group_coefficients_.data() + group_coefficients_.size());
  append_spread(residual_.covariance(), all);
  if (problem_.groups > 0) append_spread(between_.covariance(), all);
  for (const auto* columns : {&rows_.thresholds(), &group_rows_.thresholds()})
    for (const LatentThresholds& cuts : *columns)
      for (std::size_t t = 1; t + 1 < cuts.all().size(); ++t) all.push_back(cuts.all()[t]);
  return Eigen::Map<const VectorXd>(all.data(), static_cast<Index>(all.size()));
}

namespace {

void append_spread_names(const std::vector<std::string>& names, std::vector<std::string>& all) {
  for (const std::string& name : names) all.push_back("sd(" + name + ")");
  for (std::size_t i = 1; i < names.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) all.push_back("cor(" + names[j] + ", " + names[i] + ")");
}

void append_threshold_names(const std::vector<IncompleteColumn>& columns,
                            const std::vector<std::string>& names, std::vector<std::string>& all) {
  for (std::size_t k = 0; k < columns.size(); ++k)
    if (columns[k].kind == ImputedKind::ordinal)
      for (Index t = 1; t + 2 < columns[k].categories; ++t)
        all.push_back("threshold(" + names[k] + ", " + std::to_string(t + 1) + ")");
}

}  // namespace

std::vector<std::string> parameter_names(const ImputationProblem& problem,
                                         const ImputationNames& names) {
  std::vector<std::string> all;
  for (const std::string& variable : names.variables)
    for (const std::string& term : names.fixed)
      all.push_back("beta(" + term + ", " + variable + ")");
  for (const std::string& variable : names.group_variables)
    for (const std::string& term : names.group_fixed)
      all.push_back("beta(" + term + ", " + variable + ")");
  append_spread_names(names.variables, all);
  if (problem.groups > 0) {
    std::vector<std::string> between;
    for (const std::string& variable : names.variables)
      for (const std::string& effect : names.effects)
        between.push_back((effect == "(Intercept)" ? variable : variable + ":" + effect) + "|" +
                          names.group);
    between.insert(between.end(), names.group_variables.begin(), names.group_variables.end());
    append_spread_names(between, all);
  }
  append_threshold_names(problem.columns, names.variables, all);
  append_threshold_names(problem.group_columns, names.group_variables, all);
  return all;
}

}  // namespace rapport
