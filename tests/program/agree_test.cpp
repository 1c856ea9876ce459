#include <gtest/gtest.h>

#include "support/program.hpp"
#include "support/temporary_file.hpp"
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::ProgramRun;
using testing_support::run_program;
using testing_support::TemporaryFile;

const std::string folder = RAPPORT_TEST_DATA "/agree/";
const std::string ratings = folder + "ratings.csv";
const std::string dyads = folder + "dyads.csv";

ProgramRun agree(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "agree");
  arguments.insert(arguments.end(), {"--format", "json"});
  return run_program(arguments);
}

const std::string wide = "a,b\n1,1\n2,2\n3,2\n1,\n2,2\n3,3\n";

TEST(AgreeCommand, EveryCoefficientAnswers) {
  const TemporaryFile two("two.csv", wide);
  for (const char* coefficient :
       {"cohen", "light", "fleiss", "conger", "scott", "brennan-prediger", "gwet", "krippendorff",
        "percent", "ccc", "bland-altman", "kendall-w", "robinson-a", "stuart-maxwell", "bhapkar",
        "mcnemar", "gtheory", "icc"}) {
    const ProgramRun run = agree({coefficient, two.path(), "--raters", "a,b"});
    EXPECT_EQ(run.status, 0) << coefficient << ": " << run.err;
    EXPECT_EQ(run.result().at("coefficient").string(), coefficient);
  }
}

// The three layouts say the same.
TEST(AgreeCommand, LayoutsAgree) {
  const TemporaryFile table("wide.csv", wide);
  const TemporaryFile rows(
      "long.csv",
      "s,r,y\n1,a,1\n1,b,1\n2,a,2\n2,b,2\n3,a,3\n3,b,2\n4,a,1\n5,a,2\n5,b,2\n6,a,3\n6,b,3\n");
  const TemporaryFile counts("counts.csv", "1,2,3\n2,0,0\n0,2,0\n0,1,1\n1,0,0\n0,2,0\n0,0,2\n");
  for (const char* coefficient : {"gwet", "fleiss", "krippendorff"}) {
    const double a =
        agree({coefficient, table.path(), "--raters", "a,b"}).result().at("estimate").number();
    const double b =
        agree({coefficient, rows.path(), "--subject", "s", "--rater", "r", "--rating", "y"})
            .result()
            .at("estimate")
            .number();
    const double c =
        agree({coefficient, counts.path(), "--counts", "1,2,3"}).result().at("estimate").number();
    EXPECT_NEAR(a, b, 1e-14) << coefficient;
    EXPECT_NEAR(a, c, 1e-14) << coefficient;
  }
}

TEST(AgreeCommand, WeightsFromAFile) {
  const TemporaryFile table("weighted.csv", wide);
  const TemporaryFile weights("weights.csv", "1,2,3\n1,0.5,0\n0.5,1,0.5\n0,0.5,1\n");
  const Json named =
      agree({"cohen", table.path(), "--raters", "a,b", "--weights", "linear"}).result();
  const Json read =
      agree({"cohen", table.path(), "--raters", "a,b", "--weights", weights.path()}).result();
  EXPECT_NEAR(named.at("estimate").number(), read.at("estimate").number(), 1e-14);
  EXPECT_EQ(read.at("weight_matrix").items().size(), 3U);
  EXPECT_EQ(read.at("categories").items().at(0).string(), "1");
}

/// α = 1 − (n − 1) Σ_units Σ_pairs δ / (m − 1) / Σ_all pairs δ, of complete pairs of ratings.
double alpha_of_pairs(const std::vector<std::vector<double>>& between, std::size_t units) {
  double within = 0;
  double all = 0;
  for (std::size_t i = 0; i < 2 * units; ++i)
    for (std::size_t j = 0; j < 2 * units; ++j) {
      all += between[i][j];
      if (i / 2 == j / 2) within += between[i][j];
    }
  return 1 - static_cast<double>(2 * units - 1) * within / all;
}

// Three passages, two coders: {a,b} {a}; {} {}; {b,c} {c,a}. Distances by hand; α by its
// definition.
TEST(AgreeCommand, SetsOfLabels) {
  const TemporaryFile cells("labels.csv", "x,y\na| b,a\n|,|\nb|c,c|a\nc,\n");
  const double h = 0.5, t = 2.0 / 3, u = 1;
  const std::vector<std::vector<double>> jaccard = {{0, h, u, u, t, t}, {h, 0, u, u, u, h},
                                                    {u, u, 0, 0, u, u}, {u, u, 0, 0, u, u},
                                                    {t, u, u, u, 0, t}, {t, h, u, u, t, 0}};
  std::vector<std::vector<double>> masi = jaccard;
  for (auto& row : masi)
    for (double& d : row) d = d == h ? 1 - 0.5 * 2 / 3 : d == t ? 1 - 1.0 / 9 : d;
  const Json a =
      agree({"krippendorff", cells.path(), "--raters", "x,y", "--metric", "jaccard"}).result();
  EXPECT_NEAR(a.at("estimate").number(), alpha_of_pairs(jaccard, 3), 1e-14);
  EXPECT_EQ(a.at("labels").items().size(), 3U);
  EXPECT_EQ(a.at("units").number(), 3);
  EXPECT_EQ(a.at("omitted").number(), 1);
  const TemporaryFile rows("labels_long.csv",
                           "p,r,c\n1,x,b;a\n1,y,a\n2,x,;\n2,y,;\n3,x,c;b\n3,y,a;c\n4,x,c\n");
  const Json m = agree({"krippendorff", rows.path(), "--subject", "p", "--rater", "r", "--rating",
                        "c", "--metric", "masi", "--label-separator", ";", "--separator", ","})
                     .result();
  EXPECT_NEAR(m.at("estimate").number(), alpha_of_pairs(masi, 3), 1e-14);
  // Single labels are nominal categories.
  const TemporaryFile single("single.csv", wide);
  const ProgramRun plain =
      agree({"krippendorff", single.path(), "--raters", "a,b", "--metric", "masi"});
  EXPECT_THAT(plain.err, HasSubstr("--label-separator"));
  EXPECT_NEAR(
      plain.result().at("estimate").number(),
      agree({"krippendorff", single.path(), "--raters", "a,b"}).result().at("estimate").number(),
      1e-14);
  EXPECT_THAT(agree({"krippendorff", cells.path(), "--raters", "x,y", "--metric", "masi",
                     "--categories", "a,b"})
                  .err,
              HasSubstr("\"c\""));
  EXPECT_EQ(agree({"krippendorff", cells.path(), "--raters", "x,y", "--metric", "mazi"}).status, 2);
}

// Two occasions of three persons, the second 10 higher: within occasions x is 1 2 3 and y 1 3 2, so
// Σ (x − y)² = 4 and chance gives 2 × (2 + 2) = 8; over all rows chance adds 2 × 6 × 25.
TEST(AgreeCommand, ConcordanceOfRepeatedMeasures) {
  const TemporaryFile rows("repeated.csv",
                           "p,t,x,y\n1,1,1,1\n2,1,2,3\n3,1,3,2\n1,2,11,11\n2,2,12,13\n3,2,13,12\n");
  const auto estimate = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"ccc", rows.path(), "--raters", "x,y"};
    all.insert(all.end(), more.begin(), more.end());
    return agree(all).result().at("estimate").number();
  };
  EXPECT_NEAR(estimate({"--person", "p", "--occasion", "t"}), 1 - 4.0 / 8, 1e-14);
  EXPECT_NEAR(estimate({"--person", "p"}), 1 - 4.0 / 308, 1e-14);
  EXPECT_NEAR(estimate({}), 1 - 4.0 / 308, 1e-14);
  const Json three = agree({"ccc", ratings, "--raters", "r1,r2,r3"}).result();
  EXPECT_EQ(three.at("raters").number(), 3);
  EXPECT_LT(three.at("ci_lower").number(), three.at("estimate").number());
  EXPECT_EQ(agree({"ccc", rows.path(), "--raters", "x,y", "--occasion", "t"}).status, 2);
}

TEST(AgreeCommand, IccNamesBothNomenclatures) {
  const ProgramRun run = agree({"icc", ratings, "--raters", "r1,r2,r3,r4"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  EXPECT_EQ(result.at("method").string(), "mixed");
  EXPECT_THAT(run.err, HasSubstr("missing"));
  const Json& second = result.at("forms").items().at(1);
  EXPECT_EQ(second.at("form").string(), "ICC(2,1)");
  EXPECT_EQ(second.at("name").string(), "ICC(A,1)");
}

TEST(AgreeCommand, DecisionStudiesAndTargets) {
  const Json result =
      agree({"gtheory", ratings, "--raters", "r1,r2,r3,r4", "--d-study", "1,8", "--target", "0.9"})
          .result();
  EXPECT_EQ(result.at("d_study").items().size(), 2U);
  const double raters = result.at("target").at("raters_for_generalizability").number();
  EXPECT_GT(raters, 1);
  EXPECT_THAT(agree({"gtheory", ratings, "--raters", "r1,r2", "--d-study", "2x3"}).err,
              HasSubstr("--d-study"));
}

// R 4.2: anova(lm(y ~ s * r * o * i)) and Brennan's (2001) expected mean squares.
TEST(AgreeCommand, GeneralizabilityOverItems) {
  std::string rows = "s,r,o,i,y\n";
  for (int s = 1; s <= 4; ++s)
    for (int i = 1; i <= 3; ++i)
      for (int r = 1; r <= 3; ++r)
        for (int o = 1; o <= 2; ++o) {
          for (const int level : {s, r, o, i}) rows += std::to_string(level) + ",";
          rows += std::to_string((7 * s + 3 * r * r + 5 * o * s + 2 * i * r + s * r * o * i) % 11);
          rows += "\n";
        }
  const TemporaryFile file("items.csv", rows);
  const std::vector<std::string> study = {"gtheory", file.path(), "--subject", "s",      "--rater",
                                          "r",       "--rating",  "y",         "--item", "i"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), study.begin(), study.end());
    return agree(more);
  };
  const ProgramRun run = with({"--occasion", "o", "--d-study", "3x2x3,1x1x1"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Json result = run.result();
  const std::vector<Json>& components = result.at("components").items();
  ASSERT_EQ(components.size(), 15U);
  EXPECT_NEAR(components[0].at("variance").number(), 0.337962962962963, 1e-12);
  EXPECT_EQ(components[11].at("source").string(), "subject:rater:item");
  EXPECT_NEAR(components[11].at("mean_square").number(), 17.787037037037042, 1e-12);
  EXPECT_EQ(result.at("items").number(), 3);
  EXPECT_NEAR(result.at("d_study").items().at(0).at("absolute_error").number(),
              result.at("absolute_error").number(), 1e-14);
  EXPECT_EQ(with({}).status, 2);
  EXPECT_EQ(with({"--occasion", "o", "--nested", "rater:occasion"}).status, 2);
  EXPECT_EQ(with({"--occasion", "o", "--d-study", "1x1x1x1"}).status, 2);
}

TEST(AgreeCommand, BootstrapDoesNotDependOnThreads) {
  const auto run = [&](const char* threads) {
    return agree({"krippendorff", ratings, "--raters", "r1,r2,r3,r4", "--metric", "interval",
                  "--bootstrap", "200", "--seed", "7", "--threads", threads})
        .out;
  };
  EXPECT_EQ(run("1"), run("3"));
}

TEST(AgreeCommand, RefusesWhatItCannotDo) {
  struct Refusal {
    std::vector<std::string> arguments;
    int status;
    const char* named;
  };
  const TemporaryFile text("text.csv", "a,b\nyes,no\nno,maybe\nyes,yes\n");
  for (const Refusal& r :
       {Refusal{{"kohen", ratings, "--raters", "r1,r2"}, 2, "kohen"},
        Refusal{{"cohen", text.path(), "--raters", "a,b", "--categories", "no,yes"}, 1, "maybe"},
        Refusal{{"icc", text.path(), "--raters", "a,b"}, 1, "yes"},
        Refusal{{"cohen", ratings, "--raters", "r1,r2,r3"}, 2, "--raters"},
        Refusal{{"cohen", ratings, "--raters", "r1,r9"}, 1, "r9"},
        Refusal{{"icc", ratings}, 2, "--raters"},
        Refusal{{"icc", ratings, "--raters", "r1,r2", "--null", "1"}, 2, "--null"},
        Refusal{{"icc", ratings, "--raters", "r1,r2", "--level", "1.5"}, 2, "level"},
        Refusal{{"gwet", ratings, "--raters", "r1,r2", "--weights", "cubic"}, 2, "cubic"},
        Refusal{{"finn", ratings, "--raters", "r1,r2"}, 2, "--scale-points"},
        Refusal{{"rwg", ratings, "--items", "r1", "--group", "r2"}, 2, "--null-variance"},
        Refusal{{"scott", ratings, "--raters", "r1,r2,r3"}, 2, "scott"}}) {
    const ProgramRun run = agree(r.arguments);
    EXPECT_EQ(run.status, r.status) << r.named << ": " << run.err;
    EXPECT_THAT(run.err, HasSubstr(r.named));
    EXPECT_THAT(run.out, IsEmpty());
  }
}

Json plan(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "plan");
  arguments.insert(arguments.end(), {"--format", "json"});
  const ProgramRun run = run_program(arguments);
  EXPECT_EQ(run.status, 0) << run.err;
  return run.result();
}

// With both rates one half n times κ's variance is 1 − κ²: R 4.2 from that formula.
TEST(PlanCommand, Kappa) {
  const std::vector<std::string> study = {"kappa",   "--kappa", "0.85", "--rates",
                                          "0.5,0.5", "--null",  "0.7"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), study.begin(), study.end());
    return plan(more);
  };
  EXPECT_EQ(with({}).at("subjects").number(), 151);
  EXPECT_EQ(with({"--one-sided"}).at("subjects").number(), 117);
  EXPECT_NEAR(with({"--subjects", "100"}).at("power").number(), 0.5755069, 1e-7);
  const double power = with({"--power", "0.9"}).at("power").number();
  EXPECT_TRUE(power >= 0.9 && power < 0.91) << power;
  EXPECT_EQ(plan({"kappa", "--kappa", "0.7", "--rates", "0.5,0.5", "--width", "0.2"})
                .at("subjects")
                .number(),
            196);
}

// Power from R 4.2's pf and qf by Donner & Eliasziw (1987); the width is Bonett's (2002) example.
TEST(PlanCommand, Icc) {
  const Json test = plan({"icc", "--icc", "0.8", "--null", "0.6"});
  EXPECT_EQ(test.at("subjects").number(), 39);
  EXPECT_NEAR(test.at("power").number(), 0.8009141, 1e-7);
  EXPECT_NEAR(plan({"icc", "--icc", "0.8", "--raters", "3", "--null", "0.6", "--subjects", "30"})
                  .at("power")
                  .number(),
              0.851570207379887, 1e-10);
  EXPECT_NEAR(
      plan({"icc", "--icc", "0.8", "--raters", "3", "--width", "0.2"}).at("subjects").number(), 36,
      1);
}

TEST(PlanCommand, RefusesWhatItCannotDo) {
  struct Refusal {
    std::vector<std::string> arguments;
    int status;
    const char* named;
  };
  for (const Refusal& r :
       {Refusal{{"plan", "alpha"}, 2, "COEFFICIENT"}, Refusal{{"plan", "icc"}, 2, "--icc"},
        Refusal{{"plan", "kappa", "--kappa", "0.5"}, 2, "--rates"},
        Refusal{{"plan", "icc", "--icc", "0.5", "--power", "0.8", "--width", "0.1"}, 2, "--width"},
        Refusal{{"plan", "icc", "--icc", "0.5", "--power", "80"}, 2, "--power"},
        Refusal{{"plan", "icc", "--icc", "0.5", "--null", "0.6"}, 1, "null"},
        Refusal{{"plan", "kappa", "--kappa", "0.95", "--rates", "0.2,0.6"}, 1, "kappa"}}) {
    const ProgramRun run = run_program(r.arguments);
    EXPECT_EQ(run.status, r.status) << r.named << ": " << run.err;
    EXPECT_THAT(run.err, HasSubstr(r.named));
  }
}

TEST(CongruenceCommand, SurfaceAndJudgment) {
  const std::vector<std::string> surface = {"congruence", dyads,    "--outcome", "z",
                                            "--x",        "x",      "--y",       "y",
                                            "--center",   "pooled", "--format",  "json"};
  const ProgramRun plain = run_program(surface);
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(plain.result().at("n").number(), 198);
  EXPECT_EQ(plain.result().at("surface").items().size(), 5U);
  std::vector<std::string> multilevel = surface;
  multilevel.insert(multilevel.end(), {"--patient", "patient", "--bootstrap", "50"});
  const ProgramRun nested = run_program(multilevel);
  ASSERT_EQ(nested.status, 0) << nested.err;
  EXPECT_GT(nested.result().at("patient_sd").number(), 0);
  EXPECT_EQ(nested.result().at("bootstrap").items().size(), 17U);
  const ProgramRun judged =
      run_program({"congruence", dyads, "--judgment", "z", "--truth", "x", "--bias", "y",
                   "--patient", "patient", "--format", "json"});
  ASSERT_EQ(judged.status, 0) << judged.err;
  // nlme 3.1-162, as in tests/reference/agree/agree.json
  EXPECT_NEAR(judged.result().at("truth_force").at("estimate").number(), 0.347236976620189, 1e-7);
}

TEST(CongruenceCommand, RefusesWhatItCannotDo) {
  EXPECT_THAT(run_program({"congruence", dyads, "--outcome", "z", "--x", "x"}).err,
              HasSubstr("--y"));
  EXPECT_THAT(run_program({"congruence", dyads, "--outcome", "z", "--x", "x", "--y", "y",
                           "--center", "midpoint"})
                  .err,
              HasSubstr("--range"));
  EXPECT_EQ(run_program(
                {"congruence", dyads, "--outcome", "z", "--x", "x", "--y", "y", "--center", "half"})
                .status,
            2);
  EXPECT_THAT(run_program({"congruence", dyads, "--judgment", "z", "--truth", "x"}).err,
              HasSubstr("--bias"));
}

}  // namespace
}  // namespace rapport
