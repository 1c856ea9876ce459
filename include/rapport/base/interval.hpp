#pragma once

#include <limits>

namespace rapport {

/// An interval with the level it was made for. NaN limits mean that the method does not define it.
struct ConfidenceInterval {
  double lower = std::numeric_limits<double>::quiet_NaN();
  double upper = std::numeric_limits<double>::quiet_NaN();
  double level = 0.95;  ///< in (0, 1)
};

/// The alternative hypothesis of a test.
enum class Alternative { two_sided, less, greater };

}  // namespace rapport
