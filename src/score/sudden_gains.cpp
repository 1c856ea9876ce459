#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/factor.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/score/sudden_gains.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace rapport {
namespace {

constexpr Index window = 3;
constexpr double fixed_critical = 2.776;  // t(0.975; 4), to the places that Tang & DeRubeis print

/// The values present in sessions first … last.
struct Side {
  double n = 0;
  double mean = 0;
  double squares = 0;  ///< about the mean
};

Side side_of(const Eigen::VectorXd& scores, Index first, Index last) {
  Side side;
  for (Index t = std::max<Index>(first, 0); t <= std::min(last, scores.size() - 1); ++t) {
    if (is_missing(scores[t])) continue;
    side.n += 1;
    const double step = scores[t] - side.mean;
    side.mean += step / side.n;
    side.squares += step * (scores[t] - side.mean);
  }
  return side;
}

/// One person's sessions, turned so that a gain is a drop.
class PersonScan {
 public:
  PersonScan(const Eigen::VectorXd& scores, double sign, double cutoff,
             const SuddenGainOptions& options)
      : scores_(scores), sign_(sign), cutoff_(cutoff), options_(options) {}

  [[nodiscard]] bool is_testable(Index from) const {
    return !is_missing(scores_[from]) && !is_missing(scores_[from + 1]) && before(from).n >= 2 &&
           after(from).n >= 2;
  }

  [[nodiscard]] bool is_gain(Index from) const {
    const double magnitude = drop(from);
    if (is_missing(magnitude) || magnitude < cutoff_ ||
        magnitude < options_.proportion * scores_[from])
      return false;
    return options_.stability == StabilityCriterion::none || is_stable(from);
  }

  [[nodiscard]] SuddenGain event(Index person, Index from) const {
    SuddenGain gain{};
    gain.person = person;
    gain.from = from;
    gain.pre = scores_[from];
    gain.post = scores_[from + 1];
    gain.magnitude = drop(from);
    const double whole = sign_ * (scores_[0] - scores_[scores_.size() - 1]);
    gain.change_proportion = whole != 0 ? gain.magnitude / whole : missing;
    gain.reversal_value = gain.post + sign_ * gain.magnitude / 2;
    for (Index t = from + 2; t < scores_.size(); ++t)
      gain.reversal = gain.reversal || sign_ * (scores_[t] - gain.reversal_value) > 0;
    return gain;
  }

 private:
  [[nodiscard]] double drop(Index from) const {
    return sign_ * (scores_[from] - scores_[from + 1]);
  }
  [[nodiscard]] Side before(Index from) const { return side_of(scores_, from - window + 1, from); }
  [[nodiscard]] Side after(Index from) const { return side_of(scores_, from + 1, from + window); }

  [[nodiscard]] bool is_stable(Index from) const {
    const Side pre = before(from);
    const Side post = after(from);
    if (pre.n < 2 || post.n < 2) return false;
    const double df = pre.n + post.n - 2;
    const double pooled = std::sqrt((pre.squares + post.squares) / df);
    const double critical = options_.stability == StabilityCriterion::fixed
                                ? fixed_critical
                                : students_t_quantile(1 - options_.alpha / 2, df);
    return sign_ * (pre.mean - post.mean) > critical * pooled;
  }

  const Eigen::VectorXd& scores_;
  double sign_;
  double cutoff_;
  const SuddenGainOptions& options_;
};

SuddenGainResult scan(const MatrixView& scores, double cutoff, const SuddenGainOptions& options,
                      double sign) {
  if (scores.cols() < 4)
    throw InvalidArgument("sudden_gains: `scores` has " + std::to_string(scores.cols()) +
                          " sessions; at least 4 are required");
  if (!(cutoff > 0))
    throw InvalidArgument("sudden_gains: `cutoff` is " + shortest_decimal(cutoff) +
                          "; must be above 0");
  require_level("sudden_gains", "alpha", options.alpha);
  SuddenGainResult out{.events = {},
                       .persons = 0,
                       .testable = 0,
                       .untestable = 0,
                       .gains = std::vector<Index>(static_cast<std::size_t>(scores.cols() - 3), 0)};
  for (Index person = 0; person < scores.rows(); ++person) {
    const Eigen::VectorXd own = scores.row(person).transpose();
    const PersonScan sessions(own, sign, cutoff, options);
    const std::size_t found = out.events.size();
    for (Index from = 1; from + 2 < scores.cols(); ++from) {
      (sessions.is_testable(from) ? out.testable : out.untestable) += 1;
      if (!sessions.is_gain(from)) continue;
      out.events.push_back(sessions.event(person, from));
      ++out.gains[static_cast<std::size_t>(from - 1)];
    }
    if (out.events.size() > found) ++out.persons;
  }
  return out;
}

}  // namespace

std::optional<StabilityCriterion> parse_stability_criterion(std::string_view text) {
  if (text == "adjusted") return StabilityCriterion::adjusted;
  if (text == "fixed") return StabilityCriterion::fixed;
  if (text == "none") return StabilityCriterion::none;
  return std::nullopt;
}

SuddenGainResult sudden_gains(const MatrixView& scores, double cutoff,
                              const SuddenGainOptions& options) {
  return scan(scores, cutoff, options, options.higher_is == Direction::worse ? 1 : -1);
}

SuddenGainResult sudden_losses(const MatrixView& scores, double cutoff,
                               const SuddenGainOptions& options) {
  return scan(scores, cutoff, options, options.higher_is == Direction::worse ? -1 : 1);
}

}  // namespace rapport
