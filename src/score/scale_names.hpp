#pragma once

#include <rapport/base/error.hpp>
#include <rapport/score/scale.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace rapport {

/// A closed choice and its word in keys.
template <class Enum>
struct Named {
  std::string_view text;
  Enum value;
};

inline constexpr std::array<Named<Confidence>, 4> confidences{
    {{"official", Confidence::official},
     {"verified", Confidence::verified},
     {"rederived", Confidence::rederived},
     {"single_source", Confidence::single_source}}};
inline constexpr std::array<Named<ScoreRule>, 4> score_rules{
    {{"sum", ScoreRule::sum},
     {"mean", ScoreRule::mean},
     {"count_positive", ScoreRule::count_positive},
     {"mean_positive", ScoreRule::mean_positive}}};
inline constexpr std::array<Named<MissingItems>, 4> missing_rules{
    {{"strict", MissingItems::strict},
     {"prorate", MissingItems::prorate},
     {"available", MissingItems::available},
     {"fail", MissingItems::fail}}};
inline constexpr std::array<Named<Direction>, 2> directions{
    {{"better", Direction::better}, {"worse", Direction::worse}}};

template <class Enum, std::size_t N>
std::string_view text_of(const std::array<Named<Enum>, N>& names, Enum value) {
  for (const Named<Enum>& name : names)
    if (name.value == value) return name.text;
  throw InvalidArgument("to_text: not a value of the enumeration");
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<Named<Enum>, N>& names, std::string_view text) {
  for (const Named<Enum>& name : names)
    if (name.text == text) return name.value;
  return std::nullopt;
}

}  // namespace rapport
