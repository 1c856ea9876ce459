#include <rapport/agree/generalizability.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <cmath>
#include <string>

namespace rapport {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd complete_subjects(const MatrixView& ratings) {
  const std::vector<Index> rows = complete_rows(ratings);
  if (rows.size() < 2)
    throw DataError("generalizability_study: " + std::to_string(rows.size()) +
                    " subjects have all ratings; at least two are required");
  return pick_rows(ratings, rows);
}

double squared_norm_about(const VectorXd& values, double centre) {
  return (values.array() - centre).square().sum();
}

double variance_of(const GeneralizabilityResult& study, std::string_view source) {
  for (const VarianceSource& one : study.components)
    if (one.source == source) return one.variance;
  return 0;
}

/// Sums of squares of a balanced subject × rater × occasion layout, from its marginal means.
struct ThreeWay {
  double n;
  double raters;
  double occasions;
  double ss_subject;
  double ss_rater;
  double ss_occasion;
  double ss_subject_rater;
  double ss_subject_occasion;
  double ss_rater_occasion;
  double ss_residual;
};

ThreeWay three_way(const MatrixXd& y, Index raters, Index occasions) {
  const Index n = y.rows();
  const double grand = y.mean();
  MatrixXd by_rater = MatrixXd::Zero(n, raters);        // subject × rater means
  MatrixXd by_occasion = MatrixXd::Zero(n, occasions);  // subject × occasion means
  for (Index o = 0; o < occasions; ++o) {
    by_rater += y.middleCols(o * raters, raters) / static_cast<double>(occasions);
    by_occasion.col(o) = y.middleCols(o * raters, raters).rowwise().mean();
  }
  const VectorXd cell = y.colwise().mean().transpose();  // rater × occasion means
  const VectorXd subject = y.rowwise().mean();
  const VectorXd rater = by_rater.colwise().mean().transpose();
  const VectorXd occasion = by_occasion.colwise().mean().transpose();
  ThreeWay t{};
  t.n = static_cast<double>(n);
  t.raters = static_cast<double>(raters);
  t.occasions = static_cast<double>(occasions);
  t.ss_subject = t.raters * t.occasions * squared_norm_about(subject, grand);
  t.ss_rater = t.n * t.occasions * squared_norm_about(rater, grand);
  t.ss_occasion = t.n * t.raters * squared_norm_about(occasion, grand);
  for (Index r = 0; r < raters; ++r)
    t.ss_subject_rater +=
        t.occasions * ((by_rater.col(r) - subject).array() - (rater[r] - grand)).square().sum();
  for (Index o = 0; o < occasions; ++o) {
    t.ss_subject_occasion +=
        t.raters * ((by_occasion.col(o) - subject).array() - (occasion[o] - grand)).square().sum();
    for (Index r = 0; r < raters; ++r) {
      const Index column = o * raters + r;
      const double interaction = cell[column] - rater[r] - occasion[o] + grand;
      t.ss_rater_occasion += t.n * interaction * interaction;
      const VectorXd fitted = by_rater.col(r) + by_occasion.col(o) - subject;
      t.ss_residual +=
          ((y.col(column) - fitted).array() - (cell[column] - rater[r] - occasion[o] + grand))
              .square()
              .sum();
    }
  }
  return t;
}

/// Expected mean squares of the crossed design, solved from the residual upwards.
std::vector<VarianceSource> crossed_components(const ThreeWay& t) {
  const double p = t.n - 1;
  const double r = t.raters - 1;
  const double o = t.occasions - 1;
  const double ms_p = t.ss_subject / p;
  const double ms_r = t.ss_rater / r;
  const double ms_o = t.ss_occasion / o;
  const double ms_pr = t.ss_subject_rater / (p * r);
  const double ms_po = t.ss_subject_occasion / (p * o);
  const double ms_ro = t.ss_rater_occasion / (r * o);
  const double ms_e = t.ss_residual / (p * r * o);
  return {{"subject", p, ms_p, (ms_p - ms_pr - ms_po + ms_e) / (t.raters * t.occasions)},
          {"rater", r, ms_r, (ms_r - ms_pr - ms_ro + ms_e) / (t.n * t.occasions)},
          {"occasion", o, ms_o, (ms_o - ms_po - ms_ro + ms_e) / (t.n * t.raters)},
          {"subject:rater", p * r, ms_pr, (ms_pr - ms_e) / t.occasions},
          {"subject:occasion", p * o, ms_po, (ms_po - ms_e) / t.raters},
          {"rater:occasion", r * o, ms_ro, (ms_ro - ms_e) / t.n},
          {"residual", p * r * o, ms_e, ms_e}};
}

/// Raters within occasions: their sums of squares join rater and rater × occasion.
std::vector<VarianceSource> nested_components(const ThreeWay& t) {
  const double p = t.n - 1;
  const double o = t.occasions - 1;
  const double in = t.occasions * (t.raters - 1);
  const double ms_p = t.ss_subject / p;
  const double ms_o = t.ss_occasion / o;
  const double ms_po = t.ss_subject_occasion / (p * o);
  const double ms_in = (t.ss_rater + t.ss_rater_occasion) / in;
  const double ms_e = (t.ss_subject_rater + t.ss_residual) / (p * in);
  return {{"subject", p, ms_p, (ms_p - ms_po) / (t.raters * t.occasions)},
          {"occasion", o, ms_o, (ms_o - ms_po - ms_in + ms_e) / (t.n * t.raters)},
          {"subject:occasion", p * o, ms_po, (ms_po - ms_e) / t.raters},
          {"rater:occasion", in, ms_in, (ms_in - ms_e) / t.n},
          {"residual", p * in, ms_e, ms_e}};
}

}  // namespace

GeneralizabilityResult generalizability_study(const MatrixView& ratings) {
  require_at_least("generalizability_study", "raters", ratings.cols(), 2);
  const MatrixXd y = complete_subjects(ratings);
  const auto n = static_cast<double>(y.rows());
  const auto k = static_cast<double>(y.cols());
  const VectorXd subject = y.rowwise().mean();
  const double grand = subject.mean();
  const VectorXd rater = y.colwise().mean().transpose();
  double residual = 0;
  for (Index j = 0; j < y.cols(); ++j)
    residual += ((y.col(j) - subject).array() - (rater[j] - grand)).square().sum();
  const double ms_p = k * squared_norm_about(subject, grand) / (n - 1);
  const double ms_r = n * squared_norm_about(rater, grand) / (k - 1);
  const double ms_e = residual / ((n - 1) * (k - 1));
  GeneralizabilityResult r{};
  r.design = StudyDesign::raters;
  r.components = {{"subject", n - 1, ms_p, (ms_p - ms_e) / k},
                  {"rater", k - 1, ms_r, (ms_r - ms_e) / n},
                  {"residual", (n - 1) * (k - 1), ms_e, ms_e}};
  r.observed = decision_study(r, k);
  r.subjects = y.rows();
  r.n_omitted = ratings.rows() - y.rows();
  return r;
}

GeneralizabilityResult generalizability_study(const MatrixView& ratings, Index raters,
                                              Index occasions, bool nested) {
  require_at_least("generalizability_study", "raters", raters, 2);
  require_at_least("generalizability_study", "occasions", occasions, 2);
  require_same_size("generalizability_study", "ratings' columns", ratings.cols(),
                    "raters x occasions", raters * occasions);
  const MatrixXd y = complete_subjects(ratings);
  const ThreeWay t = three_way(y, raters, occasions);
  GeneralizabilityResult r{};
  r.design = nested ? StudyDesign::raters_in_occasions : StudyDesign::raters_occasions;
  r.components = nested ? nested_components(t) : crossed_components(t);
  r.observed = decision_study(r, t.raters, t.occasions);
  r.subjects = y.rows();
  r.n_omitted = ratings.rows() - y.rows();
  return r;
}

FacetRatings facet_ratings(const Factor& subject, const Factor& rater, const Factor& occasion,
                           const VectorView& rating, bool nested) {
  const Index n = rating.size();
  require_same_size("facet_ratings", "rating", n, "subject", subject.size());
  require_same_size("facet_ratings", "rating", n, "rater", rater.size());
  require_same_size("facet_ratings", "rating", n, "occasion", occasion.size());
  const Index occasions = occasion.level_count();
  // The place of each rater among those of an occasion: the rater's own where crossed.
  Eigen::MatrixXi place = Eigen::MatrixXi::Constant(rater.level_count(), occasions, -1);
  const auto code = [](const Factor& factor, Index i) {
    return factor.codes[static_cast<std::size_t>(i)];
  };
  const auto known = [&](Index i) {
    return code(subject, i) >= 0 && code(rater, i) >= 0 && code(occasion, i) >= 0 &&
           !is_missing(rating[i]);
  };
  for (Index i = 0; i < n; ++i)
    if (known(i)) place(code(rater, i), code(occasion, i)) = 0;
  Index raters = rater.level_count();
  for (Index o = 0; o < occasions; ++o) {
    int next = 0;
    for (Index r = 0; r < rater.level_count(); ++r)
      if (!nested)
        place(r, o) = static_cast<int>(r);
      else if (place(r, o) == 0)
        place(r, o) = next++;
    if (nested && o > 0 && next != raters)
      throw DataError("facet_ratings: occasion \"" + occasion.levels[static_cast<std::size_t>(o)] +
                      "\" has " + std::to_string(next) + " raters but the first " +
                      std::to_string(raters) + "; nested raters must be equally many");
    if (nested) raters = next;
  }
  FacetRatings facets{MatrixXd::Constant(subject.level_count(), raters * occasions, missing),
                      raters, occasions};
  for (Index i = 0; i < n; ++i) {
    if (!known(i)) continue;
    const Index o = code(occasion, i);
    double& cell = facets.ratings(code(subject, i), o * raters + place(code(rater, i), o));
    if (!is_missing(cell))
      throw DataError("facet_ratings: subject \"" +
                      subject.levels[static_cast<std::size_t>(code(subject, i))] +
                      "\" has two ratings by rater \"" +
                      rater.levels[static_cast<std::size_t>(code(rater, i))] + "\" on occasion \"" +
                      occasion.levels[static_cast<std::size_t>(o)] + "\"; one is required");
    cell = rating[i];
  }
  return facets;
}

Decision decision_study(const GeneralizabilityResult& study, double raters, double occasions) {
  if (!(raters > 0) || !(occasions > 0))
    throw InvalidArgument("decision_study: `raters` and `occasions` must be positive");
  const auto variance = [&](std::string_view source) { return variance_of(study, source); };
  const double both = raters * occasions;
  Decision d{.raters = raters,
             .occasions = occasions,
             .relative_error = variance("residual") / both,
             .absolute_error = 0,
             .generalizability = 0,
             .dependability = 0};
  if (study.design == StudyDesign::raters) d.relative_error = variance("residual") / raters;
  d.relative_error += variance("subject:rater") / raters + variance("subject:occasion") / occasions;
  d.absolute_error = d.relative_error + variance("rater") / raters +
                     variance("occasion") / occasions + variance("rater:occasion") / both;
  const double subject = variance("subject");
  d.generalizability = subject / (subject + d.relative_error);
  d.dependability = subject / (subject + d.absolute_error);
  return d;
}

Index raters_for_target(const GeneralizabilityResult& study, double target, bool absolute,
                        double occasions) {
  require_level("raters_for_target", "target", target);
  constexpr Index most = 1000000;
  const auto reaches = [&](Index raters) {
    const Decision d = decision_study(study, static_cast<double>(raters), occasions);
    return (absolute ? d.dependability : d.generalizability) >= target;
  };
  if (!reaches(most)) return -1;
  Index low = 0;
  Index high = most;
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    (reaches(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace rapport
