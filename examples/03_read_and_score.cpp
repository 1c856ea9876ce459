// Is the questionnaire in order, and what does it score?
#include <rapport/rapport.hpp>

#include <cstdio>

int main() {
  const auto table = rapport::read_csv("simulated_wai_s.csv");
  const auto wai = rapport::find_instrument("wai-s");
  std::vector<std::string> columns;
  for (int i = 1; i <= wai.items; ++i) columns.push_back("wai_s_" + std::to_string(i));
  const auto answers = table.matrix(columns);

  for (const auto& finding : rapport::screen_responses(wai, answers, {.item_names = columns}))
    std::printf("%s\n", finding.message.c_str());

  const auto scores = rapport::score_scale(wai, answers);
  const auto total = rapport::moments(scores.total);
  std::printf("%s, key version %d, %s\n", wai.title.c_str(), wai.version,
              rapport::fingerprint(wai).c_str());
  std::printf("total: mean %.2f, SD %.2f, %d scored, %d not\n", total.mean, total.sd,
              static_cast<int>(scores.n_used), static_cast<int>(scores.n_omitted));
  for (std::size_t s = 0; s < scores.subscale_names.size(); ++s)
    std::printf("%s: mean %.2f\n", scores.subscale_names[s].c_str(),
                rapport::mean(scores.subscales.col(static_cast<rapport::Index>(s))));
}
