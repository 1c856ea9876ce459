#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/data/factor.hpp>

#include <string>
#include <vector>

namespace rapport {

/// How the facets of a generalizability study lie.
enum class StudyDesign {
  raters,                 ///< subject × rater
  raters_occasions,       ///< subject × rater × occasion, all crossed
  raters_in_occasions,    ///< subject × (rater : occasion): each occasion its own raters
  raters_occasions_items  ///< subject × rater × occasion × item, all crossed
};

/// One source of variance.
struct VarianceSource {
  std::string
      source;  ///< "subject", "rater", "occasion", "subject:rater", "rater:occasion", …, "residual"
  double df;
  double mean_square;
  double variance;  ///< by expected mean squares; may be negative
};

/// What a decision study with so many raters (and occasions) would have.
struct Decision {
  double raters;
  double occasions;         ///< 1 in a one-facet design
  double items;             ///< 1 in a design without items
  double relative_error;    ///< variance of errors that change the order of subjects
  double absolute_error;    ///< variance of all errors
  double generalizability;  ///< Eρ² = subject / (subject + relative error)
  double dependability;     ///< Φ = subject / (subject + absolute error)
};

/// A cell is one rating; every subject needs all of them (other subjects are omitted).
struct [[nodiscard]] GeneralizabilityResult {
  StudyDesign design;
  std::vector<VarianceSource> components;
  Decision observed;  ///< for the numbers of raters and occasions in the data
  Index subjects;
  Index n_omitted;  ///< subjects with a missing rating
};

/// Subject × rater, from `ratings` (subjects × raters, NaN missing). Cronbach, Gleser, Nanda &
/// Rajaratnam 1972; Brennan 2001. Throws DataError for fewer than two complete subjects or raters.
GeneralizabilityResult generalizability_study(const MatrixView& ratings);

/// Two facets, crossed: column rater + raters × occasion of `ratings`. `nested`: the raters of an
/// occasion have nothing in common with those of another (StudyDesign::raters_in_occasions).
/// Throws InvalidArgument unless the columns are raters × occasions, each at least two.
GeneralizabilityResult generalizability_study(const MatrixView& ratings, Index raters,
                                              Index occasions, bool nested);

/// Levels of three crossed facets.
struct CrossedFacets {
  Index raters;
  Index occasions;
  Index items;
};

/// Three facets, all crossed: column rater + raters × (occasion + occasions × item) of `ratings`.
/// The residual is the interaction of all four with error. Brennan 2001, chapter 3. Throws
/// InvalidArgument unless the columns are raters × occasions × items, each at least two.
GeneralizabilityResult generalizability_study(const MatrixView& ratings,
                                              const CrossedFacets& facets);

/// Ratings one a row, laid out for generalizability_study: column rater + raters × occasion.
struct FacetRatings {
  Eigen::MatrixXd ratings;  ///< subjects × (raters × occasions), NaN missing
  Index raters;             ///< of an occasion
  Index occasions;
  Index items = 1;
};

/// `rating[i]` is of subject, rater and occasion i (rows that lack one are left out). `nested`:
/// each occasion has its own raters, whatever they are called, and all occasions equally many.
/// Throws InvalidArgument if sizes differ, DataError for two ratings in one cell, or unequal
/// numbers.
FacetRatings facet_ratings(const Factor& subject, const Factor& rater, const Factor& occasion,
                           const VectorView& rating, bool nested);

/// The same for three crossed facets: column rater + raters × (occasion + occasions × item).
FacetRatings facet_ratings(const Factor& subject, const Factor& rater, const Factor& occasion,
                           const Factor& item, const VectorView& rating);

/// A decision study from the components of a study. Facets that its design lacks count for nothing.
[[nodiscard]] Decision decision_study(const GeneralizabilityResult& study, double raters,
                                      double occasions = 1, double items = 1);

/// The least number of raters (with `occasions` and `items` given) whose generalizability, or
/// dependability if `absolute`, reaches `target` in (0, 1); −1 if no number up to 10⁶ does.
[[nodiscard]] Index raters_for_target(const GeneralizabilityResult& study, double target,
                                      bool absolute, double occasions = 1, double items = 1);

}  // namespace rapport
