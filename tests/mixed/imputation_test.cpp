#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/math/distributions.hpp>
#include <rapport/math/moments.hpp>
#include <rapport/mixed/imputation.hpp>

#include <gtest/gtest.h>

#include "support/column.hpp"
#include <cmath>
#include <functional>
#include <gmock/gmock.h>

/// The sampler against posteriors integrated on grids, with the priors as documented.
namespace rapport {
namespace {

using testing_support::column;

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double width = 10;  // of the half-t priors, in SDs of the data

double half_t(double sd, double scale) { return std::pow(1 + sd * sd / (2 * scale * scale), -1.5); }

/// Posterior means on a grid of the unnormalised log density.
class Grid {
 public:
  void add(double log_density, const Eigen::VectorXd& at) {
    if (log_density > top_) {
      const double shrink = std::exp(top_ - log_density);
      mass_ *= shrink;
      sum_ *= shrink;
      top_ = log_density;
    }
    const double weight = std::exp(log_density - top_);
    mass_ += weight;
    sum_ = sum_.size() == 0 ? Eigen::VectorXd(weight * at) : Eigen::VectorXd(sum_ + weight * at);
  }
  [[nodiscard]] Eigen::VectorXd mean() const { return sum_ / mass_; }

 private:
  double top_ = -1e300;
  double mass_ = 0;
  Eigen::VectorXd sum_;
};

const ImputationParameter& parameter(const Imputation& imputation, const std::string& name) {
  for (const ImputationParameter& p : imputation.parameters)
    if (p.name == name) return p;
  throw InvalidArgument("no parameter " + name);
}

/// Within four Monte-Carlo errors of the posterior mean.
void expect_mean(const Imputation& imputation, const std::string& name, double exact) {
  const ChainDiagnostic d = parameter(imputation, name).diagnostic;
  EXPECT_NEAR(d.mean, exact, 4 * d.sd / std::sqrt(d.effective_size)) << name;
  EXPECT_LT(d.r_hat, 1.02) << name;
  EXPECT_GT(d.effective_size, 300) << name;
}

const ImputationOptions long_run{.imputations = 4, .chains = 4, .burn_in = 200, .thin = 3000};

Table one_column(const std::string& name, const std::vector<double>& values) {
  Table table;
  table.add(name,
            Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Index>(values.size())));
  return table;
}

TEST(Imputation, SdOfANormalSample) {
  const Table table = one_column("y", {1.2, 0.3, -0.8, 2.5, 1.1, 0.4, -1.9, 0.9, missing, missing});
  const Imputation imputation = impute(table, {.variables = {"y"}}, Seed{1}, long_run);
  const double n = 8;  // standardised: Σ z² = n − 1
  Grid grid;
  for (double sd = 0.005; sd < 20; sd += 0.005)
    grid.add(-(n - 1) * std::log(sd) - (n - 1) / (2 * sd * sd) + std::log(half_t(sd, width)),
             Eigen::VectorXd::Constant(1, sd));
  expect_mean(imputation, "sd(y)", grid.mean()[0]);
}

TEST(Imputation, SdsWithinAndBetweenGroups) {
  constexpr Index groups = 12;
  constexpr Index size = 4;
  RandomStream stream(Seed{5}, 0);
  Eigen::VectorXd y(groups * size), group(groups * size);
  for (Index j = 0; j < groups; ++j) {
    const double u = 0.7 * stream.normal();
    for (Index i = 0; i < size; ++i) {
      y[j * size + i] = u + stream.normal();
      group[j * size + i] = static_cast<double>(j);
    }
  }
  Table table;
  table.add("y", y);
  table.add("g", group);
  const Imputation imputation =
      impute(table, {.variables = {"y"}, .group = "g"}, Seed{2}, long_run);
  y.array() -= y.mean();
  y /= std::sqrt(y.squaredNorm() / (groups * size - 1));
  double within = 0;
  double between = 0;
  for (Index j = 0; j < groups; ++j) {
    const double mean = y.segment(j * size, size).mean();
    within += (y.segment(j * size, size).array() - mean).square().sum();
    between += size * mean * mean;
  }
  Grid grid;
  for (double sd = 0.3; sd < 3; sd += 0.01)
    for (double tau = 0.005; tau < 6; tau += 0.01) {
      const double total = sd * sd + size * tau * tau;
      grid.add(-groups * (size - 1) * std::log(sd) - within / (2 * sd * sd) -
                   (groups - 1) / 2.0 * std::log(total) - between / (2 * total) +
                   std::log(half_t(sd, width)) + std::log(half_t(tau, width)),
               Eigen::Vector2d(sd, tau));
    }
  expect_mean(imputation, "sd(y)", grid.mean()[0]);
  expect_mean(imputation, "sd(y|g)", grid.mean()[1]);
}

TEST(Imputation, TwoBinaryVariables) {
  const std::vector<double> a = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
  const std::vector<double> b = {1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0};
  Table table = one_column("a", a);
  table.add("b", Eigen::Map<const Eigen::VectorXd>(b.data(), 12));
  const Imputation imputation = impute(table, {.variables = {"a", "b"}}, Seed{3}, long_run);
  Eigen::Matrix2d counts = Eigen::Matrix2d::Zero();
  for (std::size_t i = 0; i < 12; ++i) counts(static_cast<int>(a[i]), static_cast<int>(b[i])) += 1;
  Grid grid;
  for (double x = -2.5; x < 4; x += 0.13)
    for (double y = -2.5; y < 4; y += 0.13)
      for (double r = -0.98; r < 1; r += 0.04) {
        const double both = bivariate_normal_cdf(x, y, r);
        const double px = normal_cdf(x);
        const double py = normal_cdf(y);
        const Eigen::Vector4d cells(both, px - both, py - both, 1 - px - py + both);
        const Eigen::Vector4d n(counts(1, 1), counts(1, 0), counts(0, 1), counts(0, 0));
        grid.add(n.dot(cells.cwiseMax(1e-300).array().log().matrix()), Eigen::Vector3d(x, y, r));
      }
  expect_mean(imputation, "beta((Intercept), a)", grid.mean()[0]);
  expect_mean(imputation, "beta((Intercept), b)", grid.mean()[1]);
  expect_mean(imputation, "cor(a, b)", grid.mean()[2]);
}

TEST(Imputation, OrderedCategories) {
  const std::vector<double> y = {1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, missing};
  const Imputation imputation =
      impute(one_column("y", y), {.variables = {"y"}, .ordinal = {"y"}}, Seed{4}, long_run);
  // Latent thresholds 0, c, 1; the prior's width is 10 SDs as the shares of categories give them.
  const double sd0 = 1 / (normal_quantile(14.5 / 19) - normal_quantile(3.5 / 19));
  Grid grid;
  for (double mean = -1; mean < 2; mean += 0.03)
    for (double sd = 0.1; sd < 5; sd += 0.02)
      for (double c = 0.01; c < 1; c += 0.02) {
        const double p1 = normal_cdf(-mean / sd);
        const double p2 = normal_cdf((c - mean) / sd);
        const double p3 = normal_cdf((1 - mean) / sd);
        grid.add(3 * std::log(p1) + 5 * std::log(p2 - p1) + 6 * std::log(p3 - p2) +
                     4 * std::log(1 - p3) + std::log(half_t(sd, width * sd0)),
                 Eigen::Vector3d(mean, sd, c));
      }
  expect_mean(imputation, "beta((Intercept), y)", grid.mean()[0]);
  expect_mean(imputation, "sd(y)", grid.mean()[1]);
  expect_mean(imputation, "threshold(y, 2)", grid.mean()[2]);
}

/// Patients with sessions; some of everything is missing.
Table panel(Index patients, Seed seed) {
  std::vector<std::string> patient, arm;
  std::vector<double> session, x, y, relapse, mood, age;
  for (Index p = 0; p < patients; ++p) {
    RandomStream stream(seed, static_cast<std::uint64_t>(p));
    const double u = stream.normal();
    const double old = 40 + 10 * (0.5 * u + stream.normal());
    const bool known = stream.uniform() < 0.8;
    const std::string in = stream.uniform() < 0.5 ? "CBT" : "TAU";
    for (int s = 1; s <= 5; ++s) {
      const double a = 50 + 5 * u + 5 * stream.normal();
      const double b = 20 - 0.3 * (a - 50) - s + 2 * stream.normal();
      patient.push_back("p" + std::to_string(p));
      arm.push_back(in);
      session.push_back(s);
      x.push_back(stream.uniform() < 0.2 ? missing : a);
      y.push_back(stream.uniform() < 0.15 ? missing : b);
      relapse.push_back(stream.uniform() < 0.1 ? missing : b + 3 * stream.normal() > 18 ? 1 : 0);
      mood.push_back(stream.uniform() < 0.1 ? missing : std::floor(std::clamp(a / 15, 1.0, 4.0)));
      age.push_back(known ? old : missing);
    }
  }
  Table table;
  table.add("patient", make_factor(patient));
  table.add("arm", make_factor(arm));
  table.add("session", column(session));
  table.add("x", column(x));
  table.add("y", column(y));
  table.add("relapse", column(relapse));
  table.add("mood", column(mood));
  table.add("age", column(age));
  return table;
}

const ImputationModel everything{.variables = {"x", "y", "relapse", "mood"},
                                 .group = "patient",
                                 .group_variables = {"age"},
                                 .predictors = "arm",
                                 .slopes = {"session"},
                                 .group_predictors = "arm",
                                 .ordinal = {"mood"}};
const ImputationOptions brief{.imputations = 3, .chains = 2, .burn_in = 30, .thin = 10};

TEST(Imputation, FillsWhatIsMissingAndNothingElse) {
  const Table table = panel(40, Seed{9});
  const Imputation imputation = impute(table, everything, Seed{1}, brief);
  ASSERT_EQ(imputation.tables.size(), 3U);
  for (const char* name : {"x", "y", "relapse", "mood", "age"}) {
    const Eigen::VectorXd& before = table.numbers(name);
    for (const Table& completed : imputation.tables) {
      const Eigen::VectorXd& after = completed.numbers(name);
      for (Index i = 0; i < before.size(); ++i) {
        ASSERT_FALSE(is_missing(after[i])) << name;
        ASSERT_TRUE(is_missing(before[i]) || after[i] == before[i]) << name;
      }
    }
    EXPECT_FALSE(imputation.tables[0].numbers(name) == imputation.tables[1].numbers(name)) << name;
  }
  EXPECT_EQ(imputation.variables[2].kind, ImputedKind::binary);
  EXPECT_EQ(imputation.variables[3].kind, ImputedKind::ordinal);
  EXPECT_TRUE(imputation.variables[4].of_group);
  const Eigen::VectorXd& mood = imputation.tables[2].numbers("mood");
  for (const double m : mood) EXPECT_TRUE(m == 1 || m == 2 || m == 3 || m == 4);
}

TEST(Imputation, AGroupHasOneValue) {
  const Imputation imputation = impute(panel(40, Seed{9}), everything, Seed{1}, brief);
  const Factor patient = imputation.tables[0].factor("patient");
  const Eigen::VectorXd& age = imputation.tables[0].numbers("age");
  const auto same = [&](std::size_t a, std::size_t b) {
    return patient.codes[a] == patient.codes[b];
  };
  for (Index i = 1; i < age.size(); ++i)
    EXPECT_TRUE(!same(static_cast<std::size_t>(i), static_cast<std::size_t>(i - 1)) ||
                age[i] == age[i - 1]);
}

TEST(Imputation, DoesNotDependOnThreads) {
  const Table table = panel(15, Seed{9});
  ImputationOptions options = brief;
  const Imputation one = impute(table, everything, Seed{1}, options);
  options.threads = 4;
  const Imputation four = impute(table, everything, Seed{1}, options);
  const Imputation other = impute(table, everything, Seed{2}, options);
  EXPECT_EQ(one.tables[2].numbers("x"), four.tables[2].numbers("x"));
  EXPECT_EQ(one.largest_r_hat, four.largest_r_hat);
  EXPECT_FALSE(one.tables[2].numbers("x") == other.tables[2].numbers("x"));
}

TEST(Imputation, TextKeepsItsLevels) {
  Table table = panel(30, Seed{9});
  std::vector<std::string> grade;
  for (const double m : table.numbers("mood"))
    grade.push_back(is_missing(m) ? "" : m < 2.5 ? "low" : "high");
  table.set("mood", make_factor(grade));
  ImputationModel model = everything;
  model.ordinal = {};
  const Imputation imputation = impute(table, model, Seed{1}, brief);
  EXPECT_EQ(imputation.tables[0].factor("mood").levels, table.factor("mood").levels);
  for (const auto code : imputation.tables[0].factor("mood").codes) EXPECT_GE(code, 0);
}

TEST(Imputation, RowsWithoutPredictorsStayAsTheyAre) {
  Table table = panel(30, Seed{9});
  Eigen::VectorXd session = table.numbers("session");
  session[0] = missing;
  table.set("session", session);
  const Imputation imputation = impute(table, everything, Seed{1}, brief);
  EXPECT_EQ(imputation.n_omitted, 1);
  EXPECT_THAT(imputation.warnings, testing::Contains(HasSubstr("1 rows")));
}

TEST(Imputation, WrongModelsAreNamed) {
  const Table table = panel(10, Seed{9});
  const auto run = [&](const ImputationModel& model) {
    return [&table, model] { (void)impute(table, model, Seed{1}, brief); };
  };
  EXPECT_THAT(run({}), ThrowsMessage<InvalidArgument>(HasSubstr("variables")));
  EXPECT_THAT(run({.variables = {"z"}}), ThrowsMessage<InvalidArgument>(HasSubstr("\"z\"")));
  EXPECT_THAT(run({.variables = {"x", "x"}}), ThrowsMessage<InvalidArgument>(HasSubstr("twice")));
  EXPECT_THAT(run({.variables = {"patient"}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("ordinal")));
  EXPECT_THAT(run({.variables = {"x"}, .group = "patient", .group_variables = {"y"}}),
              ThrowsMessage<DataError>(HasSubstr("two values")));
  EXPECT_THAT(run({.variables = {"x"}, .group_variables = {"age"}}),
              ThrowsMessage<InvalidArgument>(HasSubstr("group")));
  Table constant = table;
  constant.set("y", Eigen::VectorXd(Eigen::VectorXd::Ones(table.rows())));
  EXPECT_THROW((void)impute(constant, {.variables = {"y"}}, Seed{1}, brief), DataError);
  EXPECT_THROW((void)impute(table, {.variables = {"x"}}, Seed{1}, {.imputations = 0}),
               InvalidArgument);
}

}  // namespace
}  // namespace rapport
