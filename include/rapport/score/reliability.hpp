#pragma once

#include <rapport/base/eigen.hpp>
#include <rapport/base/interval.hpp>
#include <rapport/base/random.hpp>

#include <vector>

namespace rapport {

/// Which rows a covariance rests on.
enum class ItemMissing {
  listwise,  ///< rows that answered every item
  pairwise   ///< each covariance from the rows that answered both items; n counts all rows
};

/// How α's interval is made.
enum class AlphaInterval {
  feldt,             ///< Feldt (1965): exact for multivariate normal, compound-symmetric items
  asymptotic,        ///< normal, with the standard error of Duhachek & Iacobucci (2004)
  distribution_free  ///< normal, with that of Maydeu-Olivares, Coffman & Hartmann (2007); listwise
};

struct ReliabilityOptions {
  ItemMissing missing = ItemMissing::listwise;
  AlphaInterval interval = AlphaInterval::feldt;
  double confidence_level = 0.95;
};

/// Coefficient α. `estimate` is NaN if the total does not vary.
struct [[nodiscard]] AlphaResult {
  double estimate;
  double standard_error;  ///< of the interval's kind; Duhachek & Iacobucci's with Feldt's interval
  ConfidenceInterval ci;
  AlphaInterval method;
  double standardized;  ///< from the mean inter-item correlation
  double mean_inter_item_correlation;
  Index n_used;
  Index n_omitted;
};

/// One item against its scale.
struct [[nodiscard]] ItemStatistic {
  Index n;
  double mean;
  double sd;
  double r_total;           ///< with the total, the item in it
  double r_corrected;       ///< the same with the item's variance replaced by its squared multiple
                            ///< correlation's share
  double r_drop;            ///< with the total of the other items
  double alpha_if_dropped;  ///< NaN for two items
};

/// Guttman's (1945) lower bounds. λ3 is α.
struct [[nodiscard]] GuttmanLambdas {
  double lambda1;
  double lambda2;
  double lambda3;
  double lambda4;  ///< the best equal split
  double lambda5;
  double lambda6;  ///< NaN if the items are linearly dependent
};

/// One division into halves.
struct [[nodiscard]] SplitHalf {
  double r;               ///< between the halves
  double spearman_brown;  ///< 2r / (1 + r)
  double rulon;           ///< 4 cov(A, B) / var(A + B)
};

/// All equal splits (k odd: sizes differing by 1), as Rulon's coefficient.
struct [[nodiscard]] SplitHalves {
  double minimum;
  double maximum;
  double mean;
  bool exact;  ///< every split was looked at (up to 24 items); else extremes by exchange from many
               ///< starts
  SplitHalf odd_even;
  SplitHalf first_second;  ///< the first ⌈k/2⌉ items against the rest
};

/// Everything that the covariance matrix of the items tells of their sum.
struct [[nodiscard]] ReliabilityResult {
  AlphaResult alpha;
  GuttmanLambdas guttman;
  SplitHalves split_half;
  double standard_error_of_measurement;  ///< of the sum: √(V(1 − α))
  std::vector<ItemStatistic> items;
};

/// α of the items (columns, reversed already; NaN is a missing answer) in one pass over the data.
/// Throws InvalidArgument for fewer than 2 items and a level outside (0, 1); DataError for fewer
/// than 2 rows that can be used.
AlphaResult cronbach_alpha(const MatrixView& items, const ReliabilityOptions& options = {});

/// α with a bootstrap interval (percentile) over rows, complete ones only; its standard error is
/// the replicates' SD.
AlphaResult bootstrap_alpha(const MatrixView& items, Seed seed, Index replicates = 1000,
                            double confidence_level = 0.95, int threads = 1);

/// α, Guttman's bounds, split halves and item statistics, as cronbach_alpha takes the items.
ReliabilityResult reliability(const MatrixView& items, const ReliabilityOptions& options = {});

/// Of a covariance matrix of k ≥ 2 items (k × k, symmetric).
[[nodiscard]] double alpha_of_covariance(const MatrixView& covariance);
GuttmanLambdas guttman_lambdas(const MatrixView& covariance);
SplitHalves split_halves(const MatrixView& covariance);

/// Feldt's (1965) interval of an α of k items over n persons.
ConfidenceInterval feldt_interval(double alpha, Index n, Index items, double level = 0.95);

}  // namespace rapport
