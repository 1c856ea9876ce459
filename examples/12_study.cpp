// A whole study from one file of sessions to one page.
#include <rapport/rapport.hpp>

#include <cstdio>
#include <filesystem>

int main() {
  using namespace rapport;
  const Table sessions = read_csv("simulated_panel.csv");
  const StudyAnalysis study = analyse_study(sessions, {.patient = "patient",
                                                       .session = "session",
                                                       .alliance = "wai_client",
                                                       .outcome = "phq9",
                                                       .therapist = "therapist",
                                                       .treatment = "treatment",
                                                       .therapist_alliance = "wai_therapist",
                                                       .dropout = "dropped"});
  std::puts(report::study_text(study).c_str());
  for (const std::string& warning : study.warnings) std::printf("note: %s\n", warning.c_str());

  const auto page = std::filesystem::temp_directory_path() / "rapport_study.html";
  report::write_file(page.string(), report::to_html(report::study_page(study, sessions)));
  std::printf("the page: %s\n", page.string().c_str());
}
