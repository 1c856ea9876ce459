#include <rapport/base/error.hpp>
#include <rapport/mixed/inference.hpp>

/// Stands in for functions of inference.hpp until they are written; a definition elsewhere takes
/// their place.
namespace rapport {

[[noreturn]] static void pending(const char* function) {
  throw InvalidArgument(std::string(function) + ": not available yet");
}

[[gnu::weak]] MixedBootstrap parametric_bootstrap(const MixedModel&, const MixedFit&, Seed,
                                                  const MixedBootstrapOptions&) {
  pending("parametric_bootstrap");
}
[[gnu::weak]] Eigen::MatrixXd simulate_responses(const Design&, const MixedFit&, Seed, Index) {
  pending("simulate_responses");
}

}  // namespace rapport
