#include <rapport/agree/generalizability.hpp>
#include <rapport/agree/rows.hpp>
#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>

#include <array>
#include <bit>
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

/// "subject:rater" involves both; the residual involves all.
bool involves(const VarianceSource& one, std::string_view facet) {
  return one.source == "residual" || one.source.find(facet) != std::string::npos;
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

/// A fully crossed layout: bit f of a mask stands for factor f, subjects first.
struct Crossed {
  static constexpr unsigned factors = 4;
  static constexpr unsigned everything = (1U << factors) - 1;
  std::array<Index, factors> levels;

  /// Product of the levels of the factors in `mask`.
  [[nodiscard]] double cells(unsigned mask) const {
    double product = 1;
    for (unsigned f = 0; f < factors; ++f)
      if (mask >> f & 1U) product *= static_cast<double>(levels[f]);
    return product;
  }
  [[nodiscard]] double df(unsigned mask) const {
    double product = 1;
    for (unsigned f = 0; f < factors; ++f)
      if (mask >> f & 1U) product *= static_cast<double>(levels[f] - 1);
    return product;
  }
};

/// Σ of squared marginal means of the factors in `mask`, times the ratings each rests on. Subjects
/// are the rows of `y`, the facets run through its columns, the first fastest.
double squared_margin(const MatrixXd& y, const Crossed& layout, unsigned mask) {
  VectorXd sums = VectorXd::Zero(static_cast<Index>(layout.cells(mask)));
  for (Index column = 0; column < y.cols(); ++column)
    for (Index row = 0; row < y.rows(); ++row) {
      Index place = 0;
      Index stride = 1;
      Index left = column;
      for (unsigned f = 0; f < Crossed::factors; ++f) {
        const Index level = f == 0 ? row : left % layout.levels[f];
        if (f > 0) left /= layout.levels[f];
        if ((mask >> f & 1U) == 0) continue;
        place += stride * level;
        stride *= layout.levels[f];
      }
      sums[place] += y(row, column);
    }
  return sums.squaredNorm() / layout.cells(Crossed::everything & ~mask);
}

/// Σ over masks β within `all` that hold `part` of ± value(β), the sign by how many factors β adds
/// to `part` or, if `from_all`, lacks of `all`.
template <class Value>
double alternating_sum(unsigned part, unsigned all, bool from_all, const Value& value) {
  double sum = 0;
  for (unsigned mask = 0; mask <= all; ++mask) {
    if ((mask & part) != part || (mask & ~all) != 0) continue;
    const int steps = std::popcount(from_all ? all & ~mask : mask & ~part);
    sum += steps % 2 == 0 ? value(mask) : -value(mask);
  }
  return sum;
}

std::string name_of(unsigned mask) {
  if (mask == Crossed::everything) return "residual";
  constexpr std::array<const char*, Crossed::factors> names = {"subject", "rater", "occasion",
                                                               "item"};
  std::string joined;
  for (unsigned f = 0; f < Crossed::factors; ++f)
    if (mask >> f & 1U) joined += (joined.empty() ? "" : ":") + std::string(names[f]);
  return joined;
}

/// Sums of squares by inclusion and exclusion, and variances from Brennan's (2001) algorithm: the
/// mean squares of all sources that hold this one, signs alternating, over the ratings of a cell.
std::vector<VarianceSource> crossed_components(const MatrixXd& ratings, const Crossed& layout) {
  const MatrixXd y = ratings.array() - ratings.mean();
  std::array<double, Crossed::everything + 1> margin{};
  std::array<double, Crossed::everything + 1> mean_square{};
  for (unsigned mask = 1; mask <= Crossed::everything; ++mask)
    margin[mask] = squared_margin(y, layout, mask);
  for (unsigned mask = 1; mask <= Crossed::everything; ++mask)
    mean_square[mask] =
        alternating_sum(0, mask, true, [&](unsigned part) { return margin[part]; }) /
        layout.df(mask);
  std::vector<VarianceSource> components;
  for (const unsigned mask : {1U, 2U, 4U, 8U, 3U, 5U, 9U, 6U, 10U, 12U, 7U, 11U, 13U, 14U, 15U}) {
    const double total = alternating_sum(mask, Crossed::everything, false,
                                         [&](unsigned whole) { return mean_square[whole]; });
    components.push_back({name_of(mask), layout.df(mask), mean_square[mask],
                          total / layout.cells(Crossed::everything & ~mask)});
  }
  return components;
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
                      raters, occasions, 1};
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

GeneralizabilityResult generalizability_study(const MatrixView& ratings,
                                              const CrossedFacets& facets) {
  const char* function = "generalizability_study";
  require_at_least(function, "raters", facets.raters, 2);
  require_at_least(function, "occasions", facets.occasions, 2);
  require_at_least(function, "items", facets.items, 2);
  require_same_size(function, "ratings' columns", ratings.cols(), "raters x occasions x items",
                    facets.raters * facets.occasions * facets.items);
  const MatrixXd y = complete_subjects(ratings);
  GeneralizabilityResult r{};
  r.design = StudyDesign::raters_occasions_items;
  r.components =
      crossed_components(y, Crossed{{y.rows(), facets.raters, facets.occasions, facets.items}});
  r.observed =
      decision_study(r, static_cast<double>(facets.raters), static_cast<double>(facets.occasions),
                     static_cast<double>(facets.items));
  r.subjects = y.rows();
  r.n_omitted = ratings.rows() - y.rows();
  return r;
}

FacetRatings facet_ratings(const Factor& subject, const Factor& rater, const Factor& occasion,
                           const Factor& item, const VectorView& rating) {
  require_same_size("facet_ratings", "occasion", occasion.size(), "item", item.size());
  // Occasions and items as one facet of all their combinations.
  Factor both;
  for (const std::string& i : item.levels)
    for (const std::string& o : occasion.levels) both.levels.push_back(o + ":" + i);
  const auto occasions = static_cast<std::int32_t>(occasion.level_count());
  for (std::size_t i = 0; i < item.codes.size(); ++i) {
    const bool known = item.codes[i] >= 0 && occasion.codes[i] >= 0;
    both.codes.push_back(known ? item.codes[i] * occasions + occasion.codes[i] : -1);
  }
  FacetRatings facets = facet_ratings(subject, rater, both, rating, false);
  facets.occasions = occasion.level_count();
  facets.items = item.level_count();
  return facets;
}

Decision decision_study(const GeneralizabilityResult& study, double raters, double occasions,
                        double items) {
  if (!(raters > 0) || !(occasions > 0) || !(items > 0))
    throw InvalidArgument("decision_study: `raters`, `occasions` and `items` must be positive");
  const bool has_occasions = study.design != StudyDesign::raters;
  const bool has_items = study.design == StudyDesign::raters_occasions_items;
  Decision d{.raters = raters,
             .occasions = occasions,
             .items = items,
             .relative_error = 0,
             .absolute_error = 0,
             .generalizability = 0,
             .dependability = 0};
  for (const VarianceSource& one : study.components) {
    if (one.source == "subject") continue;
    double error = one.variance;
    if (involves(one, "rater")) error /= raters;
    if (has_occasions && involves(one, "occasion")) error /= occasions;
    if (has_items && involves(one, "item")) error /= items;
    d.absolute_error += error;
    if (involves(one, "subject")) d.relative_error += error;
  }
  const double subject = variance_of(study, "subject");
  d.generalizability = subject / (subject + d.relative_error);
  d.dependability = subject / (subject + d.absolute_error);
  return d;
}

Index raters_for_target(const GeneralizabilityResult& study, double target, bool absolute,
                        double occasions, double items) {
  require_level("raters_for_target", "target", target);
  constexpr Index most = 1000000;
  const auto reaches = [&](Index raters) {
    const Decision d = decision_study(study, static_cast<double>(raters), occasions, items);
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
