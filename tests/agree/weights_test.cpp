#include <rapport/agree/weights.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

namespace rapport {
namespace {

// irrCAC 1.0 weight matrices of categories 1 … 5, first rows.
TEST(AgreementWeights, MatchIrrcac) {
  const auto row = [](AgreementWeights kind) {
    return Eigen::VectorXd(agreement_weights(kind, 5).row(0).transpose());
  };
  EXPECT_TRUE(row(AgreementWeights::linear).isApprox(Eigen::VectorXd{{1, .75, .5, .25, 0}}, 1e-14));
  EXPECT_TRUE(
      row(AgreementWeights::quadratic).isApprox(Eigen::VectorXd{{1, .9375, .75, .4375, 0}}, 1e-14));
  EXPECT_TRUE(row(AgreementWeights::ordinal).isApprox(Eigen::VectorXd{{1, .9, .7, .4, 0}}, 1e-14));
  EXPECT_TRUE(
      row(AgreementWeights::radical)
          .isApprox(Eigen::VectorXd{{1, .5, 1 - std::sqrt(.5), 1 - std::sqrt(.75), 0}}, 1e-14));
  // ratio: 1 − ((1 − j)/(1 + j))² / (4/6)²
  EXPECT_NEAR(row(AgreementWeights::ratio)[1], 1 - (1.0 / 9) / (16.0 / 36), 1e-14);
}

RC_GTEST_PROP(AgreementWeights, AreSymmetricBetween0And1, ()) {
  const Index q = *rc::gen::inRange(1, 9);
  for (const char* name : {"unweighted", "linear", "quadratic", "ordinal", "radical", "ratio",
                           "circular", "bipolar"}) {
    const Eigen::MatrixXd w = agreement_weights(*parse_agreement_weights(name), q);
    RC_ASSERT(w.isApprox(w.transpose(), 1e-14));
    RC_ASSERT(w.minCoeff() >= 0);
    RC_ASSERT(w.diagonal().isOnes());
    require_agreement_weights("test", w);
  }
}

TEST(AgreementWeights, Refusals) {
  EXPECT_FALSE(parse_agreement_weights("cubic"));
  EXPECT_THROW((void)agreement_weights(AgreementWeights::ratio, Eigen::VectorXd{{-1, 1}}),
               InvalidArgument);
  EXPECT_THROW((void)agreement_weights(AgreementWeights::linear, 0), InvalidArgument);
  EXPECT_THROW(require_agreement_weights("test", Eigen::MatrixXd::Ones(2, 3)), InvalidArgument);
  EXPECT_THROW((void)category_counts(Eigen::MatrixXi{{0, 3}}, 2), InvalidArgument);
}

}  // namespace
}  // namespace rapport
