#include <rapport/data/csv_stream.hpp>

#include "csv_reader.hpp"
#include <cstdio>

namespace rapport {

struct CsvStream::State {
  struct Close {
    void operator()(std::FILE* open) const { (void)std::fclose(open); }
  };

  std::string name;
  CsvOptions options;
  std::size_t piece;
  std::unique_ptr<std::FILE, Close> file;
  std::uintmax_t size = 0;
  std::uintmax_t used = 0;  ///< bytes of the file that the buffer has seen
  std::optional<CsvLayout> layout;
  std::string buffer;                   ///< text not yet given
  Index line = 1;                       ///< of its beginning
  bool ended = false;                   ///< the file has no more
  std::size_t given = 0;                ///< bytes of the buffer that the last piece took
  std::vector<std::size_t> row_starts;  ///< of its rows
  std::vector<Index> row_lines;
  Index next_line = 1;

  void fill(std::size_t bytes) {
    const std::size_t before = buffer.size();
    buffer.resize(before + bytes);
    const std::size_t got = std::fread(buffer.data() + before, 1, bytes, file.get());
    buffer.resize(before + got);
    used += got;
    if (std::ferror(file.get()) != 0) throw DataError("the file cannot be read to its end", name);
    ended = got < bytes;
  }

  /// The end of the last whole row in the buffer: after a line end outside quotes; 0 if none is.
  [[nodiscard]] std::size_t end_of_rows() const {
    if (ended) return buffer.size();
    if (buffer.find('"') == std::string::npos) {
      const std::size_t last = buffer.rfind('\n');
      return last == std::string::npos ? 0 : last + 1;
    }
    bool quoted = false;
    std::size_t end = 0;
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      if (buffer[i] == '"') quoted = !quoted;
      if (buffer[i] == '\n' && !quoted) end = i + 1;
    }
    return end;
  }
};

CsvStream::CsvStream(const std::string& path, const CsvOptions& options, std::size_t piece_bytes)
    : state_(std::make_unique<State>()) {
  if (path == "-")
    throw DataError("standard input cannot be streamed: it cannot be read twice; name a file",
                    "standard input");
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw DataError("there is no such file", path);
  if (!std::filesystem::is_regular_file(status))
    throw DataError("is no regular file, so that it cannot be streamed", path);
  state_->name = path;
  state_->options = options;
  state_->piece = std::max<std::size_t>(piece_bytes, 256);
  state_->file.reset(std::fopen(path.c_str(), "rb"));
  if (!state_->file) throw DataError("the file cannot be opened; check its permissions", path);
  state_->size = std::filesystem::file_size(path, error);
}

CsvStream::~CsvStream() = default;

std::optional<Table> CsvStream::next() {
  State& state = *state_;
  state.buffer.erase(0, state.given);
  state.line = state.next_line;
  state.given = 0;
  if (!state.ended && state.buffer.size() < state.piece)
    state.fill(state.piece - state.buffer.size());
  std::size_t end = state.end_of_rows();
  while (end == 0 && !state.ended) {
    state.fill(state.piece);
    end = state.end_of_rows();
  }
  const std::string_view text(state.buffer.data(), end);
  std::size_t header = 0;
  const bool first = !state.layout || state.layout->text.empty();
  if (!state.layout) {
    state.layout = detail::CsvReader(text, state.options, state.name).read_layout();
    // A byte order mark is no part of the text that the layout counts.
    if (text.substr(0, 3) == "\xEF\xBB\xBF") state.layout->first_row += 3;
  }
  if (state.line == 1) {
    header = state.layout->first_row;
    state.line = state.layout->first_line;
  }
  state.row_starts.clear();
  detail::CsvReader reader(text.substr(header), state.options, state.name);
  Table table = reader.read_piece(*state.layout, state.line, state.row_starts);
  if (first)
    for (Index j = 0; j < table.columns(); ++j)
      state.layout->text.push_back(std::holds_alternative<Factor>(table.at(j).values));
  state.row_lines = table.origin().lines;
  for (std::size_t& start : state.row_starts) start += header;
  state.given = end;
  state.next_line = reader.next_line_number();
  if (table.rows() == 0) {
    if (!state.ended) return next();
    return std::nullopt;
  }
  return table;
}

void CsvStream::keep_back(Index rows) {
  if (rows == 0) return;
  const std::size_t row = state_->row_starts.size() - static_cast<std::size_t>(rows);
  state_->given = state_->row_starts[row];
  state_->next_line = state_->row_lines[row];
  if (row == 0) state_->piece *= 2;  // or the same piece would come again
}

bool CsvStream::at_end() const { return state_->ended && state_->given == state_->buffer.size(); }

void CsvStream::rewind() {
  State& state = *state_;
  if (std::fseek(state.file.get(), 0, SEEK_SET) != 0)
    throw DataError("the file cannot be read from its beginning again", state.name);
  state.buffer.clear();
  state.given = 0;
  state.line = state.next_line = 1;
  state.used = 0;
  state.ended = false;
}

void CsvStream::start_again(std::size_t column) {
  if (state_->layout->text.empty()) state_->layout->text.resize(state_->layout->names.size());
  state_->layout->text[column] = true;
  rewind();
}

double CsvStream::share_read() const {
  if (state_->size == 0) return 1;
  return static_cast<double>(state_->used) / static_cast<double>(state_->size);
}

}  // namespace rapport
