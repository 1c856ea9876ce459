#include <rapport/alliance/agreement.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/moments.hpp>

#include <cmath>
#include <map>

namespace rapport {
namespace {

RaterAgreement agreement_of(const Eigen::VectorXd& first, const Eigen::VectorXd& second,
                            double level) {
  Eigen::MatrixXd ratings(first.size(), 2);
  ratings << first, second;
  return {.bland_altman = bland_altman(first, second, {.confidence_level = level}),
          .icc = intraclass_correlation(ratings, {.confidence_level = level}),
          .concordance = concordance_correlation(first, second, {.confidence_level = level})};
}

std::vector<SessionAgreement> agreement_by_session(const Panel& panel, const Eigen::VectorXd& first,
                                                   const Eigen::VectorXd& second) {
  std::map<double, std::vector<Index>> rows_of;
  for (const Index row : panel.order)
    if (!is_missing(first[row] + second[row])) rows_of[panel.session[row]].push_back(row);
  std::vector<SessionAgreement> sessions;
  for (const auto& [session, rows] : rows_of) {
    const Eigen::VectorXd a = first(rows);
    const Eigen::VectorXd b = second(rows);
    const Moments difference = moments(a - b);
    SessionAgreement at{.session = session,
                        .n = difference.n_used,
                        .difference = difference.mean,
                        .sd_difference = difference.n_used > 1 ? difference.sd : missing,
                        .correlation = missing};
    if (at.n >= 3) {
      const double r = covariance(a, b) / std::sqrt(variance(a) * variance(b));
      if (std::isfinite(r)) at.correlation = r;
    }
    sessions.push_back(at);
  }
  return sessions;
}

}  // namespace

Eigen::VectorXd paired_with(const VectorView& x, const VectorView& other) {
  require_same_size("paired_with", "x", x.size(), "other", other.size());
  Eigen::VectorXd paired = x;
  for (Index i = 0; i < x.size(); ++i)
    if (is_missing(other[i])) paired[i] = missing;
  return paired;
}

PairAgreement pair_agreement(const Table& table, const Panel& panel, const StudyRater& first,
                             const StudyRater& second, double level) {
  const Eigen::VectorXd a = paired_with(table.numbers(first.column), table.numbers(second.column));
  const Eigen::VectorXd b = paired_with(table.numbers(second.column), table.numbers(first.column));
  PairAgreement result{.first = first,
                       .second = second,
                       .sessions = agreement_of(a, b, level),
                       .means = {},
                       .by_session = agreement_by_session(panel, a, b),
                       .convergence = {}};
  if (result.by_session.size() < 2) return result;
  result.means = agreement_of(group_means(a, panel.patient), group_means(b, panel.patient), level);
  result.convergence = dyadic_convergence(a, b, panel.session, panel.patient.codes, level);
  return result;
}

RaterGroupAgreement group_agreement(const Table& table, const std::vector<StudyRater>& raters,
                                    double level) {
  Eigen::MatrixXd ratings(table.rows(), static_cast<Index>(raters.size()));
  for (std::size_t k = 0; k < raters.size(); ++k)
    ratings.col(static_cast<Index>(k)) = table.numbers(raters[k].column);
  const double threshold = moments(ratings.reshaped()).sd;
  RaterGroupAgreement result{
      .raters = raters,
      .icc = intraclass_correlation(ratings, {.confidence_level = level}),
      .concordance = overall_concordance(ratings, {}, {.confidence_level = level}),
      .n_split = 0,
      .n_compared = 0,
      .threshold = threshold};
  for (const SplitAlliance& session : split_alliance(ratings, threshold)) {
    result.n_compared += session.members > 1 ? 1 : 0;
    result.n_split += session.split ? 1 : 0;
  }
  return result;
}

}  // namespace rapport
