#include <rapport/base/random.hpp>
#include <rapport/math/distributions.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace rapport {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

using Arguments = std::vector<double>;
using Function = std::function<double(const Arguments&)>;

/// The functions by name, as the reference files call them.
const std::map<std::string, Function>& functions() {
  static const std::map<std::string, Function> table{
      {"normal_cdf", [](const Arguments& a) { return normal_cdf(a[0]); }},
      {"normal_upper_tail", [](const Arguments& a) { return normal_upper_tail(a[0]); }},
      {"normal_log_cdf", [](const Arguments& a) { return normal_log_cdf(a[0]); }},
      {"normal_quantile", [](const Arguments& a) { return normal_quantile(a[0]); }},
      {"students_t_cdf", [](const Arguments& a) { return students_t_cdf(a[0], a[1]); }},
      {"students_t_upper_tail",
       [](const Arguments& a) { return students_t_upper_tail(a[0], a[1]); }},
      {"students_t_quantile", [](const Arguments& a) { return students_t_quantile(a[0], a[1]); }},
      {"chi_squared_cdf", [](const Arguments& a) { return chi_squared_cdf(a[0], a[1]); }},
      {"chi_squared_upper_tail",
       [](const Arguments& a) { return chi_squared_upper_tail(a[0], a[1]); }},
      {"chi_squared_quantile", [](const Arguments& a) { return chi_squared_quantile(a[0], a[1]); }},
      {"fisher_f_cdf", [](const Arguments& a) { return fisher_f_cdf(a[0], a[1], a[2]); }},
      {"fisher_f_upper_tail",
       [](const Arguments& a) { return fisher_f_upper_tail(a[0], a[1], a[2]); }},
      {"fisher_f_quantile", [](const Arguments& a) { return fisher_f_quantile(a[0], a[1], a[2]); }},
      {"beta_cdf", [](const Arguments& a) { return beta_cdf(a[0], a[1], a[2]); }},
      {"beta_quantile", [](const Arguments& a) { return beta_quantile(a[0], a[1], a[2]); }},
      {"binomial_cdf", [](const Arguments& a) { return binomial_cdf(a[0], a[1], a[2]); }},
      {"binomial_upper_tail",
       [](const Arguments& a) { return binomial_upper_tail(a[0], a[1], a[2]); }},
      {"binomial_density", [](const Arguments& a) { return binomial_density(a[0], a[1], a[2]); }},
      {"noncentral_t_cdf", [](const Arguments& a) { return noncentral_t_cdf(a[0], a[1], a[2]); }},
      {"noncentral_chi_squared_cdf",
       [](const Arguments& a) { return noncentral_chi_squared_cdf(a[0], a[1], a[2]); }},
      {"noncentral_f_cdf",
       [](const Arguments& a) { return noncentral_f_cdf(a[0], a[1], a[2], a[3]); }},
      {"studentized_range_cdf",
       [](const Arguments& a) { return studentized_range_cdf(a[0], a[1], a[2]); }},
      {"studentized_range_quantile",
       [](const Arguments& a) { return studentized_range_quantile(a[0], a[1], a[2]); }},
      {"bivariate_normal_cdf",
       [](const Arguments& a) { return bivariate_normal_cdf(a[0], a[1], a[2]); }},
      {"log_gamma", [](const Arguments& a) { return log_gamma(a[0]); }},
      {"digamma", [](const Arguments& a) { return digamma(a[0]); }},
      {"trigamma", [](const Arguments& a) { return trigamma(a[0]); }}};
  return table;
}

struct Expected {
  std::string name;
  Arguments arguments;
  double value = 0;
};

std::vector<Expected> read_expected(const std::string& file) {
  std::ifstream in(RAPPORT_TEST_DATA "/math/" + file);
  std::vector<Expected> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    Expected row;
    std::string cell;
    std::getline(cells, row.name, ',');
    for (int k = 0; k < 4; ++k) {
      std::getline(cells, cell, ',');
      if (!cell.empty()) row.arguments.push_back(std::strtod(cell.c_str(), nullptr));
    }
    std::getline(cells, cell, ',');
    row.value = std::strtod(cell.c_str(), nullptr);
    rows.push_back(row);
  }
  return rows;
}

/// Agreement asked for, relative to the value.
double tolerance(const Expected& row) {
  if (row.name == "studentized_range_quantile") return 1e-8;  // scipy's root finder stops there
  if (row.name.starts_with("studentized") || row.name.starts_with("noncentral")) return 1e-10;
  if (row.name == "bivariate_normal_cdf") return 1e-12;
  return 2e-12;
}

/// What is allowed beside it: rounding of probabilities near 1, and in the far tails of the
/// noncentral t.
double absolute_tolerance(const Expected& row) {
  if (row.name == "noncentral_t_cdf") return 1e-14;
  if (row.name == "studentized_range_cdf") return 1e-13;
  return row.name == "bivariate_normal_cdf" ? 2e-15 : 1e-300;
}

void expect_agreement(const std::string& file) {
  const std::vector<Expected> rows = read_expected(file);
  ASSERT_GT(rows.size(), 50U);
  for (const Expected& row : rows) {
    EXPECT_NEAR(functions().at(row.name)(row.arguments), row.value,
                tolerance(row) * std::abs(row.value) + absolute_tolerance(row))
        << row.name << testing::PrintToString(row.arguments);
  }
}

TEST(Distributions, AgreeWithR) { expect_agreement("distributions.csv"); }
TEST(Distributions, AgreeWithQuadrature) { expect_agreement("quadrature.csv"); }

TEST(Distributions, QuantilesInvert) {
  for (const double p : {1e-12, 0.01, 0.3, 0.5, 0.77, 0.999}) {
    EXPECT_NEAR(normal_cdf(normal_quantile(p)), p, 4e-15 * std::max(p, 1e-3));
    EXPECT_NEAR(students_t_cdf(students_t_quantile(p, 4.5), 4.5), p, 1e-12 * p);
    EXPECT_NEAR(chi_squared_cdf(chi_squared_quantile(p, 3), 3), p, 1e-12 * p);
    EXPECT_NEAR(fisher_f_cdf(fisher_f_quantile(p, 3, 9), 3, 9), p, 1e-12 * p);
    EXPECT_NEAR(beta_cdf(beta_quantile(p, 0.4, 3), 0.4, 3), p, 1e-12 * p);
    EXPECT_NEAR(noncentral_t_cdf(noncentral_t_quantile(p, 12, 1.3), 12, 1.3), p, 1e-7 * p);
    EXPECT_NEAR(studentized_range_cdf(studentized_range_quantile(p, 4, 11), 4, 11), p, 1e-10);
  }
}

// With two groups the studentized range is √2 |t|.
TEST(StudentizedRange, OfTwoGroupsIsStudentsT) {
  for (const double df : {1.0, 2.0, 7.3, 40.0, 5000.0, infinity}) {
    for (const double q : {0.01, 0.5, 2.0, 6.0, 30.0}) {
      const double tail = 2 * students_t_upper_tail(q / std::sqrt(2.0), df);
      EXPECT_NEAR(studentized_range_upper_tail(q, 2, df), tail, 2e-11 * tail) << q << " on " << df;
      EXPECT_NEAR(studentized_range_cdf(q, 2, df), 1 - tail, 2e-11) << q << " on " << df;
    }
  }
}

// P(range of three normals ≤ w) has P(X₁, X₂, X₃ within w); its complement and the distribution
// function add to 1.
// Of two groups √2 |t|, also where df are next to none; the time does not grow as they vanish.
TEST(StudentizedRange, OfVanishingDf) {
  for (const double df : {0.5, 0.1, 0.09, 0.01, 1e-6, 1e-200})
    for (const double q : {0.2, 3.0, 30.0})
      EXPECT_NEAR(studentized_range_upper_tail(q, 2, df),
                  2 * students_t_upper_tail(q / std::sqrt(2.0), df), 1e-10)
          << df << " " << q;
}

TEST(StudentizedRange, TailsAreComplementary) {
  for (const double groups : {3.0, 8.0, 60.0}) {
    for (const double df : {1.0, 3.0, 25.0, 900.0, infinity}) {
      for (const double q : {0.4, 2.0, 4.0, 9.0}) {
        EXPECT_NEAR(
            studentized_range_cdf(q, groups, df) + studentized_range_upper_tail(q, groups, df), 1,
            1e-11);
      }
    }
  }
}

// Sheppard (1899): Φ₂(0, 0; ρ) = 1/4 + asin(ρ) / 2π.
TEST(BivariateNormal, QuadrantProbabilityAtTheOrigin) {
  const double pi = std::acos(-1.0);
  for (double rho = -1; rho <= 1; rho += 0.0625) {
    EXPECT_NEAR(bivariate_normal_cdf(0, 0, rho), 0.25 + std::asin(rho) / (2 * pi), 2e-16 + 1e-15);
  }
}

TEST(BivariateNormal, ReflectsAndHasItsMargins) {
  for (const double rho : {-0.97, -0.4, 0.0, 0.3, 0.93}) {
    for (const double x : {-2.0, 0.1, 1.4}) {
      for (const double y : {-1.1, 0.1, 2.5}) {
        EXPECT_NEAR(bivariate_normal_cdf(x, y, rho), bivariate_normal_cdf(y, x, rho), 1e-15);
        EXPECT_NEAR(bivariate_normal_cdf(x, y, rho) + bivariate_normal_cdf(x, -y, -rho),
                    normal_cdf(x), 2e-15);
      }
      EXPECT_EQ(bivariate_normal_cdf(x, infinity, rho), normal_cdf(x));
      EXPECT_EQ(bivariate_normal_cdf(-infinity, x, rho), 0);
    }
  }
}

// ∂Φ₂/∂ρ is the density (Plackett 1954).
TEST(BivariateNormal, DensityIsTheDerivativeInTheCorrelation) {
  for (const double rho : {-0.8, -0.2, 0.5, 0.9}) {
    const double step = 1e-5;
    const double slope = (bivariate_normal_cdf(0.4, -0.9, rho + step) -
                          bivariate_normal_cdf(0.4, -0.9, rho - step)) /
                         (2 * step);
    EXPECT_NEAR(bivariate_normal_density(0.4, -0.9, rho), slope, 1e-9);
  }
}

TEST(Distributions, UpperTailsKeepRelativeAccuracy) {
  EXPECT_NEAR(students_t_upper_tail(40, 100) / 1.2310538010700368e-63, 1,
              1e-9);  // R: pt(40, 100, lower.tail = FALSE)
  EXPECT_GT(normal_upper_tail(37), 0);
  EXPECT_GT(fisher_f_upper_tail(1e4, 3, 200), 0);
  EXPECT_NEAR(normal_log_cdf(-1e8), -5e15, 1e3);
}

TEST(Distributions, EndsOfTheSupportAndWrongParameters) {
  EXPECT_EQ(normal_quantile(0), -infinity);
  EXPECT_EQ(normal_quantile(1), infinity);
  EXPECT_EQ(students_t_quantile(1, 3), infinity);
  EXPECT_EQ(chi_squared_quantile(0, 3), 0);
  EXPECT_EQ(chi_squared_cdf(-1, 3), 0);
  EXPECT_EQ(chi_squared_upper_tail(infinity, 3), 0);
  EXPECT_EQ(fisher_f_upper_tail(infinity, 2, 3), 0);
  EXPECT_EQ(fisher_f_upper_tail(2.5, 2, infinity), chi_squared_upper_tail(5, 2));
  EXPECT_EQ(students_t_upper_tail(1.5, infinity), normal_upper_tail(1.5));
  EXPECT_EQ(beta_cdf(1, 2, 3), 1);
  EXPECT_EQ(binomial_upper_tail(0, 4, 0.3), 1);
  EXPECT_EQ(binomial_upper_tail(5, 4, 0.3), 0);
  EXPECT_EQ(binomial_density(0, 0, 0.3), 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double value :
       {normal_cdf(nan), normal_quantile(nan), normal_quantile(1.5), students_t_cdf(1, 0),
        students_t_cdf(nan, 2), chi_squared_cdf(1, -1), fisher_f_cdf(1, 2, -3),
        beta_quantile(0.4, 0, 1), binomial_cdf(1, 3, 1.2), noncentral_t_cdf(1, nan, 0),
        noncentral_f_cdf(1, 2, 3, -1), studentized_range_cdf(1, 1, 5),
        bivariate_normal_cdf(0, 0, 1.01), digamma(nan), noncentral_chi_squared_cdf(nan, 2, 1),
        studentized_range_quantile(-1, 3, 4)}) {
    EXPECT_TRUE(std::isnan(value));
  }
}

TEST(PValues, FollowTheAlternative) {
  EXPECT_DOUBLE_EQ(normal_p_value(1.3), 2 * normal_upper_tail(1.3));
  EXPECT_DOUBLE_EQ(normal_p_value(-1.3), 2 * normal_upper_tail(1.3));
  EXPECT_DOUBLE_EQ(students_t_p_value(1.3, 5, Alternative::greater), students_t_upper_tail(1.3, 5));
  EXPECT_DOUBLE_EQ(students_t_p_value(1.3, 5, Alternative::less), students_t_cdf(1.3, 5));
  EXPECT_EQ(students_t_p_value(0, 5), 1);
}

TEST(Intervals, CoverSymmetrically) {
  const ConfidenceInterval ci = students_t_interval(2, 0.5, 10, 0.9);
  EXPECT_NEAR(ci.upper - 2, 0.5 * 1.812461122811676, 1e-13);  // R: qt(0.95, 10)
  EXPECT_NEAR(2 - ci.lower, ci.upper - 2, 1e-15);
  EXPECT_NEAR(normal_interval(0, 1).upper, 1.959963984540054, 1e-14);  // R: qnorm(0.975)
}

// The stream inverts its uniform: the same draw through this quantile gives the same normal.
TEST(RandomStream, NormalIsTheQuantileOfTheUniform) {
  RandomStream uniforms(Seed{5}, 1);
  RandomStream normals(Seed{5}, 1);
  for (int i = 0; i < 20000; ++i) {
    const double expected = normal_quantile(uniforms.uniform());
    ASSERT_NEAR(normals.normal(), expected, 1e-14 * std::max(1.0, std::abs(expected)));
  }
}

}  // namespace
}  // namespace rapport
