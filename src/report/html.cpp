#include <rapport/base/error.hpp>
#include <rapport/report/html.hpp>
#include <rapport/report/markup.hpp>
#include <rapport/report/text.hpp>
#include <rapport/version.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rapport::report {
namespace {

constexpr const char* page_style = R"(*{box-sizing:border-box}
html{color-scheme:light dark}
body{margin:0;background:var(--rp-paper);color:var(--rp-ink);line-height:1.5;font-size:16px;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
main,header,footer,nav{max-width:52rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-bottom:.25rem;border-bottom:1px solid var(--rp-grid)}
.subtitle,footer,.note{color:var(--rp-muted)}.note{font-size:.85rem;margin:.25rem 0 0}
nav ul{columns:2;padding-left:1.1rem;margin:1rem 0}a{color:var(--rp-c0)}
.warnings{border-left:4px solid var(--rp-c1);padding:.5rem 1rem;margin:1.25rem 0;background:var(--rp-box)}
.warnings h2{border:0;margin:0;font-size:1rem}.warnings ul{margin:.25rem 0;padding-left:1.1rem}
.scroll{overflow-x:auto;margin:1.25rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:0 0 .4rem}
th,td{padding:.3rem .75rem .3rem 0;text-align:left;vertical-align:top;font-weight:400}
thead th{border-top:2px solid var(--rp-ink);border-bottom:1px solid var(--rp-ink);font-weight:600;vertical-align:bottom}
tbody tr:last-child>*{border-bottom:2px solid var(--rp-ink)}
.n{text-align:right;white-space:nowrap}
figure{margin:1.5rem 0;overflow-x:auto}figure svg{width:100%;max-width:46rem;height:auto;display:block}
footer{padding-top:2rem;padding-bottom:3rem;font-size:.85rem}
:root{--rp-box:#f7f3f1}
@media screen and (prefers-color-scheme:dark){:root{--rp-box:#26211f}}
@media (max-width:40rem){nav ul{columns:1}figure svg{min-width:34rem}}
@media print{body{font-size:10pt}nav{display:none}.scroll,figure{overflow:visible}figure svg{max-width:13.5cm;min-width:0}
figure,table,.scroll,.warnings{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}
main,header,footer{max-width:none;padding-left:0;padding-right:0}a{color:inherit;text-decoration:none}}
)";

bool looks_numeric(const std::string& cell) {
  std::string rest = cell;
  for (const std::string sign : {"−", "–", "×", "⁻", "∞"})
    for (std::size_t at = rest.find(sign); at != std::string::npos; at = rest.find(sign))
      rest.erase(at, sign.size());
  return rest.find_first_not_of("0123456789.,-+%<>=[]() ") == std::string::npos;
}

std::vector<bool> numeric_columns(const PageTable& table) {
  std::vector<bool> numeric(table.header.size(), !table.rows.empty());
  for (const auto& row : table.rows)
    for (std::size_t j = 0; j < row.size(); ++j) numeric[j] = numeric[j] && looks_numeric(row[j]);
  if (table.row_headers && !numeric.empty()) numeric[0] = false;
  return numeric;
}

std::string cell(const std::string& tag, const std::string& scope, bool numeric,
                 const std::string& text) {
  return "<" + tag + (scope.empty() ? "" : " scope=\"" + scope + "\"") +
         (numeric ? " class=\"n\"" : "") + ">" + escaped_markup(text) + "</" + tag + ">";
}

struct BlockWriter {
  std::string operator()(const Paragraph& block) const {
    return "<p>" + escaped_markup(block.text) + "</p>\n";
  }

  std::string operator()(const BulletList& block) const {
    std::string out = "<ul>\n";
    for (const std::string& item : block.items) out += "<li>" + escaped_markup(item) + "</li>\n";
    return out + "</ul>\n";
  }

  std::string operator()(const PageTable& table) const {
    const std::vector<bool> numeric = numeric_columns(table);
    std::string out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                      escaped_markup(table.caption) + "\">\n<table>";
    if (!table.caption.empty()) out += "<caption>" + escaped_markup(table.caption) + "</caption>";
    out += "\n<thead><tr>";
    for (std::size_t j = 0; j < table.header.size(); ++j)
      out += cell("th", "col", numeric[j], table.header[j]);
    out += "</tr></thead>\n<tbody>\n";
    for (const auto& row : table.rows) {
      out += "<tr>";
      for (std::size_t j = 0; j < row.size(); ++j)
        out += table.row_headers && j == 0 ? cell("th", "row", false, row[j])
                                           : cell("td", "", numeric[j], row[j]);
      out += "</tr>\n";
    }
    out += "</tbody></table>\n";
    if (!table.note.empty()) out += "<p class=\"note\">" + escaped_markup(table.note) + "</p>\n";
    return out + "</div>\n";
  }

  std::string operator()(const Figure& figure) const {
    return "<figure>\n" + to_svg(figure, false) + "</figure>\n";
  }
};

/// Lines of at most `columns` characters, broken at blanks and indented by two.
std::string wrapped_text(const std::string& text, std::size_t columns) {
  std::string out;
  std::size_t used = columns;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto length =
        static_cast<std::size_t>(std::count_if(word.begin(), word.end(), [](char c) {
          return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        }));
    const bool next_line = used + 1 + length > columns;
    out += next_line ? (out.empty() ? "  " : "\n  ") : " ";
    used = next_line ? 2 + length : used + 1 + length;
    out += word;
  }
  return out + "\n";
}

struct TextWriter {
  std::string operator()(const Paragraph& block) const { return wrapped_text(block.text, 96); }
  std::string operator()(const BulletList& block) const {
    std::string out;
    for (const std::string& item : block.items) out += wrapped_text("- " + item, 96);
    return out;
  }
  std::string operator()(const PageTable& table) const {
    return "\n" + (table.caption.empty() ? "" : table.caption + "\n") +
           aligned(table.header, table.rows) +
           (table.note.empty() ? "" : wrapped_text(table.note, 96));
  }
  std::string operator()(const Figure&) const { return ""; }
};

void require_rectangular(const Page& page) {
  for (const PageSection& section : page.sections)
    for (const PageBlock& block : section.blocks)
      if (const auto* table = std::get_if<PageTable>(&block))
        for (const auto& row : table->rows)
          require_same_size("to_html", "table.header", static_cast<Index>(table->header.size()),
                            "table.rows[i]", static_cast<Index>(row.size()));
}

std::string contents(const Page& page) {
  if (page.sections.size() < 3) return "";
  std::string out = "<nav aria-label=\"Contents\"><ul>\n";
  for (std::size_t i = 0; i < page.sections.size(); ++i)
    out += "<li><a href=\"#s" + std::to_string(i + 1) + "\">" +
           escaped_markup(page.sections[i].title) + "</a></li>\n";
  return out + "</ul></nav>\n";
}

std::string warnings_box(const std::vector<std::string>& warnings) {
  if (warnings.empty()) return "";
  return "<div class=\"warnings\" role=\"note\"><h2>Warnings</h2>\n" +
         BlockWriter{}(BulletList{warnings}) + "</div>\n";
}

}  // namespace

std::string to_html(const Page& page) {
  require_rectangular(page);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  out += std::string("<meta name=\"generator\" content=\"rapport ") + version + "\">\n";
  out += "<title>" + escaped_markup(page.title) + "</title>\n<style>\n" + figure_style() +
         page_style + "</style>\n</head>\n<body>\n";
  out += "<header><h1>" + escaped_markup(page.title) + "</h1>\n";
  if (!page.subtitle.empty())
    out += "<p class=\"subtitle\">" + escaped_markup(page.subtitle) + "</p>\n";
  out += warnings_box(page.warnings) + "</header>\n" + contents(page) + "<main>\n";
  for (std::size_t i = 0; i < page.sections.size(); ++i) {
    const std::string id = "s" + std::to_string(i + 1);
    out += "<section aria-labelledby=\"" + id + "\">\n<h2 id=\"" + id + "\">" +
           escaped_markup(page.sections[i].title) + "</h2>\n";
    for (const PageBlock& block : page.sections[i].blocks) out += std::visit(BlockWriter{}, block);
    out += "</section>\n";
  }
  out += "</main>\n";
  if (!page.footer.empty()) out += "<footer>" + escaped_markup(page.footer) + "</footer>\n";
  return out + "</body>\n</html>\n";
}

std::string to_text(const Page& page) {
  require_rectangular(page);
  std::string out;
  for (const PageSection& section : page.sections) {
    std::string blocks;
    for (const PageBlock& block : section.blocks) {
      const std::string text = std::visit(TextWriter{}, block);
      blocks += (blocks.empty() || text.empty() || text[0] == '\n' ? "" : "\n") + text;
    }
    if (!blocks.empty()) out += (out.empty() ? "" : "\n") + section.title + "\n" + blocks;
  }
  return out;
}

void write_file(const std::string& path, const std::string& content) {
  const std::string part = path + ".part";
  {
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    out << content;
    out.flush();
    if (!out) {
      std::error_code ignored;
      std::filesystem::remove(part, ignored);
      throw DataError("cannot be written; check the folder and its permissions", path);
    }
  }
  std::error_code failed;
  std::filesystem::rename(part, path, failed);
  if (failed) throw DataError("cannot be written; check the folder and its permissions", path);
}

}  // namespace rapport::report
