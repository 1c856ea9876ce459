#include <rapport/base/error.hpp>
#include <rapport/mixed/saved_fit.hpp>

#include <algorithm>
#include <cmath>

namespace rapport {
namespace {

constexpr int format_version = 1;

// ---- numbers and lists ----

Eigen::VectorXd vector_from(const Json& json) {
  const Json::Array& items = json.items();
  Eigen::VectorXd values(static_cast<Index>(items.size()));
  for (std::size_t i = 0; i < items.size(); ++i) values[static_cast<Index>(i)] = items[i].number();
  return values;
}

/// Rows, with the size, so that an empty matrix keeps its shape.
Json matrix_json(const Eigen::MatrixXd& matrix) {
  return Json::object(
      {{"rows", matrix.rows()}, {"columns", matrix.cols()}, {"values", Json(matrix)}});
}

Index index_from(const Json& json) { return static_cast<Index>(std::llround(json.number())); }

Eigen::MatrixXd matrix_from(const Json& json) {
  const Index rows = index_from(json.at("rows"));
  const Index columns = index_from(json.at("columns"));
  const Json::Array& values = json.at("values").items();
  if (rows < 0 || columns < 0 || (columns > 0 && static_cast<Index>(values.size()) != rows))
    throw InvalidArgument("saved_fit_from_json: a matrix has " + std::to_string(values.size()) +
                          " rows but says " + std::to_string(rows));
  Eigen::MatrixXd matrix(rows, columns);
  for (Index i = 0; i < rows && columns > 0; ++i) {
    const Eigen::VectorXd row = vector_from(values[static_cast<std::size_t>(i)]);
    require_same_size("saved_fit_from_json", "row", row.size(), "columns", columns);
    matrix.row(i) = row;
  }
  return matrix;
}

std::vector<std::string> strings_from(const Json& json) {
  std::vector<std::string> values;
  for (const Json& item : json.items()) values.push_back(item.string());
  return values;
}

template <class Range, class Convert>
Json list(const Range& values, const Convert& convert) {
  Json array = Json::array();
  for (const auto& value : values) array.push_back(convert(value));
  return array;
}

template <class Value, class Convert>
std::vector<Value> list_from(const Json& json, const Convert& convert) {
  std::vector<Value> values;
  for (const Json& item : json.items()) values.push_back(convert(item));
  return values;
}

Json indices_json(const std::vector<Index>& values) {
  return list(values, [](Index value) { return Json(value); });
}

std::vector<Index> indices_from(const Json& json) { return list_from<Index>(json, index_from); }

// ---- how rows are coded ----

Json basis_json(const Basis& basis) {
  if (const auto* polynomial = std::get_if<PolynomialBasis>(&basis))
    return Json::object({{"kind", "polynomial"},
                         {"centres", Json(polynomial->centres)},
                         {"norms", Json(polynomial->norms)},
                         {"raw", polynomial->raw}});
  if (const auto* spline = std::get_if<SplineBasis>(&basis))
    return Json::object({{"kind", "spline"},
                         {"knots", Json(spline->knots)},
                         {"projection", matrix_json(spline->projection)}});
  const auto& standard = std::get<Standardization>(basis);
  return Json::object({{"kind", "standardization"}, {"mean", standard.mean}, {"sd", standard.sd}});
}

Basis basis_from(const Json& json) {
  const std::string& kind = json.at("kind").string();
  if (kind == "polynomial")
    return PolynomialBasis{.centres = vector_from(json.at("centres")),
                           .norms = vector_from(json.at("norms")),
                           .raw = json.at("raw").boolean()};
  if (kind == "spline")
    return SplineBasis{.knots = vector_from(json.at("knots")),
                       .projection = matrix_from(json.at("projection"))};
  if (kind == "standardization")
    return Standardization{.mean = json.at("mean").number(), .sd = json.at("sd").number()};
  throw InvalidArgument("saved_fit_from_json: `kind` is \"" + kind +
                        "\"; polynomial, spline or standardization is required");
}

Json variable_json(const ModelVariable& variable) {
  Json json = Json::object({{"name", variable.name},
                            {"expression", to_string(variable.expression)},
                            {"levels", Json(variable.levels)}});
  if (variable.basis) json.set("basis", basis_json(*variable.basis));
  return json;
}

ModelVariable variable_from(const Json& json) {
  ModelVariable variable{.name = json.at("name").string(),
                         .expression = parse_expression(json.at("expression").string()),
                         .levels = strings_from(json.at("levels"))};
  if (const Json* basis = json.find("basis")) variable.basis = basis_from(*basis);
  return variable;
}

Json plan_json(const ColumnPlan& plan) {
  return Json::object(
      {{"names", Json(plan.names)},
       {"terms", list(plan.terms, [](const TermColumns& columns) {
          return Json::object(
              {{"term", Json(columns.term)},
               {"all_levels", list(columns.all_levels, [](bool all) { return Json(all); })},
               {"first", columns.first},
               {"count", columns.count}});
        })}});
}

ColumnPlan plan_from(const Json& json) {
  return {.terms = list_from<TermColumns>(json.at("terms"),
                                          [](const Json& term) {
                                            return TermColumns{
                                                .term = strings_from(term.at("term")),
                                                .all_levels = list_from<bool>(
                                                    term.at("all_levels"),
                                                    [](const Json& all) { return all.boolean(); }),
                                                .first = index_from(term.at("first")),
                                                .count = index_from(term.at("count"))};
                                          }),
          .names = strings_from(json.at("names"))};
}

Json input_json(const ModelInput& input) {
  return Json::object({{"name", input.name},
                       {"levels", Json(input.levels)},
                       {"numeric", input.numeric},
                       {"mean", input.mean},
                       {"sd", input.sd},
                       {"minimum", input.minimum},
                       {"maximum", input.maximum}});
}

ModelInput input_from(const Json& json) {
  return {.name = json.at("name").string(),
          .levels = strings_from(json.at("levels")),
          .numeric = json.at("numeric").boolean(),
          .mean = json.at("mean").number(),
          .sd = json.at("sd").number(),
          .minimum = json.at("minimum").number(),
          .maximum = json.at("maximum").number()};
}

constexpr std::string_view contrast_name(Contrast contrast) {
  switch (contrast) {
    case Contrast::treatment:
      return "treatment";
    case Contrast::sum:
      return "sum";
    case Contrast::helmert:
      return "helmert";
    case Contrast::polynomial:
      return "poly";
  }
  return "treatment";
}

Json frame_json(const ModelFrame& frame) {
  return Json::object({{"formula", to_string(frame.formula)},
                       {"contrasts", contrast_name(frame.contrast)},
                       {"variables", list(frame.variables, variable_json)},
                       {"fixed", plan_json(frame.fixed)},
                       {"random", list(frame.random, plan_json)},
                       {"inputs", list(frame.inputs, input_json)}});
}

ModelFrame frame_from(const Json& json) {
  const std::optional<Contrast> contrast = parse_contrast(json.at("contrasts").string());
  if (!contrast)
    throw InvalidArgument("saved_fit_from_json: `contrasts` is \"" + json.at("contrasts").string() +
                          "\"");
  ModelFrame frame;
  frame.formula = parse_formula(json.at("formula").string());
  frame.contrast = *contrast;
  frame.variables = list_from<ModelVariable>(json.at("variables"), variable_from);
  frame.fixed = plan_from(json.at("fixed"));
  frame.random = list_from<ColumnPlan>(json.at("random"), plan_from);
  frame.inputs = list_from<ModelInput>(json.at("inputs"), input_from);
  return frame;
}

// ---- estimates ----

Json fixed_json(const FixedEffects& fixed) {
  return Json::object({{"terms", Json(fixed.terms)},
                       {"columns", indices_json(fixed.columns)},
                       {"estimate", Json(fixed.estimate)},
                       {"standard_error", Json(fixed.standard_error)},
                       {"covariance", matrix_json(fixed.covariance)},
                       {"dropped", Json(fixed.dropped)}});
}

FixedEffects fixed_from(const Json& json) {
  return {.terms = strings_from(json.at("terms")),
          .columns = indices_from(json.at("columns")),
          .estimate = vector_from(json.at("estimate")),
          .standard_error = vector_from(json.at("standard_error")),
          .covariance = matrix_from(json.at("covariance")),
          .dropped = strings_from(json.at("dropped"))};
}

Json random_json(const RandomEffects& random) {
  return Json::object({{"factor", random.factor},
                       {"terms", Json(random.terms)},
                       {"levels", Json(random.levels.list())},
                       {"sd", Json(random.sd)},
                       {"correlation", matrix_json(random.correlation)},
                       {"covariance", matrix_json(random.covariance)},
                       {"blups", matrix_json(random.blups)},
                       {"conditional_covariance", matrix_json(random.conditional_covariance)}});
}

RandomEffects random_from(const Json& json) {
  return {.factor = json.at("factor").string(),
          .terms = strings_from(json.at("terms")),
          .levels = strings_from(json.at("levels")),
          .sd = vector_from(json.at("sd")),
          .correlation = matrix_from(json.at("correlation")),
          .covariance = matrix_from(json.at("covariance")),
          .blups = matrix_from(json.at("blups")),
          .conditional_covariance = matrix_from(json.at("conditional_covariance"))};
}

Json criterion_json(const CriterionValue& criterion) {
  return Json::object({{"method", criterion.method == Criterion::reml ? "reml" : "ml"},
                       {"value", criterion.value},
                       {"log_likelihood", criterion.log_likelihood},
                       {"parameters", criterion.parameters},
                       {"aic", criterion.aic},
                       {"bic", criterion.bic},
                       {"aicc", criterion.aicc}});
}

CriterionValue criterion_from(const Json& json) {
  const std::optional<Criterion> method = parse_criterion(json.at("method").string());
  if (!method)
    throw InvalidArgument("saved_fit_from_json: `method` is \"" + json.at("method").string() +
                          "\"; reml or ml is required");
  return {.method = *method,
          .value = json.at("value").number(),
          .log_likelihood = json.at("log_likelihood").number(),
          .parameters = index_from(json.at("parameters")),
          .aic = json.at("aic").number(),
          .bic = json.at("bic").number(),
          .aicc = json.at("aicc").number()};
}

Json optimizer_json(const OptimizerReport& report) {
  return Json::object({{"converged", report.converged},
                       {"iterations", report.iterations},
                       {"evaluations", report.evaluations},
                       {"gradient_norm", report.gradient_norm},
                       {"singular", report.singular},
                       {"predicted_decrease", report.certificate.predicted_decrease},
                       {"smallest_curvature", report.certificate.smallest_curvature},
                       {"boundary_multiplier", report.certificate.boundary_multiplier},
                       {"message", report.message}});
}

OptimizerReport optimizer_from(const Json& json) {
  return {.converged = json.at("converged").boolean(),
          .iterations = index_from(json.at("iterations")),
          .evaluations = index_from(json.at("evaluations")),
          .gradient_norm = json.at("gradient_norm").number(),
          .singular = json.at("singular").boolean(),
          .certificate = {.predicted_decrease = json.at("predicted_decrease").number(),
                          .smallest_curvature = json.at("smallest_curvature").number(),
                          .boundary_multiplier = json.at("boundary_multiplier").number()},
          .message = json.at("message").string()};
}

Json information_json(const CovarianceInformation& information) {
  return Json::object({{"theta", Json(information.theta)},
                       {"parameter_covariance", matrix_json(information.parameter_covariance)},
                       {"fixed_gradient", list(information.fixed_gradient, matrix_json)}});
}

CovarianceInformation information_from(const Json& json) {
  CovarianceInformation information;
  information.theta = vector_from(json.at("theta"));
  information.parameter_covariance = matrix_from(json.at("parameter_covariance"));
  information.fixed_gradient = list_from<Eigen::MatrixXd>(json.at("fixed_gradient"), matrix_from);
  return information;
}

Json fit_json(const MixedFit& fit) {
  return Json::object({{"fixed", fixed_json(fit.fixed)},
                       {"random", list(fit.random, random_json)},
                       {"residual", Json::object({{"sd", fit.residual.sd}})},
                       {"criterion", criterion_json(fit.criterion)},
                       {"optimizer", optimizer_json(fit.optimizer)},
                       {"data", Json::object({{"observations", fit.data.observations},
                                              {"omitted", fit.data.omitted},
                                              {"residual_df", fit.data.residual_df}})},
                       {"information", information_json(fit.information)}});
}

MixedFit fit_from(const Json& json) {
  const Json& data = json.at("data");
  return {.fixed = fixed_from(json.at("fixed")),
          .random = list_from<RandomEffects>(json.at("random"), random_from),
          .residual = {.sd = json.at("residual").at("sd").number()},
          .criterion = criterion_from(json.at("criterion")),
          .optimizer = optimizer_from(json.at("optimizer")),
          .data = {.observations = index_from(data.at("observations")),
                   .omitted = index_from(data.at("omitted")),
                   .residual_df = data.at("residual_df").number()},
          .information = information_from(json.at("information"))};
}

Json equations_json(const EffectEquations& equations) {
  return Json::object({{"starts", indices_json(equations.starts)},
                       {"rows", indices_json(equations.rows)},
                       {"values", list(equations.values, [](double value) { return Json(value); })},
                       {"cross", matrix_json(equations.cross)}});
}

EffectEquations equations_from(const Json& json) {
  return {.starts = indices_from(json.at("starts")),
          .rows = indices_from(json.at("rows")),
          .values = list_from<double>(json.at("values"),
                                      [](const Json& value) { return value.number(); }),
          .cross = matrix_from(json.at("cross"))};
}

/// A design without rows, for the frame and the levels that the fit knows.
Design design_without_rows(ModelFrame frame, const MixedFit& fit) {
  Design design;
  design.fixed_terms = frame.fixed.names;
  design.fixed.resize(0, static_cast<Index>(frame.fixed.names.size()));
  for (const RandomEffects& random : fit.random)
    design.random.push_back({.factor = random.factor,
                             .terms = random.terms,
                             .columns = Eigen::MatrixXd(0, static_cast<Index>(random.terms.size())),
                             .group = {},
                             .levels = random.levels});
  design.frame = std::move(frame);
  return design;
}

void check_sizes(const ModelFrame& frame, const MixedFit& fit) {
  const auto p = static_cast<Index>(fit.fixed.columns.size());
  require_same_size("saved_fit_from_json", "estimate", fit.fixed.estimate.size(), "columns", p);
  require_same_size("saved_fit_from_json", "covariance", fit.fixed.covariance.rows(), "columns", p);
  require_same_size("saved_fit_from_json", "random", static_cast<Index>(fit.random.size()),
                    "formula", static_cast<Index>(frame.formula.random.size()));
  for (const Index column : fit.fixed.columns)
    if (column < 0 || column >= static_cast<Index>(frame.fixed.names.size()))
      throw InvalidArgument("saved_fit_from_json: `columns` has " + std::to_string(column) +
                            "; a column of the model is required");
}

void check_equations(const EffectEquations& equations, const SavedFit& saved) {
  Index effects = 0;
  for (const RandomEffects& random : saved.fit.random)
    effects += static_cast<Index>(random.levels.size()) * random.covariance.rows();
  const auto entries = static_cast<Index>(equations.values.size());
  require_same_size("saved_fit_from_json", "starts", static_cast<Index>(equations.starts.size()),
                    "effects and their end", effects + 1);
  require_same_size("saved_fit_from_json", "rows", static_cast<Index>(equations.rows.size()),
                    "values", entries);
  require_same_size("saved_fit_from_json", "cross", equations.cross.rows(), "effects", effects);
  require_same_size("saved_fit_from_json", "cross", equations.cross.cols(), "columns",
                    saved.fit.fixed.estimate.size());
  const bool ascending = std::is_sorted(equations.starts.begin(), equations.starts.end());
  const auto outside = [&](Index row) { return row < 0 || row >= effects; };
  if (!ascending || equations.starts.front() != 0 || equations.starts.back() != entries ||
      std::any_of(equations.rows.begin(), equations.rows.end(), outside))
    throw InvalidArgument(
        "saved_fit_from_json: `equations` are no matrix of the effects; what to_json wrote is "
        "required");
}

}  // namespace

SavedFit make_saved_fit(const Design& design, const MixedFit& fit, bool errors) {
  if (design.frame.formula.response.empty())
    throw InvalidArgument(
        "make_saved_fit: `design` was made by hand; one made from a formula is required");
  SavedFit saved{.design = design_without_rows(design.frame, fit), .fit = fit};
  const bool has_effects = !fit.random.empty() && fit.random.front().blups.size() > 0;
  if (errors && has_effects && design.fixed.rows() > 0)
    saved.equations = effect_equations(design, fit);
  return saved;
}

Json to_json(const SavedFit& saved) {
  Json json = Json::object({{"rapport_fit", format_version},
                            {"frame", frame_json(saved.design.frame)},
                            {"fit", fit_json(saved.fit)}});
  if (saved.equations) json.set("equations", equations_json(*saved.equations));
  return json;
}

SavedFit saved_fit_from_json(const Json& json) {
  const Index version = index_from(json.at("rapport_fit"));
  if (version != format_version)
    throw InvalidArgument("saved_fit_from_json: `rapport_fit` is " + std::to_string(version) +
                          "; format " + std::to_string(format_version) + " is required");
  ModelFrame frame = frame_from(json.at("frame"));
  MixedFit fit = fit_from(json.at("fit"));
  check_sizes(frame, fit);
  Design design = design_without_rows(std::move(frame), fit);
  SavedFit saved{.design = std::move(design), .fit = std::move(fit)};
  if (const Json* equations = json.find("equations")) {
    saved.equations = equations_from(*equations);
    check_equations(*saved.equations, saved);
  }
  return saved;
}

}  // namespace rapport
