#pragma once

#include "likelihood.hpp"
#include "ordinal_shape.hpp"
#include <memory>

namespace rapport::detail {

/// The likelihood of a cumulative model with structured thresholds, nominal or scale effects, or a
/// link that make_likelihood() does not know. `nominal` and `scale` hold the rows' columns in the
/// order of evaluation. Null for a link that no cumulative model has.
std::unique_ptr<Likelihood> make_ordinal_likelihood(const OrdinalShape& shape, Link link,
                                                    const Eigen::VectorXd& response,
                                                    const Eigen::VectorXd& weights,
                                                    const Eigen::MatrixXd& nominal,
                                                    const Eigen::MatrixXd& scale);

}  // namespace rapport::detail
