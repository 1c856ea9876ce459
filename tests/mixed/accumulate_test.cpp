#include <rapport/mixed/accumulate.hpp>
#include <rapport/mixed/formula.hpp>
#include <rapport/mixed/inference.hpp>

#include <gtest/gtest.h>

#include "support/column.hpp"
#include <algorithm>
#include <cmath>
#include <string>

/// Models whose rows come in pieces are those of all rows at once.
namespace rapport {
namespace {

using testing_support::column;

/// Sessions of patients of therapists, every fifth patient with a session missing; a treatment and
/// a place that are text.
Table sessions(Index patients, bool missing_values) {
  RandomStream stream(Seed{3}, 0);
  std::vector<double> patient, therapist, session, x, y;
  Factor place;
  place.levels = {"inpatient", "outpatient", "ward"};
  for (Index p = 0; p < patients; ++p) {
    const double level = stream.normal();
    const double slope = 0.2 * stream.normal();
    for (Index s = 0; s < (p % 5 == 0 ? 5 : 6); ++s) {
      patient.push_back(static_cast<double>(1000 + p));
      therapist.push_back(static_cast<double>(p / 8));
      session.push_back(static_cast<double>(s));
      x.push_back(missing_values && stream.uniform() < 0.05 ? std::nan("") : stream.normal());
      place.codes.push_back(static_cast<std::int32_t>(p % 3));
      y.push_back(20 + level + slope * static_cast<double>(s) + 0.3 * static_cast<double>(p % 3) +
                  0.7 * std::sin(static_cast<double>(p / 8)) + stream.normal());
    }
  }
  Table table;
  table.add("patient", column(patient));
  table.add("therapist", column(therapist));
  table.add("session", column(session));
  table.add("x", column(x));
  table.add("y", column(y));
  table.add("place", place);
  return table;
}

std::vector<Table> pieces_of(const Table& table, Index size, bool shuffled) {
  std::vector<Index> rows;
  for (Index i = 0; i < table.rows(); ++i) rows.push_back(i);
  if (shuffled) {
    RandomStream stream(Seed{4}, 0);
    for (Index i = table.rows() - 1; i > 0; --i)
      std::swap(rows[static_cast<std::size_t>(i)],
                rows[static_cast<std::size_t>(stream.below(i + 1))]);
  }
  std::vector<Table> pieces;
  for (Index first = 0; first < table.rows(); first += size)
    pieces.push_back(
        table.select({rows.begin() + first, rows.begin() + std::min(first + size, table.rows())}));
  return pieces;
}

void expect_same(const MixedFit& got, const MixedFit& want) {
  EXPECT_NEAR(got.criterion.value, want.criterion.value, 1e-9 * std::abs(want.criterion.value));
  EXPECT_EQ(got.fixed.terms, want.fixed.terms);
  EXPECT_LT((got.fixed.estimate - want.fixed.estimate).norm(), 1e-7 * want.fixed.estimate.norm());
  EXPECT_LT((got.fixed.covariance - want.fixed.covariance).norm(),
            1e-6 * want.fixed.covariance.norm());
  EXPECT_EQ(got.data.observations, want.data.observations);
  EXPECT_EQ(got.data.omitted, want.data.omitted);
  ASSERT_EQ(got.random.size(), want.random.size());
  for (std::size_t k = 0; k < want.random.size(); ++k) {
    EXPECT_LE((got.random[k].covariance - want.random[k].covariance).norm(),
              1e-6 * want.random[k].covariance.norm());
    EXPECT_EQ(got.random[k].levels, want.random[k].levels);
    EXPECT_LE((got.random[k].blups - want.random[k].blups).norm(),
              1e-6 * want.random[k].blups.norm());
  }
}

struct Shape {
  std::string formula;
  Index piece;
  bool shuffled;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.formula << ", " << shape.piece << (shape.shuffled ? ", shuffled" : "");
}

class Accumulated : public testing::TestWithParam<Shape> {};

TEST_P(Accumulated, FitsAsAllRowsAtOnce) {
  const Table table = sessions(120, true);
  const Formula formula = parse_formula(GetParam().formula);
  const Design design = make_design(formula, table);
  const MixedFit want = fit_mixed_model(design);
  const std::vector<Table> pieces = pieces_of(table, GetParam().piece, GetParam().shuffled);
  VariableLevels levels;
  for (const Table& piece : pieces) collect_levels(formula, piece, levels);
  MixedAccumulator sums(formula, pieces.front(), levels);
  for (const Table& piece : pieces) sums.add(piece);
  MixedModel model = sums.model();
  const MixedFit got = model.fit();
  expect_same(got, want);
  const VarianceExplained explained = sums.explained(got);
  const VarianceExplained expected = variance_explained(design, want);
  EXPECT_NEAR(explained.marginal, expected.marginal, 1e-7);
  EXPECT_NEAR(explained.conditional, expected.conditional, 1e-7);
  ASSERT_EQ(sums.design().frame.inputs.size(), design.frame.inputs.size());
  for (std::size_t k = 0; k < design.frame.inputs.size(); ++k) {
    EXPECT_EQ(sums.design().frame.inputs[k].levels, design.frame.inputs[k].levels);
    EXPECT_NEAR(sums.design().frame.inputs[k].sd, design.frame.inputs[k].sd, 1e-10);
  }
}

TEST_P(Accumulated, MergesWithTheRestElsewhere) {
  const Table table = sessions(120, true);
  const Formula formula = parse_formula(GetParam().formula);
  const std::vector<Table> pieces = pieces_of(table, GetParam().piece, GetParam().shuffled);
  VariableLevels levels;
  for (const Table& piece : pieces) collect_levels(formula, piece, levels);
  MixedAccumulator here(formula, pieces.front(), levels);
  MixedAccumulator there(formula, pieces.front(), levels);
  for (std::size_t i = 0; i < pieces.size(); ++i) (i % 3 == 0 ? there : here).add(pieces[i]);
  here.merge(there);
  expect_same(here.model().fit(), fit_mixed_model(make_design(formula, table)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Accumulated,
    testing::Values(Shape{"y ~ session * x + place + (1 + session | patient)", 100, false},
                    Shape{"y ~ session * x + place + (1 + session | patient)", 47, true},
                    Shape{"y ~ session + x + (1 | therapist) + (1 + session | patient)", 64, false},
                    Shape{"y ~ session + (1 | therapist/patient)", 33, true},
                    Shape{"y ~ place + x + offset(session) + (session || patient)", 1000, false}));

MixedFit fit_of_pieces(const Formula& formula, const Table& table, Index size, int threads) {
  const std::vector<Table> pieces = pieces_of(table, size, false);
  VariableLevels levels;
  for (const Table& piece : pieces) collect_levels(formula, piece, levels);
  MixedAccumulator sums(formula, pieces.front(), levels, {}, threads);
  for (const Table& piece : pieces) sums.add(piece);
  return sums.model().fit({.threads = threads});
}

/// Enough rows for every thread to have several batches of them.
TEST(MixedAccumulator, GivesTheSameBitsOnAnyNumberOfThreads) {
  const Table table = sessions(9000, true);
  for (const char* text : {"y ~ session * x + place + (1 + session | patient)",
                           "y ~ session + x + (1 | therapist) + (1 + session | patient)"}) {
    const Formula formula = parse_formula(text);
    const MixedFit one = fit_of_pieces(formula, table, table.rows(), 1);
    for (const int threads : {2, 3, 4}) {
      const MixedFit several = fit_of_pieces(formula, table, table.rows(), threads);
      EXPECT_EQ(one.criterion.value, several.criterion.value);
      EXPECT_EQ(one.fixed.estimate, several.fixed.estimate);
      EXPECT_EQ(one.fixed.covariance, several.fixed.covariance);
      for (std::size_t k = 0; k < one.random.size(); ++k) {
        EXPECT_EQ(one.random[k].covariance, several.random[k].covariance);
        EXPECT_EQ(one.random[k].blups, several.random[k].blups);
      }
    }
  }
}

/// Pieces that end anywhere, also within a patient: the order of sums is all that changes.
TEST(MixedAccumulator, GivesTheSameFitFromPiecesOfAnySize) {
  const Table table = sessions(900, true);
  const Formula formula = parse_formula("y ~ session * x + place + (1 + session | patient)");
  const MixedFit whole = fit_of_pieces(formula, table, table.rows(), 1);
  for (const Index size : {37, 500, 4096}) {
    const MixedFit parts = fit_of_pieces(formula, table, size, 1);
    EXPECT_NEAR(parts.criterion.value, whole.criterion.value, 1e-12 * whole.criterion.value);
    expect_same(parts, whole);
  }
}

TEST(MixedAccumulator, NamesALevelThatItDoesNotKnow) {
  const Table table = sessions(30, false);
  const Formula formula = parse_formula("y ~ place + (1 | patient)");
  const std::vector<Table> pieces = pieces_of(table, 11, false);
  MixedAccumulator sums(formula, pieces.front());
  EXPECT_THROW(
      {
        for (const Table& piece : pieces) sums.add(piece);
      },
      UnknownLevel);
}

TEST(MixedAccumulator, RefusesWhatNeedsAllRows) {
  const Table table = sessions(30, false);
  for (const char* text : {"y ~ poly(session, 2) + (1 | patient)", "y ~ scale(x) + (1 | patient)",
                           "y ~ I(x - mean(x)) + (1 | patient)", "y ~ x"})
    EXPECT_THROW((void)MixedAccumulator(parse_formula(text), table), InvalidArgument) << text;
  MixedAccumulator crossed(parse_formula("y ~ 1 + (1 | patient) + (1 | session)"), table);
  EXPECT_THROW(crossed.add(table), DataError);
}

/// Where many groups share a design they are merged; a change too small to matter keeps them apart.
TEST(EqualDesigns, GiveTheSameFitMergedOrNot) {
  Table table = sessions(200, false);
  const Formula formula = parse_formula("y ~ session * x + (1 + session | patient)");
  const MixedModel merged(formula, table);
  Eigen::VectorXd session = table.numbers("session");
  RandomStream stream(Seed{5}, 0);
  for (double& value : session) value += 1e-12 * stream.normal();
  table.set("session", session);
  const MixedModel apart(formula, table);
  expect_same(merged.fit(), apart.fit());
  expect_same(merged.fit({.criterion = Criterion::ml}), apart.fit({.criterion = Criterion::ml}));
  const MixedFit fit = merged.fit();
  const FixedInference here(merged, fit, DegreesOfFreedom::kenward_roger);
  const FixedInference there(apart, apart.fit(), DegreesOfFreedom::kenward_roger);
  EXPECT_LT((here.covariance() - there.covariance()).norm(), 1e-6 * here.covariance().norm());
}

/// The mean of an estimate over draws is the truth, and its spread the standard error.
TEST(EqualDesigns, AreDrawnWithTheirDistribution) {
  const Table table = sessions(90, false);
  const MixedModel model(parse_formula("y ~ session + (1 + session | patient)"), table);
  const MixedFit fit = model.fit({.criterion = Criterion::ml});
  constexpr Index draws = 600;
  const MixedBootstrap bootstrap = parametric_bootstrap(model, fit, Seed{6}, {.replicates = draws});
  for (std::size_t k = 0; k < bootstrap.intervals.size(); ++k) {
    const ParameterInterval& interval = bootstrap.intervals[k];
    if (interval.parameter != "session" && interval.parameter != "(Intercept)") continue;
    const Eigen::VectorXd column = bootstrap.replicates.col(static_cast<Index>(k));
    const Index term = interval.parameter == "session" ? 1 : 0;
    const double standard_error = fit.fixed.standard_error[term];
    EXPECT_NEAR(column.mean(), fit.fixed.estimate[term],
                4 * standard_error / std::sqrt(static_cast<double>(draws)));
    EXPECT_NEAR(interval.standard_error / standard_error, 1, 0.12);
  }
}

TEST(ModelOfTable, IsThatOfItsDesign) {
  const Table table = sessions(150, true);
  for (const char* text :
       {"y ~ session * x + place + (1 + session | patient)",
        "y ~ session + x + (1 | therapist) + (1 + session | patient)",
        "y ~ poly(session, 2) + (session || therapist:patient)", "y ~ x + (1 | session)",
        "y ~ session + I(2 * session) + (1 | patient)", "y ~ x + (1 | therapist) + (1 | place)"}) {
    const Formula formula = parse_formula(text);
    SCOPED_TRACE(text);
    expect_same(fit_mixed_model(formula, table), fit_mixed_model(make_design(formula, table)));
  }
}

/// Rows may come in another order than the levels of their groups, in one piece or in several.
TEST(ModelOfTable, DoesNotDependOnTheOrderOfLevels) {
  const Table table = sessions(150, false);
  Table reversed = table;
  for (const char* name : {"patient", "therapist"}) {
    Factor factor = table.factor(name);
    std::reverse(factor.levels.begin(), factor.levels.end());
    for (std::int32_t& code : factor.codes)
      code = static_cast<std::int32_t>(factor.levels.size()) - 1 - code;
    reversed.set(name, factor);
  }
  for (const char* text : {"y ~ session + (1 + session | patient)",
                           "y ~ session + (1 | therapist) + (1 + session | patient)"}) {
    SCOPED_TRACE(text);
    const MixedFit fit = fit_mixed_model(parse_formula(text), table);
    const MixedFit other = fit_mixed_model(parse_formula(text), reversed);
    EXPECT_NEAR(other.criterion.value, fit.criterion.value, 1e-9 * fit.criterion.value);
    for (std::size_t k = 0; k < fit.random.size(); ++k) {
      EXPECT_EQ(other.random[k].levels.list().front(), fit.random[k].levels.list().back());
      EXPECT_LT((other.random[k].blups - fit.random[k].blups.colwise().reverse()).norm(),
                1e-6 * fit.random[k].blups.norm());
    }
  }
}

}  // namespace
}  // namespace rapport
