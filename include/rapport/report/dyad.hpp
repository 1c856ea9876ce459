#pragma once

#include <rapport/agree/dyad.hpp>
#include <rapport/data/json.hpp>

#include <string>
#include <vector>

/// Results of agree/dyad.hpp as JSON; names of columns and groups are passed beside them.
namespace rapport::report {

/// `first` and `second` name the outcomes of the two roles.
[[nodiscard]] Json to_json(const ActorPartnerResult& result, const std::string& first,
                           const std::string& second);
[[nodiscard]] Json to_json(const OneWithManyResult& result);
[[nodiscard]] Json to_json(const ConvergenceResult& result);
/// `split` and `compared` count groups: those that are split, and those with two ratings or more.
[[nodiscard]] Json to_json(const std::vector<SplitAlliance>& result,
                           const std::vector<std::string>& groups);

}  // namespace rapport::report
