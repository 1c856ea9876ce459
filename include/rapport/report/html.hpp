#pragma once

#include <rapport/report/plot.hpp>

#include <string>
#include <variant>
#include <vector>

/// Pages: one self-contained HTML file without scripts or links to elsewhere, for screen (light and
/// dark) and print.
namespace rapport::report {

/// A paragraph of plain text.
struct Paragraph {
  std::string text = {};
};

/// A list of plain sentences.
struct BulletList {
  std::vector<std::string> items = {};
};

/// A table of text cells. Columns whose cells all look like numbers stand to the right. Rows longer
/// or shorter than the header are refused.
struct PageTable {
  std::string caption = {};
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
  std::string note = {};    ///< under the table
  bool row_headers = true;  ///< the first cell of a row names the row
};

/// What a section holds, in order.
using PageBlock = std::variant<Paragraph, BulletList, PageTable, Figure>;

struct PageSection {
  std::string title = {};
  std::vector<PageBlock> blocks = {};
};

struct Page {
  std::string title = {};
  std::string subtitle = {};               ///< one line: the data, the counts
  std::vector<std::string> warnings = {};  ///< shown first, in a box
  std::vector<PageSection> sections = {};
  std::string footer = {};
};

/// The page as HTML. Text is escaped, headings and tables carry what screen readers need, and
/// sections are listed at the top when there are more than two. Throws InvalidArgument for a table
/// whose rows do not fit its header, and as `to_svg`.
[[nodiscard]] std::string to_html(const Page& page);

/// The page's words and tables as text for a terminal, paragraphs broken at 96 columns; figures are
/// left out.
[[nodiscard]] std::string to_text(const Page& page);

/// Writes `content` to `path`, complete or not at all. Throws DataError if it cannot be written.
void write_file(const std::string& path, const std::string& content);

}  // namespace rapport::report
