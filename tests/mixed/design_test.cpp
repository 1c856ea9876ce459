#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/design.hpp>

#include <gtest/gtest.h>

#include "support/reference.hpp"
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing_support::read_reference;
using testing_support::strings;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string folder = RAPPORT_TEST_DATA "/mixed/";

Eigen::MatrixXd columns_of(const Json& reference) {
  const Json::Array& columns = reference.at("columns").items();
  Eigen::MatrixXd matrix(static_cast<Index>(columns[0].items().size()),
                         static_cast<Index>(columns.size()));
  for (std::size_t j = 0; j < columns.size(); ++j)
    for (std::size_t i = 0; i < columns[j].items().size(); ++i)
      matrix(static_cast<Index>(i), static_cast<Index>(j)) = columns[j].items()[i].number();
  return matrix;
}

// R 4.2.2, stats::model.matrix and splines::ns; see tests/reference/README.md.
TEST(Design, EqualsModelMatrixOfR) {
  const Table table = read_csv(folder + "model_matrix.csv");
  const Json references = read_reference("mixed/model_matrix.json");
  for (const Json& reference : references.at("cases").items()) {
    const std::string text = reference.at("formula").string();
    SCOPED_TRACE(text + ", " + reference.at("contrasts").string());
    const Design design =
        make_design(parse_formula("y " + text), table,
                    {.contrast = *parse_contrast(reference.at("contrasts").string())});
    EXPECT_EQ(design.fixed_terms, strings(reference.at("names")));
    const Eigen::MatrixXd expected = columns_of(reference);
    ASSERT_EQ(design.fixed.cols(), expected.cols());
    EXPECT_LT((design.fixed - expected).cwiseAbs().maxCoeff(),
              1e-12 * std::max(1.0, expected.cwiseAbs().maxCoeff()));
  }
}

TEST(Design, CodesNewRowsAsThoseOfTheFit) {
  const Table table = read_csv(folder + "model_matrix.csv");
  Table rows;
  rows.add("x", Eigen::VectorXd{{-4, -0.3, 5}});
  rows.add("z", Eigen::VectorXd{{0.01, 2, 9}});
  const Json references = read_reference("mixed/model_matrix.json");
  for (const Json& reference : references.at("new").items()) {
    SCOPED_TRACE(reference.at("formula").string());
    const Design design =
        make_design(parse_formula("y " + reference.at("formula").string()), table);
    const Eigen::MatrixXd expected = columns_of(reference);
    const Eigen::MatrixXd made = plan_columns(design.frame, design.frame.fixed, rows);
    EXPECT_LT((made - expected).cwiseAbs().maxCoeff(),
              1e-12 * std::max(1.0, expected.cwiseAbs().maxCoeff()));
  }
}

const char* const panel =
    "y,x,g,h,f,w\n1,1,10,a,u,1\n2,2,10,a,v,2\n3,,9,b,u,1\n4,4,9,b,v,1\n5,5,2,a,u,3\n,6,2,a,v,1\n7,"
    "7,10,b,u,2\n8,8,9,a,v,1\n";

TEST(Design, LeavesOutIncompleteRowsAndCountsThem) {
  const Table table = parse_csv(panel);
  const Design design = make_design(parse_formula("y ~ x + (1 | g)"), table);
  EXPECT_THAT(design.rows, ElementsAre(0, 1, 3, 4, 6, 7));
  EXPECT_EQ(design.n_omitted, 2);
  EXPECT_EQ(design.response, (Eigen::VectorXd{{1, 2, 4, 5, 7, 8}}));
  EXPECT_THAT(design.frame.missing_values, ElementsAre(std::pair<std::string, Index>("y", 1),
                                                       std::pair<std::string, Index>("x", 1)));
}

TEST(Design, GroupsByNumbersAndByCombinations) {
  const Table table = parse_csv(panel);
  const Design design =
      make_design(parse_formula("y ~ 1 + (1 | g) + (x || h:g) + (0 + f | h)"), table);
  ASSERT_EQ(design.random.size(), 4U);
  EXPECT_EQ(design.random[0].factor, "g");
  EXPECT_THAT(design.random[0].levels, ElementsAre("2", "9", "10"));
  EXPECT_THAT(design.random[0].group, ElementsAre(2, 2, 1, 0, 2, 1));
  EXPECT_EQ(design.random[1].factor, "h:g");
  EXPECT_THAT(design.random[1].levels, ElementsAre("a:2", "a:9", "a:10", "b:9", "b:10"));
  EXPECT_THAT(design.random[1].terms, ElementsAre("(Intercept)"));
  EXPECT_THAT(design.random[2].terms, ElementsAre("x"));
  EXPECT_THAT(design.random[3].terms, ElementsAre("fu", "fv"));
  EXPECT_EQ(design.random[3].columns.col(0), (Eigen::VectorXd{{1, 0, 0, 1, 1, 0}}));
}

TEST(Design, TakesWeightsAndOffsets) {
  const Table table = parse_csv(panel);
  const Design design =
      make_design(parse_formula("y ~ x + offset(x / 2) + offset(w)"), table, {.weights = "w"});
  EXPECT_EQ(design.weights, (Eigen::VectorXd{{1, 2, 1, 3, 2, 1}}));
  EXPECT_EQ(design.offset, (Eigen::VectorXd{{1.5, 3, 3, 5.5, 5.5, 5}}));
}

TEST(Design, PanelFunctionsRestOnTheRowsBeforeTheyWereTakenAway) {
  Table table = parse_csv(panel);
  const Formula formula = parse_formula("y ~ within(x, h) + (1 | g)");
  add_panel_columns(table, formula);
  const Design design = make_design(formula, table.select({0, 1, 3, 7}));
  // h = a holds x = 1, 2, 5, 6, 8 (mean 4.4), h = b holds 4 and 7 (mean 5.5).
  EXPECT_TRUE(design.fixed.col(1).isApprox(Eigen::VectorXd{{-3.4, -2.4, -1.5, 3.6}}, 1e-14));
  EXPECT_THAT(design.fixed_terms, ElementsAre("(Intercept)", "within(x, h)"));
}

TEST(Design, KeepsTheMeanOfTheFitForNewRows) {
  const Table table = parse_csv(panel);
  const Design design = make_design(parse_formula("y ~ I(x - mean(x))"), table);
  Table rows;
  rows.add("x", Eigen::VectorXd{{10}});
  const double mean = (1 + 2 + 4 + 5 + 6 + 7 + 8) / 7.0;
  EXPECT_NEAR(plan_columns(design.frame, design.frame.fixed, rows)(0, 1), 10 - mean, 1e-14);
}

TEST(Design, CategoricalResponses) {
  const Table table = parse_csv("r,c,s,t\nno,low,1,0\nyes,mid,2,2\nyes,high,0,4\nno,low,3,1\n");
  const Design binary =
      make_design(parse_formula("r ~ 1"), table, {.response = ResponseKind::binary});
  EXPECT_EQ(binary.response, (Eigen::VectorXd{{0, 1, 1, 0}}));
  EXPECT_THAT(binary.frame.response_levels, ElementsAre("no", "yes"));
  const Design ordered =
      make_design(parse_formula("c ~ 1"), table, {.response = ResponseKind::ordered});
  EXPECT_THAT(ordered.frame.response_levels, ElementsAre("high", "low", "mid"));
  const Design pair =
      make_design(parse_formula("cbind(s, t) ~ 1"), table, {.response = ResponseKind::binary});
  EXPECT_EQ(pair.response, (Eigen::VectorXd{{1, 0.5, 0, 0.75}}));
  EXPECT_EQ(pair.weights, (Eigen::VectorXd{{1, 4, 4, 4}}));
}

std::string message_of(const std::string& formula, const DesignOptions& options = {}) {
  try {
    (void)make_design(parse_formula(formula), parse_csv(panel), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Design, RefusesWhatAllowsNoModel) {
  EXPECT_THAT(message_of("y ~ nonsense"), HasSubstr("nonsense"));
  EXPECT_THAT(message_of("f ~ x"), HasSubstr("\"f\""));
  EXPECT_THAT(message_of("y ~ x + (1 | nowhere)"), HasSubstr("nowhere"));
  EXPECT_THAT(message_of("y ~ poly(f, 2)"), HasSubstr("poly(f, 2)"));
  EXPECT_THAT(message_of("y ~ poly(w, 3)"), HasSubstr("3 distinct values"));
  EXPECT_THAT(message_of("y ~ x", {.weights = "h"}), HasSubstr("\"h\""));
  EXPECT_THAT(message_of("y ~ x", {.weights = "x - 4"}), HasSubstr("not positive"));
  EXPECT_THAT(message_of("cbind(x, w) ~ 1"), HasSubstr("binomial"));
  EXPECT_THAT(message_of("x ~ 1", {.response = ResponseKind::binary}),
              HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(message_of("x - 1.5 ~ 1", {.response = ResponseKind::count}),
              AllOf(HasSubstr("\"x - 1.5\""), HasSubstr("is not a count")));
  EXPECT_THAT(message_of("0 * x ~ 1", {.response = ResponseKind::positive}),
              HasSubstr("0 is not a number above 0"));
  EXPECT_THAT(message_of("x ~ 1", {.response = ResponseKind::proportion}),
              HasSubstr("strictly between 0 and 1"));
  EXPECT_THAT(message_of("y ~ x", {.missing = Missing::reject}), HasSubstr("misses values"));
  const Table one_level = parse_csv(panel).select({0, 1});
  EXPECT_THROW((void)make_design(parse_formula("y ~ x + (1 | g)"), one_level), DataError);
  EXPECT_THROW((void)make_design(parse_formula("y ~ h"), one_level), DataError);
}

TEST(Design, ALevelThatTheFitDidNotSeeIsRefusedOrMissing) {
  const Design design = make_design(parse_formula("y ~ f"), parse_csv(panel));
  const Table rows = parse_csv("f\nu\nnew\n");
  EXPECT_THROW((void)plan_columns(design.frame, design.frame.fixed, rows), DataError);
  const Eigen::MatrixXd columns = plan_columns(design.frame, design.frame.fixed, rows, true);
  EXPECT_EQ(columns(0, 1), 0);
  EXPECT_TRUE(std::isnan(columns(1, 1)));
}

TEST(Design, SelectedRowsLoseUnusedLevels) {
  const Design design = make_design(parse_formula("y ~ x + (1 | g)"), parse_csv(panel));
  const Design part = select(design, {0, 1, 4});
  EXPECT_THAT(part.random[0].levels, ElementsAre("10"));
  EXPECT_THAT(part.rows, ElementsAre(0, 1, 6));
  EXPECT_EQ(part.fixed.col(1), (Eigen::VectorXd{{1, 2, 7}}));
}

}  // namespace
}  // namespace rapport
