#include <rapport/base/error.hpp>
#include <rapport/mixed/inference.hpp>

/// Stands in for functions of inference.hpp until they are written; a definition elsewhere takes
/// their place.
namespace rapport {

[[noreturn]] static void pending(const char* function) {
  throw InvalidArgument(std::string(function) + ": not available yet");
}

[[gnu::weak]] std::vector<ParameterInterval> profile_intervals(const MixedModel&, double) {
  pending("profile_intervals");
}
[[gnu::weak]] MixedBootstrap parametric_bootstrap(const MixedModel&, const MixedFit&, Seed,
                                                  const MixedBootstrapOptions&) {
  pending("parametric_bootstrap");
}
[[gnu::weak]] Eigen::MatrixXd simulate_responses(const Design&, const MixedFit&, Seed, Index) {
  pending("simulate_responses");
}
[[gnu::weak]] std::vector<LevelInfluence> deletion_influence(const Design&, const MixedFit&,
                                                             const std::vector<std::int32_t>&,
                                                             const std::vector<std::string>&, int) {
  pending("deletion_influence");
}
[[gnu::weak]] LikelihoodRatioTest likelihood_ratio_test(const MixedFit&, const MixedFit&) {
  pending("likelihood_ratio_test");
}

}  // namespace rapport
