#include <rapport/base/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace rapport {

int thread_count(int requested) {
  return requested > 0 ? requested
                       : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void parallel_for(Index n, int threads, const std::function<void(Index)>& body) {
  constexpr int most_workers = 256;  // more than any machine profits from; fewer than its limits
  const int workers =
      static_cast<int>(std::min<Index>(std::min(thread_count(threads), most_workers), n));
  if (workers <= 1) {
    for (Index i = 0; i < n; ++i) body(i);
    return;
  }
  std::atomic<Index> next = 0;
  std::mutex guard;
  Index failed_at = n;
  std::exception_ptr failure;
  const auto work = [&] {
    for (Index i = next.fetch_add(1); i < n; i = next.fetch_add(1)) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(guard);
        if (i < failed_at) {
          failed_at = i;
          failure = std::current_exception();
        }
        next.store(n);
      }
    }
  };
  {
    std::vector<std::jthread> pool;
    for (int t = 1; t < workers; ++t) pool.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rapport
