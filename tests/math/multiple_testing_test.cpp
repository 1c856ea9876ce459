#include <rapport/base/missing.hpp>
#include <rapport/math/multiple_testing.hpp>

#include <gtest/gtest.h>

namespace rapport {
namespace {

// R 4.2: p.adjust(c(0.01, 0.02, 0.03, 0.04, NA, 0.8, 0.005, 0.02), method)
TEST(AdjustPValues, AgreeWithR) {
  const Eigen::VectorXd p{{0.01, 0.02, 0.03, 0.04, missing, 0.8, 0.005, 0.02}};
  const auto check = [&](std::string_view method, const Eigen::VectorXd& expected) {
    const Eigen::VectorXd adjusted = adjust_p_values(p, parse_adjustment(method).value());
    for (Index i = 0; i < p.size(); ++i) {
      if (i == 4) {
        EXPECT_TRUE(is_missing(adjusted[i]));
      } else {
        EXPECT_NEAR(adjusted[i], expected[i], 1e-15) << method << " " << i;
      }
    }
  };
  check("none", p);
  check("bonferroni", Eigen::VectorXd{{0.07, 0.14, 0.21, 0.28, missing, 1, 0.035, 0.14}});
  check("holm", Eigen::VectorXd{{0.06, 0.10, 0.10, 0.10, missing, 0.8, 0.035, 0.10}});
  check("hochberg", Eigen::VectorXd{{0.06, 0.08, 0.08, 0.08, missing, 0.8, 0.035, 0.08}});
  check("bh",
        Eigen::VectorXd{{0.035, 0.035, 0.042, 0.046666666666666669, missing, 0.8, 0.035, 0.035}});
  check("by", Eigen::VectorXd{{0.09075, 0.09075, 0.1089, 0.121, missing, 1, 0.09075, 0.09075}});
}

TEST(AdjustPValues, OfNothingIsNothing) {
  EXPECT_EQ(adjust_p_values(Eigen::VectorXd(0), Adjustment::holm).size(), 0);
}

TEST(ParseAdjustment, RefusesOtherWords) { EXPECT_FALSE(parse_adjustment("tukey").has_value()); }

}  // namespace
}  // namespace rapport
