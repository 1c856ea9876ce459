#include <rapport/data/csv_stream.hpp>
#include <rapport/data/expression.hpp>
#include <rapport/mixed/accumulate.hpp>

#include "fit.hpp"
#include <algorithm>
#include <unordered_set>
#include <utility>

namespace rapport::program {
namespace {

/// --stream gives what cross-products give.
void refuse_rows(const FitArguments& arguments) {
  const std::vector<std::pair<bool, const char*>> needs_rows = {
      {arguments.fitted, "--fitted"},
      {arguments.simulate > 0, "--simulate"},
      {!arguments.influence.empty(), "--influence"},
      {!arguments.against.empty(), "--against"},
      {!arguments.refit.empty(), "--refit"},
      {!arguments.predict.empty(), "--predict"}};
  for (const auto& [given, option] : needs_rows)
    if (given)
      throw UsageError(std::string(option) +
                       ": needs every row in memory, which --stream does not keep");
  if (is_generalized(arguments))
    throw UsageError(
        "--stream: takes Gaussian models with independent residuals only; others need every row "
        "more than once");
}

bool rests_on_other_rows(const Expression& expression) {
  const std::unordered_set<std::string> functions = {"mean", "within", "between", "lag"};
  if (expression->kind == ExpressionNode::Kind::call && functions.count(expression->name) > 0)
    return true;
  return std::any_of(expression->arguments.begin(), expression->arguments.end(),
                     rests_on_other_rows);
}

/// --let and --where see one piece at a time.
void refuse_means(const CommonOptions& common) {
  const auto check = [](const std::string& option, const std::string& text, std::size_t from) {
    std::size_t position = from;
    if (rests_on_other_rows(parse_expression_at(text, position)))
      throw UsageError(option + ": \"" + text +
                       "\" rests on several rows; --stream reads the file in pieces");
  };
  for (const std::string& definition : common.let) {
    std::size_t position = 0;
    (void)parse_name_at(definition, position);
    check("--let", definition, definition.find('=', position) + 1);
  }
  for (const std::string& condition : common.where) check("--where", condition, 0);
}

/// The pieces of DATA, with --rename, --factor, --let and --where. Where the formula has person
/// means or lags, a piece ends with a person, whose rows must stand together.
class Pieces {
 public:
  Pieces(const CommonOptions& common, const Formula& formula)
      : common_(common), formula_(formula), stream_(common.data, csv_options(common)) {
    const std::vector<std::string> groups = panel_groups(formula);
    if (groups.size() > 1)
      throw UsageError(
          "--stream: within(), between() and lag() must have the same grouping column");
    if (!groups.empty()) person_ = groups.front();
  }

  std::optional<Table> next() {
    std::optional<Table> raw = stream_.next();
    if (!raw) return std::nullopt;
    Index kept = 0;
    Table piece = prepared_table(common_, std::move(*raw), [&](Table& all) {
      kept = person_.empty() ? all.rows() : whole_persons(all);
      if (kept == 0) return;
      add_panel_columns(all, formula_);
    });
    if (kept == 0) return next();  // one person filled the piece: it has grown
    rows_ += piece.rows();
    return piece;
  }

  void rewind() {
    stream_.rewind();
    forget();
  }
  void start_again(std::size_t column) {
    stream_.start_again(column);
    forget();
  }
  [[nodiscard]] double share_read() const { return stream_.share_read(); }
  [[nodiscard]] Index rows() const { return rows_; }

 private:
  void forget() {
    persons_.clear();
    rows_ = 0;
  }

  /// Leaves the last person to the next piece, unless the file ends; returns the rows left.
  Index whole_persons(Table& all) {
    const Column& column = all.column(person_);
    const auto same = [&](Index a, Index b) {
      if (const auto* numbers = std::get_if<Eigen::VectorXd>(&column.values))
        return (*numbers)[a] == (*numbers)[b];
      const Factor& factor = std::get<Factor>(column.values);
      return factor.codes[static_cast<std::size_t>(a)] == factor.codes[static_cast<std::size_t>(b)];
    };
    Index n = all.rows();
    if (!stream_.at_end()) {
      Index last = n - 1;
      while (last > 0 && same(last - 1, n - 1)) --last;
      stream_.keep_back(n - last);
      n = last;
    }
    for (Index i = 0; i < n; ++i)
      if ((i == 0 || !same(i - 1, i)) && !persons_.insert(cell_text(column, i)).second)
        throw DataError("--stream: the rows of " + person_ + " " + cell_text(column, i) +
                            " do not stand together, as the formula's person means need; sort the "
                            "file by " +
                            person_ + ", or leave --stream out",
                        common_.data, all.line(i));
    std::vector<Index> rows(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i) rows[static_cast<std::size_t>(i)] = i;
    if (n > 0 && n < all.rows()) all = all.select(rows);
    return n;
  }

  const CommonOptions& common_;
  const Formula& formula_;
  CsvStream stream_;
  std::string person_;
  std::unordered_set<std::string> persons_;
  Index rows_ = 0;
};

ModelOfData accumulate(const FitArguments& arguments, const Formula& formula,
                       const VariableLevels& levels, Pieces& pieces) {
  std::optional<MixedAccumulator> sums;
  const DesignOptions options = design_options(arguments, ResponseKind::numeric);
  std::optional<Table> piece = pieces.next();
  while (piece && piece->rows() == 0) piece = pieces.next();
  if (!piece) throw DataError("no row is left to fit", arguments.common->data);
  {
    // The groups of the first piece tell how many to expect.
    MixedAccumulator first(formula, *piece, levels, options);
    first.add(*piece);
    const auto expected = static_cast<Index>(1.2 * static_cast<double>(first.groups()) /
                                             std::max(pieces.share_read(), 1e-9));
    sums.emplace(formula, *piece, levels, options, arguments.common->threads, expected);
  }
  for (; piece; piece = pieces.next()) sums->add(*piece);
  piece.reset();
  const Index used = sums->rows();
  MixedModel model = sums->model();
  const auto kept = std::make_shared<MixedAccumulator>(std::move(*sums));
  return {kept->design(), std::move(model), pieces.rows(), used,
          [kept](const MixedFit& fit) { return kept->explained(fit); }};
}

VariableLevels scan_levels(const Formula& formula, Pieces& pieces) {
  VariableLevels levels;
  pieces.rewind();
  while (const std::optional<Table> piece = pieces.next()) collect_levels(formula, *piece, levels);
  pieces.rewind();
  return levels;
}

}  // namespace

ModelOfData stream_model(const FitArguments& arguments, const Formula& formula) {
  refuse_rows(arguments);
  refuse_means(*arguments.common);
  Pieces pieces(*arguments.common, formula);
  VariableLevels levels;
  while (true) {
    try {
      return accumulate(arguments, formula, levels, pieces);
    } catch (const TextInNumbers& error) {
      pieces.start_again(error.column);
      levels.clear();
    } catch (const UnknownLevel&) {
      if (!levels.empty()) throw;
      levels = scan_levels(formula, pieces);
    }
  }
}

}  // namespace rapport::program
