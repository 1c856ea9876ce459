#include <rapport/data/csv.hpp>
#include <rapport/report/alliance.hpp>

#include <cctype>
#include <string>
#include <vector>

namespace rapport::report {
namespace {

/// "Within and between patients" to "within_and_between_patients".
std::string file_name(const std::string& title) {
  std::string name;
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  return name;
}

/// Quoted where it has to be, with the hyphen that programs read as a minus sign.
std::string csv_cell(std::string text) {
  const std::string minus = "−";
  for (std::size_t at = text.find(minus); at != std::string::npos; at = text.find(minus, at + 1))
    text.replace(at, minus.size(), "-");
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string csv_of(const PageTable& table) {
  std::string out;
  const auto add = [&](const std::vector<std::string>& cells) {
    for (std::size_t j = 0; j < cells.size(); ++j) out += (j > 0 ? "," : "") + csv_cell(cells[j]);
    out += '\n';
  };
  add(table.header);
  for (const std::vector<std::string>& row : table.rows) add(row);
  return out;
}

std::string markdown_of(const PageTable& table) {
  std::string out = "**" + table.caption + "**\n\n";
  const auto add = [&](const std::vector<std::string>& cells) {
    for (const std::string& cell : cells) {
      out += "| ";
      for (const char c : cell) out += c == '|' ? std::string("\\|") : std::string(1, c);
      out += ' ';
    }
    out += "|\n";
  };
  add(table.header);
  add(std::vector<std::string>(table.header.size(), "---"));
  for (const std::vector<std::string>& row : table.rows) add(row);
  return out + (table.note.empty() ? "" : "\n" + table.note + "\n");
}

}  // namespace

std::vector<TableFile> study_tables(const StudyAnalysis& study, const Page& page) {
  std::vector<TableFile> files;
  for (const PageSection& section : page.sections) {
    int number = 0;
    for (const PageBlock& block : section.blocks) {
      const auto* one = std::get_if<PageTable>(&block);
      if (one == nullptr) continue;
      const std::string name = file_name(section.title) + "_" + std::to_string(++number);
      files.push_back({.name = name + ".csv", .content = csv_of(*one)});
      files.push_back({.name = name + ".md", .content = markdown_of(*one)});
    }
  }
  files.push_back({.name = "sessions.csv", .content = to_csv(study.session_table)});
  files.push_back({.name = "patients.csv", .content = to_csv(study.patients)});
  if (study.ruptures)
    files.push_back({.name = "ruptures.csv", .content = to_csv(study.rupture_table)});
  return files;
}

}  // namespace rapport::report
