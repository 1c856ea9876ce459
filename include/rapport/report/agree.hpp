#pragma once

#include <rapport/agree/bland_altman.hpp>
#include <rapport/agree/chance_corrected.hpp>
#include <rapport/agree/concordance.hpp>
#include <rapport/agree/congruence.hpp>
#include <rapport/agree/generalizability.hpp>
#include <rapport/agree/icc.hpp>
#include <rapport/agree/kappa.hpp>
#include <rapport/agree/krippendorff.hpp>
#include <rapport/agree/marginal.hpp>
#include <rapport/agree/profile.hpp>
#include <rapport/agree/within_group.hpp>
#include <rapport/data/json.hpp>

#include <string>
#include <string_view>
#include <vector>

/// Results of agree/ as JSON. Names of categories, columns and groups are not part of the results
/// and are passed beside them.
namespace rapport::report {

[[nodiscard]] Json to_json(const KappaResult& result);
[[nodiscard]] Json to_json(const LightKappaResult& result);
/// `categories` names `by_category`.
[[nodiscard]] Json to_json(const ChanceCorrectedResult& result,
                           const std::vector<std::string>& categories);
[[nodiscard]] Json to_json(const PercentAgreementResult& result);
[[nodiscard]] Json to_json(const KrippendorffResult& result);
[[nodiscard]] Json to_json(const BootstrapResult& result);
[[nodiscard]] Json to_json(const IccResult& result);
[[nodiscard]] Json to_json(const BlandAltmanResult& result);
[[nodiscard]] Json to_json(const ConcordanceResult& result);
[[nodiscard]] Json to_json(const KendallWResult& result);
[[nodiscard]] Json to_json(const FinnResult& result);
[[nodiscard]] Json to_json(const RobinsonResult& result);
[[nodiscard]] Json to_json(const MaxwellResult& result);
[[nodiscard]] Json to_json(const MarginalTest& result);
[[nodiscard]] Json to_json(const McNemarResult& result);
/// `name` is the key of the groups' values: "rwg", "ad" or "awg".
[[nodiscard]] Json to_json(const WithinGroupResult& result, std::string_view name);
[[nodiscard]] Json to_json(const GroupIccResult& result);
/// With the decision studies asked for.
[[nodiscard]] Json to_json(const GeneralizabilityResult& result,
                           const std::vector<Decision>& decisions);
[[nodiscard]] Json to_json(const std::vector<ProfileSimilarity>& profiles,
                           const std::vector<std::string>& subjects);
[[nodiscard]] Json to_json(const Parameter& parameter);
[[nodiscard]] Json to_json(const ResponseSurfaceResult& result);
[[nodiscard]] Json to_json(const SurfaceBootstrap& result);
[[nodiscard]] Json to_json(const TruthAndBiasResult& result);

}  // namespace rapport::report
