#include "likelihood.hpp"

#include <rapport/base/error.hpp>

#include "likelihood_rows.hpp"
#include <cmath>
#include <limits>
#include <string>

namespace rapport::detail {
namespace {

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

[[noreturn]] void refuse(Family family, const char* what, double value) {
  throw DataError("the response of family " + std::string(to_string(family)) + " must be " + what +
                  "; it holds " + number(value));
}

void require_proportions(const Eigen::VectorXd& y, const Eigen::VectorXd& trials) {
  for (Index i = 0; i < y.size(); ++i) {
    if (!(y[i] >= 0 && y[i] <= 1))
      refuse(Family::binomial, "0 or 1, or proportions of trials", y[i]);
    if (trials[i] == 1 && (y[i] == 0 || y[i] == 1)) continue;
    const double successes = y[i] * trials[i];
    if (std::abs(successes - std::round(successes)) > 1e-7 * std::max(1.0, successes)) {
      refuse(Family::binomial, "whole numbers of successes (0 or 1, or cbind(successes, failures))",
             successes);
    }
  }
}

void require_counts(Family family, const Eigen::VectorXd& y) {
  for (const double value : y) {
    if (!(value >= 0) || value != std::floor(value) || value > 1e8)
      refuse(family, "counts: 0, 1, 2, …", value);
  }
}

void require_categories(const Eigen::VectorXd& y, Index categories) {
  if (categories < 2) {
    throw DataError("the response of family cumulative has " + std::to_string(categories) +
                    " category; at least 2 are required");
  }
  for (const double value : y) {
    if (!(value >= 0 && value < static_cast<double>(categories)) || value != std::floor(value)) {
      refuse(Family::cumulative, "the position of a category", value);
    }
  }
}

void require_positive(const Eigen::VectorXd& y) {
  for (const double value : y)
    if (!(value > 0 && value < std::numeric_limits<double>::infinity()))
      refuse(Family::gamma, "positive numbers", value);
}

void require_shares(const Eigen::VectorXd& y) {
  for (const double value : y)
    if (!(value > 0 && value < 1)) refuse(Family::beta, "strictly between 0 and 1", value);
}

}  // namespace

std::unique_ptr<Likelihood> make_likelihood(Family family, Link link,
                                            const Eigen::VectorXd& response,
                                            const Eigen::VectorXd& weights, Index categories) {
  const Eigen::VectorXd w =
      weights.size() == 0 ? Eigen::VectorXd::Ones(response.size()).eval() : weights;
  std::unique_ptr<Likelihood> likelihood;
  switch (family) {
    case Family::binomial:
      require_proportions(response, w);
      likelihood = make_plain(family, link, response, w);
      break;
    case Family::poisson:
      require_counts(family, response);
      likelihood = make_plain(family, link, response, w);
      break;
    case Family::nbinom1:
    case Family::nbinom2:
      require_counts(family, response);
      likelihood = make_with_dispersion(family, link, response, w);
      break;
    case Family::gamma:
      require_positive(response);
      likelihood = make_with_dispersion(family, link, response, w);
      break;
    case Family::beta:
      require_shares(response);
      likelihood = make_with_dispersion(family, link, response, w);
      break;
    case Family::cumulative:
      require_categories(response, categories);
      likelihood = make_cumulative(link, response, w, categories);
      break;
  }
  if (likelihood == nullptr) {
    throw InvalidArgument("fit_generalized_model: `link` is " + std::string(to_string(link)) +
                          "; family " + std::string(to_string(family)) + " does not take it");
  }
  return likelihood;
}

}  // namespace rapport::detail
