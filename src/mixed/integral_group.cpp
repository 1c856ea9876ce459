#include <rapport/math/quadrature.hpp>

#include <Eigen/LU>

#include "group_kernels.hpp"
#include "group_layout.hpp"
#include "integral.hpp"
#include "row_family.hpp"
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace rapport::detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Weights add up, responses are averaged.
std::unique_ptr<RowFamily> make_rows(const BlockLayout& layout, const SortedResponse& response,
                                     double constant) {
  if (!has_row_family(response)) return nullptr;
  Eigen::VectorXd weight = Eigen::VectorXd::Zero(layout.size());
  Eigen::VectorXd total = Eigen::VectorXd::Zero(layout.size());
  for (Index i = 0; i < response.response.size(); ++i) {
    const double w = response.weights.size() == 0 ? 1 : response.weights[i];
    weight[layout.place[at(i)]] += w;
    total[layout.place[at(i)]] += w * response.response[i];
  }
  Eigen::VectorXd mean(layout.size());
  for (Index i = 0; i < layout.size(); ++i) mean[i] = weight[i] > 0 ? total[i] / weight[i] : 0;
  if (!averages_rows(response)) mean = layout.spread(response.response);
  const auto spread = [&](const Eigen::MatrixXd& columns) {
    Eigen::MatrixXd result(layout.size(), columns.cols());
    for (Index j = 0; j < columns.cols(); ++j) result.col(j) = layout.spread(columns.col(j));
    return result;
  };
  return make_row_family(response,
                         {.response = std::move(mean),
                          .weight = std::move(weight),
                          .nominal = spread(response.nominal),
                          .zeros = spread(response.zeros)},
                         constant);
}

/// Rows that a Likelihood evaluates, one group after the other.
class ForeignRows {
 public:
  ForeignRows(const SortedDesign& design, const BlockLayout& layout, const Likelihood& likelihood)
      : design_(design), layout_(layout), likelihood_(likelihood) {
    const Index longest =
        layout.rows.empty() ? 0 : *std::max_element(layout.rows.begin(), layout.rows.end());
    for (Eigen::VectorXd* array : {&eta_, &first_, &second_, &third_}) array->resize(longest);
  }
  [[nodiscard]] RowSource source() {
    RowSource source = {};
    source.evaluate = [](const RowSource& rows, long block, const double* eta, RowOrder order,
                         const RowOutput& out) {
      static_cast<ForeignRows*>(rows.context)->evaluate(block, eta, order, out);
    };
    source.add_parameter_gradient = [](const RowSource& rows, long block, const double* eta,
                                       const double* const* weights) {
      static_cast<ForeignRows*>(rows.context)->add_gradient(block, eta, weights);
    };
    source.context = this;
    return source;
  }
  Eigen::VectorXd gradient;  ///< in the family's parameters; added to

 private:
  void evaluate(Index block, const double* eta, RowOrder order, const RowOutput& out) {
    const bool second = order != RowOrder::slope;
    const bool third = order >= RowOrder::third;
    for (Index lane = 0; lane < group_lanes; ++lane) {
      const Index group = layout_.group[at(block * group_lanes + lane)];
      const Index n = group < 0 ? 0 : gather(group, lane, eta, eta_);
      out.value[lane] = n == 0 ? 0
                               : likelihood_.evaluate(design_.starts[at(group)], n, eta_.data(),
                                                      {.first = first_.data(),
                                                       .second = second ? second_.data() : nullptr,
                                                       .third = third ? third_.data() : nullptr});
      scatter(block, lane, n, first_, out.eta[0]);
      if (second) scatter(block, lane, n, second_, out.eta[1]);
      if (third) scatter(block, lane, n, third_, out.eta[2]);
    }
  }
  void add_gradient(Index block, const double* eta, const double* const* weights) {
    for (Index lane = 0; lane < group_lanes; ++lane) {
      const Index group = layout_.group[at(block * group_lanes + lane)];
      if (group < 0) continue;
      const Index n = gather(group, lane, eta, eta_);
      gather(group, lane, weights[0], first_);
      gather(group, lane, weights[1], second_);
      gather(group, lane, weights[2], third_);
      likelihood_.add_parameter_gradient(
          design_.starts[at(group)], n, eta_.data(),
          {.value = first_.data(), .first = second_.data(), .second = third_.data()}, gradient);
    }
  }
  Index gather(Index group, Index lane, const double* from, Eigen::VectorXd& to) const {
    const Index n = design_.starts[at(group) + 1] - design_.starts[at(group)];
    for (Index j = 0; j < n; ++j) to[j] = from[group_lanes * j + lane];
    return n;
  }
  void scatter(Index block, Index lane, Index n, const Eigen::VectorXd& from, double* to) const {
    for (Index j = 0; j < layout_.rows[at(block)]; ++j)
      to[group_lanes * j + lane] = j < n ? from[j] : 0;
  }

  const SortedDesign& design_;
  const BlockLayout& layout_;
  const Likelihood& likelihood_;
  Eigen::VectorXd eta_, first_, second_, third_;
};

/// The product of one-dimensional rules.
struct ProductRule {
  std::vector<double> nodes;
  std::vector<double> log_weights;

  ProductRule(Index points, Index dimensions) {
    const QuadratureRule rule = gauss_hermite(points);
    std::vector<Index> place(at(dimensions), 0);
    for (;;) {
      double log_weight = 0;
      for (const Index k : place) {
        nodes.push_back(rule.nodes[k]);
        log_weight += std::log(rule.weights[k]);
      }
      log_weights.push_back(log_weight);
      std::size_t d = 0;
      while (d < place.size() && ++place[d] == points) place[d++] = 0;
      if (d == place.size()) return;
    }
  }
};

class GroupIntegral final : public Integral {
 public:
  GroupIntegral(const SortedDesign& design, std::unique_ptr<Likelihood> likelihood,
                const SortedResponse& response, Index points)
      : design_(design),
        likelihood_(std::move(likelihood)),
        layout_(design, response, has_row_family(response) && response.zeros.cols() == 0),
        family_(make_rows(layout_, response, likelihood_->constant())),
        foreign_(design, layout_, *likelihood_),
        rule_(points, points > 1 ? count_effects(design) : 1),
        points_(points),
        q_(count_effects(design)),
        p_(design.fixed.cols()),
        n_family_(likelihood_->n_parameters()) {
    fixed_.resize(layout_.size(), p_);
    for (Index j = 0; j < p_; ++j) fixed_.col(j) = layout_.spread(design.fixed.col(j));
    offset_ = layout_.spread(design.offset);
    for (const RandomTerm& term : design.random) {
      for (Index j = 0; j < term.columns.cols(); ++j)
        z_.push_back(layout_.spread(term.columns.col(j)));
    }
    describe_entries();
    describe_factor();
    describe_problem();
    modes_ = Eigen::VectorXd::Zero(layout_.n_blocks() * group_lanes * q_);
    curvature_ = Eigen::VectorXd::Zero(layout_.n_blocks() * group_lanes * q_ * (q_ + 1) / 2);
  }

  double evaluate(const ModelPoint& at, ModelPoint* gradient) override {
    return evaluate_at(at, gradient, nullptr);
  }
  [[nodiscard]] Index points() const override { return points_; }
  [[nodiscard]] bool has_hessian() const override { return family_ != nullptr; }
  double evaluate(const ModelPoint& at, ModelPoint& gradient, Eigen::MatrixXd& hessian) override {
    return evaluate_at(at, &gradient, &hessian);
  }
  [[nodiscard]] std::vector<TermModes> modes() const override;
  [[nodiscard]] Eigen::VectorXd linear_predictor() const override;

 private:
  static Index count_effects(const SortedDesign& design) {
    Index q = 0;
    for (const RandomTerm& term : design.random) q += term.columns.cols();
    return q;
  }
  [[nodiscard]] int n_directions() const { return problem_.n_directions(); }
  [[nodiscard]] bool own_rows() const { return family_ != nullptr; }

  void describe_entries();
  void describe_factor();
  void describe_problem();
  double evaluate_at(const ModelPoint& at, ModelPoint* gradient, Eigen::MatrixXd* hessian);
  void predict_modes(const Eigen::VectorXd& natural);
  [[nodiscard]] Eigen::MatrixXd full_factor(const ModelPoint& at) const;
  [[nodiscard]] Eigen::VectorXd natural_of(const ModelPoint& at) const;
  void fill_gradient(const Eigen::VectorXd& values, ModelPoint& gradient) const;

  const SortedDesign& design_;
  std::unique_ptr<Likelihood> likelihood_;
  BlockLayout layout_;
  std::unique_ptr<RowFamily> family_;  ///< null: foreign_
  ForeignRows foreign_;
  ProductRule rule_;
  Index points_;
  Index q_;
  Index p_;
  Index n_family_;
  Eigen::MatrixXd fixed_;
  Eigen::VectorXd offset_;
  std::vector<Eigen::VectorXd> z_;
  std::vector<RowFamily::Entry> entries_;
  // What GroupProblem points to.
  std::vector<const double*> z_data_, columns_;
  std::vector<int> kind_, direction_, free_row_, free_column_;
  std::vector<double> scratch_;
  std::vector<Index> natural_place_;  ///< of each direction among (β, Λ, ψ)
  GroupProblem problem_ = {};
  // The last evaluation.
  Eigen::VectorXd base_;
  Eigen::MatrixXd factor_;
  Eigen::VectorXd modes_;
  Eigen::VectorXd curvature_;
  // The last evaluation with a Hessian: how the modes move from there.
  Eigen::VectorXd anchor_, anchor_modes_, motion_;
};

/// β, then the family's parameters.
void GroupIntegral::describe_entries() {
  for (Index j = 0; j < p_; ++j) {
    columns_.push_back(fixed_.col(j).data());
    kind_.push_back(0);
    direction_.push_back(static_cast<int>(j));
    natural_place_.push_back(j);
  }
  if (!own_rows()) return;
  entries_ = family_->entries();
  for (const RowFamily::Entry& entry : entries_) {
    columns_.push_back(entry.column.data());
    kind_.push_back(entry.kind);
    direction_.push_back(static_cast<int>(p_ + entry.parameter));
  }
}

/// The free entries of Λ: the lower triangles of the terms along its diagonal.
void GroupIntegral::describe_factor() {
  Index n_factor = 0;
  for (const RandomTerm& term : design_.random)
    n_factor += term.columns.cols() * (term.columns.cols() + 1) / 2;
  if (own_rows()) {
    for (Index j = 0; j < n_family_; ++j) natural_place_.push_back(p_ + n_factor + j);
  }
  Index start = 0;
  Index place = p_;
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    for (Index j = 0; j < q; ++j) {
      for (Index i = j; i < q; ++i) {
        free_row_.push_back(static_cast<int>(start + i));
        free_column_.push_back(static_cast<int>(start + j));
        natural_place_.push_back(place++);
      }
    }
    start += q;
  }
}

void GroupIntegral::describe_problem() {
  for (const Eigen::VectorXd& z : z_) z_data_.push_back(z.data());
  problem_.n_blocks = layout_.n_blocks();
  problem_.n_effects = static_cast<int>(q_);
  problem_.z = z_data_.data();
  problem_.n_entries = static_cast<int>(columns_.size());
  problem_.column = columns_.data();
  problem_.kind = kind_.data();
  problem_.direction = direction_.data();
  problem_.n_explicit = static_cast<int>(own_rows() ? p_ + n_family_ : p_);
  problem_.n_free = static_cast<int>(free_row_.size());
  problem_.free_row = free_row_.data();
  problem_.free_column = free_column_.data();
  const long longest =
      layout_.rows.empty() ? 0 : *std::max_element(layout_.rows.begin(), layout_.rows.end());
  scratch_.resize(
      at(group_scratch_size(longest, n_directions(), static_cast<long>(rule_.log_weights.size()))));
  problem_.scratch = scratch_.data();
}

Eigen::MatrixXd GroupIntegral::full_factor(const ModelPoint& at) const {
  Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(q_, q_);
  Index start = 0;
  for (const Eigen::MatrixXd& term : at.factor) {
    factor.block(start, start, term.rows(), term.cols()) = term;
    start += term.rows();
  }
  return factor;
}

Eigen::VectorXd GroupIntegral::natural_of(const ModelPoint& at) const {
  Eigen::VectorXd natural(p_ + problem_.n_free + at.family.size());
  natural.head(p_) = at.fixed;
  natural.tail(at.family.size()) = at.family;
  for (Index k = 0; k < problem_.n_free; ++k)
    natural[p_ + k] =
        factor_(free_row_[static_cast<std::size_t>(k)], free_column_[static_cast<std::size_t>(k)]);
  return natural;
}

/// Modes move with the parameters; a step far away starts from where they were.
void GroupIntegral::predict_modes(const Eigen::VectorXd& natural) {
  if (anchor_.size() == 0) return;
  const Eigen::VectorXd step = natural - anchor_;
  const Index lanes = group_lanes * q_;
  for (Index b = 0; b < layout_.n_blocks(); ++b) {
    const Eigen::Map<const Eigen::MatrixXd> motion(motion_.data() + b * lanes * n_directions(),
                                                   lanes, n_directions());
    auto modes = modes_.segment(b * lanes, lanes);
    modes = anchor_modes_.segment(b * lanes, lanes);
    for (Index k = 0; k < n_directions(); ++k) modes += step[natural_place_[at(k)]] * motion.col(k);
  }
  if ((modes_ - anchor_modes_).lpNorm<Eigen::Infinity>() > 2) modes_ = anchor_modes_;
}

double GroupIntegral::evaluate_at(const ModelPoint& at, ModelPoint* gradient,
                                  Eigen::MatrixXd* hessian) {
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  if (!(own_rows() ? family_->set_parameters(at.family) : likelihood_->set_parameters(at.family)))
    return undefined;
  problem_.rows = own_rows() ? family_->source() : foreign_.source();
  problem_.rows.first = layout_.first.data();
  problem_.rows.rows = layout_.rows.data();
  factor_ = full_factor(at);
  base_ = offset_;
  base_.noalias() += fixed_ * at.fixed;
  const Eigen::VectorXd natural = natural_of(at);
  predict_modes(natural);
  const Index n = n_directions();
  Eigen::VectorXd slopes(n);
  Eigen::MatrixXd second;
  GroupPoint point = {.base = base_.data(),
                      .factor = factor_.data(),
                      .modes = modes_.data(),
                      .curvature = curvature_.data(),
                      .gradient = gradient == nullptr ? nullptr : slopes.data(),
                      .hessian = nullptr,
                      .motion = nullptr};
  if (hessian != nullptr) {
    second.resize(n, n);
    motion_.resize(modes_.size() * n);
    point.hessian = second.data();
    point.motion = motion_.data();
  }
  foreign_.gradient = Eigen::VectorXd::Zero(n_family_);
  const GroupKernels& kernels = group_kernels();
  const double value =
      points_ == 1 ? kernels.laplace(problem_, point)
                   : kernels.quadrature(problem_, point,
                                        {.points = static_cast<long>(rule_.log_weights.size()),
                                         .nodes = rule_.nodes.data(),
                                         .log_weights = rule_.log_weights.data()});
  if (!std::isfinite(value)) {
    modes_.setZero();
    anchor_.resize(0);
    return undefined;
  }
  const RowFamily::Constant constant =
      own_rows() ? family_->constant() : RowFamily::Constant{likelihood_->constant(), {}, {}};
  if (gradient != nullptr) {
    fill_gradient(slopes, *gradient);
    if (constant.gradient.size() > 0) gradient->family -= constant.gradient;
  }
  if (hessian != nullptr) {
    hessian->resize(n, n);
    for (Index k = 0; k < n; ++k) {
      for (Index l = 0; l < n; ++l)
        (*hessian)(natural_place_[static_cast<std::size_t>(k)],
                   natural_place_[static_cast<std::size_t>(l)]) = second(k, l);
    }
    if (constant.hessian.size() > 0)
      hessian->bottomRightCorner(n_family_, n_family_) -= constant.hessian;
    anchor_ = natural;
    anchor_modes_ = modes_;
  }
  return value - constant.value;
}

void GroupIntegral::fill_gradient(const Eigen::VectorXd& values, ModelPoint& gradient) const {
  gradient.fixed = values.head(p_);
  gradient.family = own_rows() ? Eigen::VectorXd(values.segment(p_, n_family_)) : foreign_.gradient;
  gradient.factor.clear();
  Index k = problem_.n_explicit;
  for (const RandomTerm& term : design_.random) {
    const Index q = term.columns.cols();
    Eigen::MatrixXd slope = Eigen::MatrixXd::Zero(q, q);
    for (Index j = 0; j < q; ++j) {
      for (Index i = j; i < q; ++i) slope(i, j) = values[k++];
    }
    gradient.factor.push_back(std::move(slope));
  }
}

std::vector<TermModes> GroupIntegral::modes() const {
  const Index groups = design_.n_blocks();
  std::vector<TermModes> result(design_.random.size());
  for (std::size_t t = 0; t < result.size(); ++t) {
    const Index q = design_.random[t].columns.cols();
    result[t].modes.resize(groups, q);
    result[t].covariance.resize(groups * q, q);
  }
  for (std::size_t lane = 0; lane < layout_.group.size(); ++lane) {
    const Index group = layout_.group[lane];
    if (group < 0) continue;
    const auto block = static_cast<Index>(lane) / group_lanes;
    const Index within = static_cast<Index>(lane) % group_lanes;
    if (q_ == 1) {
      const Index place = block * group_lanes + within;
      result[0].modes(group, 0) = factor_(0, 0) * modes_[place];
      result[0].covariance(group, 0) = factor_(0, 0) * factor_(0, 0) / curvature_[place];
      continue;
    }
    Eigen::VectorXd u(q_);
    Eigen::MatrixXd h(q_, q_);
    Index k = 0;
    for (Index i = 0; i < q_; ++i) {
      u[i] = modes_[(block * q_ + i) * group_lanes + within];
      for (Index j = 0; j <= i; ++j, ++k) {
        h(i, j) = h(j, i) = curvature_[(block * q_ * (q_ + 1) / 2 + k) * group_lanes + within];
      }
    }
    const Eigen::VectorXd effects = factor_ * u;
    const Eigen::MatrixXd covariance = factor_ * h.inverse() * factor_.transpose();
    Index start = 0;
    for (TermModes& term : result) {
      const Index q = term.modes.cols();
      term.modes.row(group) = effects.segment(start, q).transpose();
      term.covariance.middleRows(group * q, q) = covariance.block(start, start, q, q);
      start += q;
    }
  }
  return result;
}

Eigen::VectorXd GroupIntegral::linear_predictor() const {
  Eigen::VectorXd there = base_;
  Eigen::VectorXd u(q_);
  Eigen::VectorXd effects(q_);
  for (Index b = 0; b < layout_.n_blocks(); ++b) {
    for (Index lane = 0; lane < group_lanes; ++lane) {
      for (Index j = 0; j < q_; ++j) u[j] = modes_[(b * q_ + j) * group_lanes + lane];
      effects.noalias() = factor_ * u;
      for (Index k = 0; k < layout_.rows[at(b)]; ++k) {
        const Index i = layout_.first[at(b)] + group_lanes * k + lane;
        for (Index j = 0; j < q_; ++j) there[i] += z_[at(j)][i] * effects[j];
      }
    }
  }
  Eigen::VectorXd eta(design_.n());
  for (Index i = 0; i < design_.n(); ++i) eta[design_.order[at(i)]] = there[layout_.place[at(i)]];
  return eta;
}

}  // namespace

bool is_grouped(const SortedDesign& design) {
  Index q = 0;
  for (const RandomTerm& term : design.random) q += term.columns.cols();
  return !design.random.empty() && q <= most_effects &&
         std::all_of(design.inner.begin(), design.inner.end(), [](bool inner) { return inner; });
}

std::unique_ptr<Integral> make_group_integral(const SortedDesign& design,
                                              std::unique_ptr<Likelihood> likelihood,
                                              const SortedResponse& response, Index points) {
  return std::make_unique<GroupIntegral>(design, std::move(likelihood), response, points);
}

}  // namespace rapport::detail
