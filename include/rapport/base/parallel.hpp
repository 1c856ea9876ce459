#pragma once

#include <rapport/base/eigen.hpp>

#include <functional>

namespace rapport {

/// The number of threads that `requested` stands for: itself, or every core of the machine when it
/// is 0. At least 1.
[[nodiscard]] int thread_count(int requested);

/// Calls `body(i)` once for each i in [0, n), on up to `threads` threads (0: every core), the
/// caller's among them. Each call must write only what belongs to its own i; sums are taken
/// afterwards in index order, so that results do not depend on the number of threads. The first
/// exception in index order is rethrown once all threads have stopped.
void parallel_for(Index n, int threads, const std::function<void(Index)>& body);

}  // namespace rapport
