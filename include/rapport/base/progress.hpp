#pragma once

#include <rapport/base/eigen.hpp>

#include <functional>

namespace rapport {

/// Hears how far a long computation has come. An empty function means that nobody listens.
/// It may be called from any thread, one call at a time, with `done` rising to `total`; returning
/// false asks the computation to stop, which then throws Interrupted.
using Progress = std::function<bool(Index done, Index total)>;

}  // namespace rapport
