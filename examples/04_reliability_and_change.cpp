// How reliable is the alliance between and within clients, and who changed?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  const auto table = rapport::read_csv("simulated_wai_s.csv");
  const auto wai = rapport::find_instrument("wai-s");
  std::vector<std::string> columns;
  for (int i = 1; i <= wai.items; ++i) columns.push_back("wai_s_" + std::to_string(i));
  const auto keyed = rapport::keyed_responses(wai, table.matrix(columns));

  const auto alpha = rapport::cronbach_alpha(keyed);
  const auto omega = rapport::omega_total(keyed);
  std::printf("alpha %.3f [%.3f, %.3f], omega %.3f [%.3f, %.3f]\n", alpha.estimate, alpha.ci.lower,
              alpha.ci.upper, omega.total, omega.ci.lower, omega.ci.upper);

  const auto sessions =
      rapport::multilevel_reliability(keyed, table.factor("patient"), table.factor("session"));
  std::printf("between clients RkRn %.3f, change within clients Rcn %.3f\n", sessions.rkrn,
              sessions.rcn);

  const auto pairs =
      rapport::pair_scores(table.factor("patient"), table.factor("session"), table.numbers("bdi"));
  const auto change = rapport::reliable_change(
      pairs.pre, pairs.post, 0.9, rapport::Direction::worse, {.normal_mean = 7, .normal_sd = 6});
  std::printf("%d recovered, %d improved, %d unchanged, %d deteriorated\n",
              static_cast<int>(change.counts.recovered), static_cast<int>(change.counts.improved),
              static_cast<int>(change.counts.unchanged),
              static_cast<int>(change.counts.deteriorated));
}
