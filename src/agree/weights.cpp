#include <rapport/agree/weights.hpp>
#include <rapport/base/error.hpp>

#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

namespace rapport {
namespace {

constexpr std::array<std::pair<std::string_view, AgreementWeights>, 8> names = {{
    {"unweighted", AgreementWeights::unweighted},
    {"linear", AgreementWeights::linear},
    {"quadratic", AgreementWeights::quadratic},
    {"ordinal", AgreementWeights::ordinal},
    {"radical", AgreementWeights::radical},
    {"ratio", AgreementWeights::ratio},
    {"circular", AgreementWeights::circular},
    {"bipolar", AgreementWeights::bipolar},
}};

/// Disagreement of positions i ≠ j (from 1) among q, up to a factor.
double disagreement(AgreementWeights weights, double i, double j, double q) {
  const double step = std::abs(i - j);
  switch (weights) {
    case AgreementWeights::unweighted:
      return 1;
    case AgreementWeights::linear:
      return step;
    case AgreementWeights::quadratic:
      return step * step;
    case AgreementWeights::ordinal:
      return (step + 1) * step / 2;
    case AgreementWeights::radical:
      return std::sqrt(step);
    case AgreementWeights::circular: {
      const double chord = std::sin(std::numbers::pi * step / q);
      return chord * chord;
    }
    case AgreementWeights::bipolar:
      return step * step / ((i + j - 2) * (2 * q - i - j));
    case AgreementWeights::ratio:
      break;
  }
  throw InvalidArgument("agreement_weights: not a set of weights over positions");
}

Eigen::MatrixXd ratio_disagreements(const VectorView& values) {
  const Index q = values.size();
  if (!values.allFinite())
    throw InvalidArgument(
        "agreement_weights: `values` are not all numbers; ratio weights need them");
  Eigen::MatrixXd m = Eigen::MatrixXd::Zero(q, q);
  for (Index j = 0; j < q; ++j)
    for (Index i = 0; i < q; ++i) {
      if (i == j) continue;
      const double sum = values[i] + values[j];
      if (sum == 0)
        throw InvalidArgument(
            "agreement_weights: two `values` sum to 0; ratio weights need a scale with a true "
            "zero");
      const double relative = (values[i] - values[j]) / sum;
      m(i, j) = relative * relative;
    }
  return m;
}

}  // namespace

std::optional<AgreementWeights> parse_agreement_weights(std::string_view text) {
  for (const auto& [name, weights] : names)
    if (name == text) return weights;
  return std::nullopt;
}

std::string_view to_string(AgreementWeights weights) {
  for (const auto& [name, value] : names)
    if (value == weights) return name;
  return "";
}

Eigen::MatrixXd agreement_weights(AgreementWeights weights, const VectorView& values) {
  const Index q = values.size();
  require_at_least("agreement_weights", "values", q, 1);
  Eigen::MatrixXd m = Eigen::MatrixXd::Zero(q, q);
  double largest = 0;
  if (weights == AgreementWeights::ratio) {
    m = ratio_disagreements(values);
    const double range =
        (values.maxCoeff() - values.minCoeff()) / (values.maxCoeff() + values.minCoeff());
    largest = range * range;
  } else {
    for (Index j = 0; j < q; ++j)
      for (Index i = 0; i < q; ++i)
        if (i != j)
          m(i, j) = disagreement(weights, static_cast<double>(i + 1), static_cast<double>(j + 1),
                                 static_cast<double>(q));
    largest = m.maxCoeff();
  }
  if (largest > 0) m /= largest;
  return Eigen::MatrixXd::Ones(q, q) - m;
}

Eigen::MatrixXd agreement_weights(AgreementWeights weights, Index categories) {
  require_at_least("agreement_weights", "categories", categories, 1);
  return agreement_weights(
      weights, Eigen::VectorXd::LinSpaced(categories, 1, static_cast<double>(categories)));
}

void require_agreement_weights(std::string_view function, const MatrixView& weights) {
  const auto fail = [&](const std::string& what) {
    throw InvalidArgument(std::string(function) + ": `weights` " + what);
  };
  if (weights.rows() != weights.cols() || weights.rows() == 0)
    fail("is " + std::to_string(weights.rows()) + " x " + std::to_string(weights.cols()) +
         "; a row and a column for each category are required");
  if (!weights.allFinite()) fail("holds a value that is not finite; all must lie in [0, 1]");
  if (weights.minCoeff() < 0 || weights.maxCoeff() > 1)
    fail("holds a value outside [0, 1]; agreement weights lie between 0 and 1");
  if ((weights.diagonal().array() != 1).any())
    fail("is not 1 on its diagonal; a category agrees with itself");
}

Eigen::MatrixXd category_counts(const CodeView& codes, Index categories) {
  Eigen::MatrixXd counts = Eigen::MatrixXd::Zero(codes.rows(), categories);
  for (Index rater = 0; rater < codes.cols(); ++rater)
    for (Index subject = 0; subject < codes.rows(); ++subject) {
      const int code = codes(subject, rater);
      if (code < -1 || code >= categories)
        throw InvalidArgument("category_counts: `codes` holds " + std::to_string(code) +
                              "; codes must lie in -1 (missing) to " +
                              std::to_string(categories - 1));
      if (code >= 0) counts(subject, code) += 1;
    }
  return counts;
}

}  // namespace rapport
