#include <rapport/alliance/perspective.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/math/moments.hpp>

#include <cmath>
#include <vector>

namespace rapport {
namespace {

struct RatingTerms {
  std::string within;
  std::string between;
};

RatingTerms rating_terms(const StudyColumns& columns, const std::string& rating) {
  const std::string inside = quoted_name(rating) + ", " + quoted_name(columns.patient) + ")";
  return {.within = "within(" + inside, .between = "between(" + inside};
}

/// What two predictors explain together, and the first one's share averaged over both orders of
/// entering them.
struct Shares {
  double total;
  double first;
  double second;
};

Shares shares_of(double r1, double r2, double between) {
  const double total = (r1 * r1 + r2 * r2 - 2 * r1 * r2 * between) / (1 - between * between);
  return {.total = total,
          .first = (r1 * r1 + total - r2 * r2) / 2,
          .second = (r2 * r2 + total - r1 * r1) / 2};
}

Shares shares_of(const Eigen::MatrixXd& complete, const std::vector<Index>& rows) {
  const Eigen::MatrixXd r =
      correlation_from_covariance(covariance_matrix(complete(rows, Eigen::all)));
  return shares_of(r(0, 1), r(0, 2), r(1, 2));
}

}  // namespace

std::string perspective_formula(const StudyColumns& columns, bool random_slope) {
  const RatingTerms client = rating_terms(columns, columns.alliance);
  const RatingTerms therapist = rating_terms(columns, columns.therapist_alliance);
  const StudyTerms terms = study_terms(columns, random_slope);
  return terms.outcome + " ~ " + terms.session + " + " + client.within + " + " + therapist.within +
         " + " + client.between + " + " + therapist.between + " + " + terms.random;
}

PerspectiveComparison compare_perspectives(const FittedModel& model, const Table& table,
                                           const Table& patients, const StudyColumns& columns,
                                           Seed seed, const BootstrapOptions& options) {
  const RatingTerms client = rating_terms(columns, columns.alliance);
  const RatingTerms therapist = rating_terms(columns, columns.therapist_alliance);
  const Factor patient = table.factor(columns.patient);
  const auto sd = [&](const std::string& name) {
    return moments(within_group(table.numbers(name), patient)).sd;
  };
  Eigen::MatrixXd all(patients.rows(), 3);
  all << patients.numbers("final"), patients.numbers("early_alliance"),
      patients.numbers("early_therapist_alliance");
  std::vector<Index> complete;
  for (Index i = 0; i < all.rows(); ++i)
    if (!all.row(i).array().isNaN().any()) complete.push_back(i);
  const Eigen::MatrixXd used = all(complete, Eigen::all);
  std::vector<Index> rows(complete.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<Index>(i);
  const auto share = [&](double Shares::*which) {
    return bootstrap(
        used.rows(),
        [&](const std::vector<Index>& sample) { return shares_of(used, sample).*which; }, seed,
        options);
  };
  return {.client_within = model.effect(client.within),
          .therapist_within = model.effect(therapist.within),
          .client_between = model.effect(client.between),
          .therapist_between = model.effect(therapist.between),
          .standardized_difference =
              model.combination({{client.within, sd(columns.alliance)},
                                 {therapist.within, -sd(columns.therapist_alliance)}}),
          .correlations = compare_overlapping(used.col(0), used.col(1), used.col(2)),
          .r_squared = shares_of(used, rows).total,
          .client_share = share(&Shares::first),
          .therapist_share = share(&Shares::second)};
}

}  // namespace rapport
