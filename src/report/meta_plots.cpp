#include <rapport/base/error.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/meta.hpp>
#include <rapport/report/text.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

/// The pictures of a meta-analysis.
namespace rapport::report {
namespace {

constexpr double figure_width = 760;

std::string rounded(double value, int decimals = 2) { return plain_decimal(value, decimals); }

std::string with_interval(double estimate, const ConfidenceInterval& ci) {
  return rounded(estimate) + " [" + rounded(ci.lower) + ", " + rounded(ci.upper) + "]";
}

std::string effect_name(const MetaReport& report) {
  return report.correlations ? "Fisher's z" : "Effect";
}

std::string label_of(const MetaReport& report, Index i) {
  return report.data.labels.empty() ? "Effect " + std::to_string(i + 1)
                                    : report.data.labels[static_cast<std::size_t>(i)];
}

Eigen::VectorXd weights_of(const MetaReport& report) {
  return (report.data.variance.array() + study_variance(*report.fit) + effect_variance(*report.fit))
      .inverse();
}

std::string heterogeneity(const MetaFit& fit) {
  return "Q(" + std::to_string(static_cast<Index>(fit.q.df)) + ") = " + rounded(fit.q.statistic) +
         ", p " + (fit.q.p_value < 0.001 ? "" : "= ") + p_value(fit.q.p_value) +
         "; I² = " + rounded(fit.i2, 0) + " %";
}

// --- Forest
// ------------------------------------------------------------------------------------------------------------

/// Rows of a forest plot from the top down, on the scale that is shown.
class Forest {
 public:
  explicit Forest(const MetaReport& report)
      : report_(report),
        weights_(weights_of(report)),
        many_(report.data.effect.size() > most_named),
        step_(many_ ? rows_of_many / static_cast<double>(report.data.effect.size()) : 1) {}

  void heading(const std::string& text) {
    ticks_.push_back({row_, text});
    ++row_;
  }

  /// A row an effect with its name and numbers; many are thin lines in ascending order.
  void effects(std::vector<Index> rows) {
    if (many_)
      std::stable_sort(rows.begin(), rows.end(), [&](Index a, Index b) {
        return report_.data.effect[a] < report_.data.effect[b];
      });
    for (const Index i : rows) effect(i);
  }

  /// A diamond over the interval of a mean, and under it the prediction interval where there is
  /// one.
  void summary(const std::string& text, double estimate, const ConfidenceInterval& ci,
               const std::optional<ConfidenceInterval>& prediction) {
    if (many_) row_ += 0.5;
    const ConfidenceInterval at = shown(ci);
    const double middle = shown(estimate);
    add_row(text, middle, at);
    Polygon diamond{.x = Eigen::Vector4d(at.lower, middle, at.upper, middle),
                    .y = Eigen::Vector4d(row_, row_ - 0.32, row_, row_ + 0.32),
                    .series = 1};
    summaries_.emplace_back(diamond);
    ++row_;
    if (!prediction) return;
    const ConfidenceInterval reach = shown(*prediction);
    ticks_.push_back({row_, "Prediction interval"});
    right_.push_back({row_, "[" + rounded(reach.lower) + ", " + rounded(reach.upper) + "]"});
    summaries_.emplace_back(ErrorBars{.at = Eigen::VectorXd::Constant(1, row_),
                                      .lower = Eigen::VectorXd::Constant(1, reach.lower),
                                      .upper = Eigen::VectorXd::Constant(1, reach.upper),
                                      .series = 1,
                                      .horizontal = true});
    ++row_;
  }

  void gap() { row_ += 0.4; }

  [[nodiscard]] bool many() const { return many_; }

  void draw(Figure& figure) const {
    figure.y = {
        .lower = -0.7, .upper = row_ - 0.3, .ticks = ticks_, .reversed = true, .grid = false};
    figure.right = right_;
    figure.height = 20 * row_ + 130;
    figure.width = figure_width;
    figure.layers.emplace_back(Rule{.at = 0, .dashed = false});
    if (many_) {
      figure.layers.emplace_back(thin_intervals());
      figure.most_lines = static_cast<Index>(y_.size());
    } else {
      figure.layers.emplace_back(ErrorBars{.at = vector(y_),
                                           .lower = vector(lower_),
                                           .upper = vector(upper_),
                                           .series = 0,
                                           .horizontal = true});
    }
    figure.layers.emplace_back(Points{.x = vector(x_),
                                      .y = vector(y_),
                                      .series = 0,
                                      .size = many_ ? Eigen::VectorXd() : vector(size_)});
    figure.layers.insert(figure.layers.end(), summaries_.begin(), summaries_.end());
  }

  [[nodiscard]] double shown(double value) const {
    return report_.correlations ? std::tanh(value) : value;
  }

 private:
  [[nodiscard]] ConfidenceInterval shown(const ConfidenceInterval& ci) const {
    return {shown(ci.lower), shown(ci.upper), ci.level};
  }

  void add_row(const std::string& text, double estimate, const ConfidenceInterval& ci) {
    ticks_.push_back({row_, text});
    right_.push_back({row_, with_interval(estimate, ci)});
  }

  void effect(Index i) {
    const double sd = std::sqrt(report_.data.variance[i]);
    const double estimate = shown(report_.data.effect[i]);
    const ConfidenceInterval ci =
        shown(normal_interval(report_.data.effect[i], sd, report_.fit->options.confidence_level));
    if (!many_) add_row(label_of(report_, i), estimate, ci);
    y_.push_back(row_);
    x_.push_back(estimate);
    lower_.push_back(ci.lower);
    upper_.push_back(ci.upper);
    size_.push_back(weights_[i]);
    row_ += step_;
  }

  [[nodiscard]] Line thin_intervals() const {
    std::vector<double> x, y;
    for (std::size_t i = 0; i < y_.size(); ++i) {
      x.insert(x.end(), {lower_[i], upper_[i], std::numeric_limits<double>::quiet_NaN()});
      y.insert(y.end(), 3, y_[i]);
    }
    return {.x = vector(x), .y = vector(y), .series = 0, .label = {}, .faint = true};
  }

  [[nodiscard]] static Eigen::VectorXd vector(const std::vector<double>& values) {
    return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size()));
  }

  static constexpr Index most_named = 120;    ///< effects with a row and a name each
  static constexpr double rows_of_many = 45;  ///< the height that more of them share

  const MetaReport& report_;
  Eigen::VectorXd weights_;
  bool many_;
  double step_;
  double row_ = 0;
  std::vector<Tick> ticks_;
  std::vector<Tick> right_;
  std::vector<double> x_, y_, lower_, upper_, size_;
  std::vector<Layer> summaries_;
};

std::string forest_title(const MetaReport& report, const Forest& forest) {
  const MetaFit& fit = *report.fit;
  const std::string count =
      std::to_string(fit.n_used) + " effects" +
      (fit.n_studies < fit.n_used ? " of " + std::to_string(fit.n_studies) + " studies" : "");
  if (fit.coefficients.size() > 1) return count + ": " + heterogeneity(fit) + " after moderators";
  const MetaCoefficient& mean = fit.coefficients[0];
  const ConfidenceInterval ci{forest.shown(mean.ci.lower), forest.shown(mean.ci.upper),
                              mean.ci.level};
  return std::string(report.correlations ? "Pooled r = " : "Pooled effect ") +
         with_interval(forest.shown(mean.estimate), ci) + " over " + count +
         "; I² = " + rounded(fit.i2, 0) + " %";
}

/// Effects of each level under its name, then the level's own mean.
void add_subgroups(Forest& forest, const MetaReport& report) {
  const Factor& group = *report.subgroup;
  const Index levels = group.level_count();
  const Eigen::MatrixXd at = Eigen::MatrixXd::Identity(levels, levels).rightCols(levels - 1);
  const std::vector<MetaMean> means = meta_means(*report.fit, at);
  for (Index level = 0; level < levels; ++level) {
    const MetaMean& mean = means[static_cast<std::size_t>(level)];
    forest.heading(report.subgroup_name + ": " + group.levels[static_cast<std::size_t>(level)]);
    std::vector<Index> own;
    for (Index i = 0; i < report.data.effect.size(); ++i)
      if (group.codes[static_cast<std::size_t>(i)] == level) own.push_back(i);
    forest.effects(own);
    forest.summary("Mean", mean.estimate, mean.ci, std::nullopt);
    forest.gap();
  }
}

// --- Funnel
// ------------------------------------------------------------------------------------------------------------

/// The region between two significance levels on one side of no effect, from a standard error of 0
/// to `deepest`.
Polygon significance_region(double inner, double outer, double deepest, double shade,
                            const std::string& label) {
  return {.x = Eigen::Vector4d(0, inner * deepest, outer * deepest, 0),
          .y = Eigen::Vector4d(0, deepest, deepest, 0),
          .series = 5,
          .label = label,
          .shade = shade};
}

/// All that lies beyond the last level, out to `edge`.
Polygon beyond(double inner, double edge, double deepest, double shade, const std::string& label) {
  return {.x = Eigen::Vector4d(0, inner * deepest, edge, edge),
          .y = Eigen::Vector4d(0, deepest, deepest, 0),
          .series = 5,
          .label = label,
          .shade = shade};
}

void add_significance_regions(Figure& figure, double deepest, double widest) {
  const double z10 = normal_quantile(0.95), z05 = normal_quantile(0.975),
               z01 = normal_quantile(0.995);
  const double edge = std::max(widest, z01 * deepest);
  for (const double side : {1.0, -1.0}) {
    const bool first = side > 0;
    figure.layers.emplace_back(
        significance_region(side * z10, side * z05, deepest, 0.10, first ? ".05 < p < .10" : ""));
    figure.layers.emplace_back(
        significance_region(side * z05, side * z01, deepest, 0.18, first ? ".01 < p < .05" : ""));
    figure.layers.emplace_back(
        beyond(side * z01, side * edge, deepest, 0.28, first ? "p < .01" : ""));
  }
}

std::string funnel_title(const MetaReport& report) {
  if (!report.bias) return "Effects by precision";
  const MetaBias& bias = *report.bias;
  return "Egger's test p " + std::string(bias.egger.p_value < 0.001 ? "" : "= ") +
         p_value(bias.egger.p_value) + "; trim and fill adds " + std::to_string(bias.trim_fill.k0) +
         (bias.trim_fill.k0 == 1 ? " effect" : " effects") +
         (bias.trim_fill.k0 > 0 ? (bias.trim_fill.right ? " on the right" : " on the left") : "");
}

}  // namespace

Figure forest_plot(const MetaReport& report) {
  const MetaFit& fit = *report.fit;
  Forest forest(report);
  if (report.subgroup) {
    add_subgroups(forest, report);
  } else {
    std::vector<Index> all(static_cast<std::size_t>(report.data.effect.size()));
    std::iota(all.begin(), all.end(), Index{0});
    forest.effects(all);
  }
  if (fit.coefficients.size() == 1) {
    const MetaCoefficient& mean = fit.coefficients[0];
    forest.gap();
    forest.summary(to_string(fit.options.estimator) + " model", mean.estimate, mean.ci,
                   fit.prediction_interval);
  }
  Figure figure{.title = forest_title(report, forest)};
  forest.draw(figure);
  figure.x.label = report.correlations ? "Correlation" : "Effect";
  figure.left_heading = forest.many() ? "" : "Study";
  figure.right_heading = std::string(report.correlations ? "r" : "Effect") + " [" +
                         rounded(100 * fit.options.confidence_level, 0) + " % CI]";
  figure.caption =
      std::string(
          forest.many()
              ? "Circles are effects with their intervals, in ascending order; the diamond is the "
              : "Circles are effects, their areas the weights; the diamond is the ") +
      "model's mean. " + heterogeneity(fit) + ".";
  return figure;
}

Figure funnel_plot(const MetaReport& report) {
  const Eigen::VectorXd errors = report.data.variance.cwiseSqrt();
  const double deepest = 1.05 * errors.maxCoeff();
  const double pooled = report.fit->coefficients[0].estimate;
  const double reach =
      std::max({std::abs(report.data.effect.maxCoeff()), std::abs(report.data.effect.minCoeff()),
                normal_quantile(0.975) * deepest});
  Figure figure{.title = funnel_title(report)};
  figure.x = {
      .label = effect_name(report), .lower = -1.1 * reach, .upper = 1.1 * reach, .grid = false};
  figure.y = {
      .label = "Standard error", .lower = 0, .upper = deepest, .reversed = true, .grid = false};
  add_significance_regions(figure, deepest, 1.1 * reach);
  if (report.fit->coefficients.size() == 1) figure.layers.emplace_back(Rule{.at = pooled});
  figure.layers.emplace_back(
      Points{.x = report.data.effect, .y = errors, .series = 0, .label = "Effects"});
  if (report.bias && report.bias->trim_fill.k0 > 0) {
    const TrimAndFill& trim = report.bias->trim_fill;
    figure.layers.emplace_back(Points{.x = trim.filled.effect.tail(trim.k0),
                                      .y = trim.filled.variance.tail(trim.k0).cwiseSqrt(),
                                      .series = 1,
                                      .label = "Filled in",
                                      .hollow = true});
  }
  figure.caption =
      "Shaded regions show where an effect differs from 0. The dashed line is the pooled effect.";
  figure.width = figure_width;
  figure.height = 460;
  return figure;
}

Figure baujat_plot(const MetaReport& report) {
  const MetaData& data = report.data;
  const Index k = data.effect.size();
  require_same_size("baujat_plot", "effect", k, "leave_one_out",
                    static_cast<Index>(report.leave_one_out.size()));
  const double estimate = report.fit->coefficients[0].estimate;
  const Eigen::ArrayXd w = data.variance.cwiseInverse();
  const double fixed = (w * data.effect.array()).sum() / w.sum();
  const Eigen::VectorXd added = w * (data.effect.array() - fixed).square();
  Eigen::VectorXd moved(k);
  for (Index i = 0; i < k; ++i) {
    const MetaWithout& without = report.leave_one_out[static_cast<std::size_t>(i)];
    moved[i] = std::pow((estimate - without.estimate) / without.standard_error, 2);
  }
  std::vector<Index> order(static_cast<std::size_t>(k));
  std::iota(order.begin(), order.end(), Index{0});
  const Eigen::VectorXd prominence =
      added.array() / added.maxCoeff() + moved.array() / moved.maxCoeff();
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return prominence[a] > prominence[b]; });
  Figure figure{.title =
                    label_of(report, order[0]) + " stands out most in heterogeneity and influence"};
  figure.x.label = "Contribution to Q";
  figure.y.label = "Squared shift of the pooled effect";
  figure.layers.emplace_back(Points{.x = added, .y = moved, .series = 0});
  for (std::size_t i = 0; i < std::min<std::size_t>(5, order.size()); ++i) {
    const bool right_half = added[order[i]] > 0.6 * added.maxCoeff();
    const double step = (right_half ? -1 : 1) * 0.015 * (added.maxCoeff() - added.minCoeff());
    figure.layers.emplace_back(Note{.x = added[order[i]] + step,
                                    .y = moved[order[i]],
                                    .text = label_of(report, order[i]),
                                    .anchor = right_half ? Anchor::end : Anchor::start});
  }
  figure.width = figure_width;
  figure.caption =
      "The shift is in standard errors of the model without the effect. The five most prominent "
      "are named.";
  return figure;
}

Figure bubble_plot(const MetaReport& report, Index moderator) {
  const MetaFit& fit = *report.fit;
  const MetaData& data = report.data;
  if (moderator < 0 || moderator >= data.moderators.cols())
    throw InvalidArgument("bubble_plot: `moderator` is " + std::to_string(moderator) +
                          " but there are " + std::to_string(data.moderators.cols()) +
                          " columns of moderators");
  const Eigen::VectorXd x = data.moderators.col(moderator);
  const Index points = 60;
  const Eigen::VectorXd grid = Eigen::VectorXd::LinSpaced(points, x.minCoeff(), x.maxCoeff());
  Eigen::MatrixXd at = data.moderators.colwise().mean().replicate(points, 1);
  at.col(moderator) = grid;
  Band band{.x = grid,
            .lower = grid,
            .upper = grid,
            .series = 1,
            .label = rounded(100 * fit.options.confidence_level, 0) + " % band"};
  Line line{.x = grid, .y = grid, .series = 1, .label = "Model"};
  const std::vector<MetaMean> means = meta_means(fit, at);
  for (Index i = 0; i < points; ++i) {
    const MetaMean& mean = means[static_cast<std::size_t>(i)];
    line.y[i] = mean.estimate;
    band.lower[i] = mean.ci.lower;
    band.upper[i] = mean.ci.upper;
  }
  const MetaCoefficient& slope = fit.coefficients[static_cast<std::size_t>(moderator) + 1];
  Figure figure{.title = slope.term + ": slope " + rounded(slope.estimate, 3) + " [" +
                         rounded(slope.ci.lower, 3) + ", " + rounded(slope.ci.upper, 3) + "], p " +
                         (slope.p_value < 0.001 ? "" : "= ") + p_value(slope.p_value)};
  figure.x.label = slope.term;
  figure.y.label = effect_name(report);
  figure.layers = {band, line,
                   Points{.x = x,
                          .y = data.effect,
                          .series = 0,
                          .label = "Effects",
                          .size = weights_of(report),
                          .hollow = false}};
  figure.caption =
      "Areas are the weights of the effects." +
      std::string(data.moderators.cols() > 1 ? " The other moderators are at their means." : "");
  return figure;
}

}  // namespace rapport::report
