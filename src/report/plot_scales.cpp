#include <rapport/report/plot.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace rapport::report {

std::vector<Tick> round_ticks(double lower, double upper, int count) {
  if (!(lower < upper) || count < 1 || !std::isfinite(upper - lower)) return {};
  const double raw = (upper - lower) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = (lead <= 1.5 ? 1 : lead <= 3.5 ? 2 : lead <= 7.5 ? 5 : 10) * power;
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  std::vector<Tick> ticks;
  for (double multiple = std::ceil(lower / step - 1e-9); multiple * step <= upper + step * 1e-9;
       ++multiple) {
    const double at = multiple == 0 ? 0 : multiple * step;
    std::array<char, 400> buffer{};
    const bool plain = std::abs(at) < 1e6 && decimals <= 6;
    const auto end = plain ? std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                           std::abs(at), std::chars_format::fixed, decimals)
                           : std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                           std::abs(at), std::chars_format::general, 6);
    ticks.push_back({.at = at, .label = (at < 0 ? "−" : "") + std::string(buffer.data(), end.ptr)});
  }
  return ticks;
}

Bars histogram(const VectorView& values, int series) {
  std::vector<double> kept;
  for (const double value : values)
    if (std::isfinite(value)) kept.push_back(value);
  Bars bars{.left = {}, .right = {}, .height = {}, .series = series, .label = {}};
  if (kept.empty()) return bars;
  std::sort(kept.begin(), kept.end());
  const auto n = kept.size();
  const double range = kept.back() - kept.front();
  const double quartiles = kept[(3 * n) / 4 == n ? n - 1 : (3 * n) / 4] - kept[n / 4];
  const double ideal = 2 * quartiles / std::cbrt(static_cast<double>(n));
  const double bins =
      ideal > 0 ? std::ceil(range / ideal) : std::ceil(std::sqrt(static_cast<double>(n)));
  const auto count = static_cast<Index>(std::clamp(bins, 1.0, 60.0));
  const double width = range > 0 ? range / static_cast<double>(count) : 1;
  const double start = range > 0 ? kept.front() : kept.front() - 0.5;
  bars.left = start + width * Eigen::ArrayXd::LinSpaced(count, 0, static_cast<double>(count - 1));
  bars.right = bars.left.array() + width;
  bars.height = Eigen::VectorXd::Zero(count);
  for (const double value : kept)
    ++bars.height[std::clamp<Index>(static_cast<Index>((value - start) / width), 0, count - 1)];
  return bars;
}

}  // namespace rapport::report
