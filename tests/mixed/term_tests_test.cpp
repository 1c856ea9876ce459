#include <rapport/base/random.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/mixed/inference.hpp>
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

void expect_columns(const Eigen::MatrixXd& found, const Json& columns) {
  ASSERT_EQ(static_cast<std::size_t>(found.cols()), columns.items().size());
  for (Index i = 0; i < found.rows(); ++i)
    for (Index j = 0; j < found.cols(); ++j)
      EXPECT_NEAR(found(i, j),
                  columns.items()[static_cast<std::size_t>(j)]
                      .items()[static_cast<std::size_t>(i)]
                      .number(),
                  1e-6);  // lmerTest rounds its contrasts
}

/// lmerTest 3.1.3; see tests/reference/README.md. With nothing dropped, its rows too, up to a
/// rotation, which does not change the df.
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
        expect_columns(row_space(hypothesis.contrasts), term.at("projection"));
        if (static_cast<Index>(fixed.columns.size()) == design.fixed.cols())
          expect_columns(hypothesis.contrasts.transpose() * hypothesis.contrasts, term.at("gram"));
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

// A split plot: three blocks and two harvests on whole plots of five. The test of the blocks is the
// exact F of the whole-plot analysis of variance, with 2 and 2 degrees of freedom, where the mean
// of F does not exist.
TEST(Type3, KenwardRogerIsExactInASplitPlotWithTwoDegreesOfFreedom) {
  RandomStream stream(Seed{3}, 0);
  Eigen::VectorXd y(30);
  Eigen::MatrixXd whole(3, 2);
  std::vector<std::string> block;
  std::vector<std::string> harvest;
  std::vector<std::string> plot;
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 2; ++j) {
      const double effect = 5 * stream.normal();
      whole(i, j) = 0;
      for (Index k = 0; k < 5; ++k) {
        const Index row = 10 * i + 5 * j + k;
        y[row] = effect + stream.normal();
        whole(i, j) += y[row] / 5;
        block.push_back(std::to_string(i));
        harvest.push_back(std::to_string(j));
        plot.push_back(block.back() + harvest.back());
      }
    }
  const Eigen::MatrixXd centred = whole.array() - whole.mean();
  const double blocks = 2 * centred.rowwise().mean().squaredNorm();
  const double harvests = 3 * centred.colwise().mean().squaredNorm();
  const double rest = centred.squaredNorm() - blocks - harvests;

  Table table;
  table.add("y", y);
  table.add("block", make_factor(block));
  table.add("harvest", make_factor(harvest));
  table.add("plot", make_factor(plot));
  const Design design = make_design(parse_formula("y ~ block + harvest + (1 | plot)"), table);
  const MixedModel model(design);
  const MixedFit fit = model.fit();
  const FixedInference inference(model, fit, DegreesOfFreedom::kenward_roger);
  const std::vector<TermTest> tests = type3_tests(design, fit.fixed, inference);
  EXPECT_NEAR(tests[0].test.denominator_df, 2, 1e-6);
  EXPECT_NEAR(tests[0].test.statistic, (blocks / 2) / (rest / 2), 1e-6);
  EXPECT_NEAR(tests[1].test.denominator_df, 2, 1e-6);
  EXPECT_NEAR(tests[1].test.statistic, harvests / (rest / 2), 1e-6);
}

}  // namespace
}  // namespace rapport
