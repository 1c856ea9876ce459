#include <rapport/report/generalized.hpp>
#include <rapport/report/mixed.hpp>
#include <rapport/report/text.hpp>

#include <utility>

namespace rapport::report {
namespace {

/// One object, or of several an array whose members say which category they are of.
Json one_or_several(std::vector<std::pair<std::string, Json>> values) {
  if (values.size() == 1) return values.front().second;
  Json rows = Json::array();
  for (const auto& [name, value] : values) {
    Json row = Json::object({{"category", name}});
    for (const auto& member : value.members()) row.set(member.first, member.second);
    rows.push_back(std::move(row));
  }
  return rows;
}

Json value_json(double estimate, double standard_error, double lower, double upper) {
  return Json::object({{"estimate", estimate},
                       {"standard_error", standard_error},
                       {"ci_lower", lower},
                       {"ci_upper", upper}});
}

Json mean_json(const ResponseMean& mean) {
  std::vector<std::pair<std::string, Json>> values;
  for (const ResponseValue& value : mean.values)
    values.emplace_back(value.name, value_json(value.estimate, value.standard_error, value.ci.lower,
                                               value.ci.upper));
  return one_or_several(std::move(values));
}

Json contrast_json(const ResponseContrast& contrast) {
  std::vector<std::pair<std::string, Json>> values;
  for (std::size_t k = 0; k < contrast.estimates.size(); ++k) {
    Json value = to_json(contrast.estimates[k]);
    if (!contrast.p_tukey.empty()) value.set("p_tukey", contrast.p_tukey[k]);
    values.emplace_back(contrast.names[k], std::move(value));
  }
  return one_or_several(std::move(values));
}

/// `member(i)` for the i-th of the rows.
template <class Member>
Json with_member(const Json& rows, const std::string& name, const Member& member) {
  Json result = Json::array();
  std::size_t i = 0;
  for (Json row : rows.items()) {
    row.set(name, member(i++));
    result.push_back(std::move(row));
  }
  return result;
}

std::string place_text(const Place& place) {
  std::string text;
  for (const auto& [name, level] : place) text += (text.empty() ? "" : ", ") + level;
  return text;
}

std::vector<std::string> estimate_cells(const std::string& place, const std::string& name,
                                        double estimate, double error, double lower, double upper) {
  return {place, name, number(estimate), number(error),
          "[" + number(lower) + ", " + number(upper) + "]"};
}

void add_contrast_rows(const std::string& label, const ResponseContrast& contrast,
                       std::vector<std::vector<std::string>>& rows) {
  for (std::size_t k = 0; k < contrast.estimates.size(); ++k) {
    const ContrastEstimate& e = contrast.estimates[k];
    rows.push_back(estimate_cells(label, contrast.names[k], e.estimate, e.standard_error,
                                  e.ci.lower, e.ci.upper));
    rows.back().push_back(p_value(e.p_value));
  }
}

}  // namespace

Json with_means(const Json& rows, const std::string& name, const std::vector<ResponseMean>& means) {
  return with_member(rows, name, [&](std::size_t i) { return mean_json(means[i]); });
}

Json with_contrasts(const Json& rows, const std::string& name,
                    const std::vector<ResponseContrast>& contrasts) {
  return with_member(rows, name, [&](std::size_t i) { return contrast_json(contrasts[i]); });
}

Json with_predictions(const Json& rows, const std::string& name,
                      const ResponsePredictions& predictions) {
  return with_member(rows, name, [&](std::size_t i) {
    std::vector<std::pair<std::string, Json>> values;
    for (std::size_t k = 0; k < predictions.names.size(); ++k) {
      const auto row = static_cast<Index>(i);
      const auto column = static_cast<Index>(k);
      values.emplace_back(
          predictions.names[k],
          value_json(predictions.estimate(row, column), predictions.standard_error(row, column),
                     predictions.ci_lower(row, column), predictions.ci_upper(row, column)));
    }
    return one_or_several(std::move(values));
  });
}

std::string response_means_text(const ResponseMeans& means, const std::string& title) {
  std::vector<std::vector<std::string>> rows;
  for (const ResponseMean& mean : means.means)
    for (const ResponseValue& value : mean.values)
      rows.push_back(estimate_cells(place_text(mean.levels), value.name, value.estimate,
                                    value.standard_error, value.ci.lower, value.ci.upper));
  std::string text = "\n" + title + "\n" + aligned({"", "", "estimate", "SE", "CI"}, rows);
  rows.clear();
  for (const ResponseContrast& difference : means.differences)
    add_contrast_rows(
        difference.contrast + (difference.at.empty() ? "" : " at " + place_text(difference.at)),
        difference, rows);
  return text + "\n" + aligned({"", "", "difference", "SE", "CI", "p"}, rows);
}

std::string response_slopes_text(const std::vector<ResponseContrast>& slopes,
                                 const std::string& title) {
  std::vector<std::vector<std::string>> rows;
  for (const ResponseContrast& slope : slopes) add_contrast_rows(place_text(slope.at), slope, rows);
  return "\n" + title + "\n" + aligned({"", "", "slope", "SE", "CI", "p"}, rows);
}

}  // namespace rapport::report
