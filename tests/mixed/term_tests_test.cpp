#include <rapport/data/csv.hpp>
#include <rapport/mixed/term_tests.hpp>

#include <Eigen/QR>
#include <gtest/gtest.h>

#include "support/reference.hpp"

namespace rapport {
namespace {

using testing_support::read_reference;

const std::string folder = RAPPORT_TEST_DATA "/mixed/";

/// The columns that the reference kept, as a fit would name them.
FixedEffects kept_columns(const Design& design, const Json& names) {
  FixedEffects fixed;
  for (const Json& name : names.items())
    for (Index j = 0; j < design.fixed.cols(); ++j)
      if (design.fixed_terms[static_cast<std::size_t>(j)] == name.string())
        fixed.columns.push_back(j);
  return fixed;
}

/// The projection on the space that the rows span: two hypotheses are the same if it is.
Eigen::MatrixXd row_space(const Eigen::MatrixXd& contrasts) {
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(contrasts.transpose());
  const Eigen::MatrixXd q =
      qr.householderQ() * Eigen::MatrixXd::Identity(contrasts.cols(), qr.rank());
  return q * q.transpose();
}

/// lmerTest 3.1.3; see tests/reference/README.md.
void expect_hypotheses(const std::string& data, const std::string& values) {
  const Table table = read_csv(folder + data);
  const Json references = read_reference("mixed/" + values);
  for (const Json& reference : references.items()) {
    const Contrast contrast = *parse_contrast(reference.at("contrasts").string());
    const Design design = make_design(parse_formula("y ~ " + reference.at("formula").string()),
                                      table, {.contrast = contrast});
    for (const Json& term : reference.at("terms").items()) {
      SCOPED_TRACE(reference.at("formula").string() + ", term " + term.at("term").string());
      const FixedEffects fixed = kept_columns(design, term.at("names"));
      for (const TermHypothesis& hypothesis : type3_hypotheses(design, fixed)) {
        if (hypothesis.term != term.at("term").string()) continue;
        const Eigen::MatrixXd projection = row_space(hypothesis.contrasts);
        const Json::Array& columns = term.at("projection").items();
        ASSERT_EQ(static_cast<std::size_t>(projection.cols()), columns.size());
        for (Index i = 0; i < projection.rows(); ++i)
          for (Index j = 0; j < projection.cols(); ++j)
            EXPECT_NEAR(
                projection(i, j),
                columns[static_cast<std::size_t>(j)].items()[static_cast<std::size_t>(i)].number(),
                1e-6);  // lmerTest rounds its contrasts
      }
    }
  }
}

TEST(Type3, HypothesesAreThoseOfLmerTest) { expect_hypotheses("model_matrix.csv", "type3.json"); }

// No row has a = r and b = no.
TEST(Type3, HypothesesAreThoseOfLmerTestWithAnEmptyCell) {
  expect_hypotheses("empty_cell.csv", "type3_empty_cell.json");
}

// The same rows many times over say the same about what can be estimated.
TEST(Type3, HypothesesDoNotLoseDigitsInManyRows) {
  const Table once = read_csv(folder + "empty_cell.csv");
  std::vector<Index> rows;
  for (Index i = 0; i < 4000; ++i) rows.push_back(i % once.rows());
  const Formula formula = parse_formula("y ~ a * b + x * z");
  const Design few = make_design(formula, once);
  const Design many = make_design(formula, once.select(rows));
  FixedEffects fixed;
  for (Index j = 0; j < few.fixed.cols(); ++j)
    if (few.fixed_terms[static_cast<std::size_t>(j)] != "ar:byes") fixed.columns.push_back(j);
  const std::vector<TermHypothesis> expected = type3_hypotheses(few, fixed);
  const std::vector<TermHypothesis> found = type3_hypotheses(many, fixed);
  for (std::size_t t = 0; t < expected.size(); ++t)
    EXPECT_LT((row_space(expected[t].contrasts) - row_space(found[t].contrasts)).norm(), 1e-10);
}

TEST(Type3, ContrastsDoNotMatter) {
  const Table table = read_csv(folder + "model_matrix.csv");
  const Formula formula = parse_formula("y ~ a * b * x");
  const auto reparametrised = [&](Contrast contrast) {
    const Design design = make_design(formula, table, {.contrast = contrast});
    FixedEffects fixed;
    for (Index j = 0; j < design.fixed.cols(); ++j) fixed.columns.push_back(j);
    std::vector<Eigen::MatrixXd> fitted;  // what each hypothesis says about the fitted values: L X⁺
    const Eigen::MatrixXd inverse = design.fixed.completeOrthogonalDecomposition().pseudoInverse();
    for (const TermHypothesis& hypothesis : type3_hypotheses(design, fixed))
      fitted.push_back(row_space(hypothesis.contrasts * inverse));
    return fitted;
  };
  const auto treatment = reparametrised(Contrast::treatment);
  for (const Contrast contrast : {Contrast::sum, Contrast::helmert, Contrast::polynomial}) {
    const auto other = reparametrised(contrast);
    for (std::size_t t = 0; t < treatment.size(); ++t)
      EXPECT_NEAR((treatment[t] - other[t]).norm(), 0, 1e-9);
  }
}

TEST(Type3, ACombinationOfADroppedColumnCannotBeEstimated) {
  Table table;
  table.add("y", Eigen::VectorXd{{1, 2, 4, 3}});
  table.add("x", Eigen::VectorXd{{1, 2, 3, 4}});
  table.add("z", Eigen::VectorXd{{2, 4, 6, 8}});
  const Design design = make_design(parse_formula("y ~ x + z"), table);
  FixedEffects fixed;
  fixed.columns = {0, 1};
  EXPECT_TRUE(estimable_weights(design, fixed, Eigen::VectorXd{{0, 1, 0}}).hasNaN());
  const Eigen::VectorXd fitted = estimable_weights(design, fixed, Eigen::VectorXd{{1, 5, 10}});
  EXPECT_EQ(fitted, (Eigen::VectorXd{{1, 5}}));
  const std::vector<TermHypothesis> hypotheses = type3_hypotheses(design, fixed);
  EXPECT_EQ(hypotheses[0].contrasts.rows(), 1);  // x stands for both
  EXPECT_EQ(hypotheses[1].contrasts.rows(), 0);
}

}  // namespace
}  // namespace rapport
