#include <rapport/agree/profile.hpp>
#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include "agree_data.hpp"

namespace rapport {
namespace {

TEST(ProfileSimilarity, ByHand) {
  const Eigen::MatrixXd first{{1, 2, 3}, {4, 4, missing}};
  const Eigen::MatrixXd second{{2, 3, 4}, {1, 5, 2}};
  const std::vector<ProfileSimilarity> p = profile_similarity(first, second);
  EXPECT_NEAR(p[0].r, 1, 1e-15);
  EXPECT_NEAR(p[0].icc, 2.5 / 5.5, 1e-14);  // deviations from 2.5: Σxy = 2.5, Σx² = 5.5
  EXPECT_NEAR(p[0].mean_absolute_difference, 1, 1e-15);
  EXPECT_NEAR(p[0].d2, 3, 1e-15);
  EXPECT_EQ(p[1].items, 2);
  EXPECT_TRUE(is_missing(p[1].r));  // a flat profile has no shape
  EXPECT_NEAR(p[1].d2, 9 + 1, 1e-15);
}

TEST(ProfileSimilarity, EqualProfilesAndRefusals) {
  const Eigen::MatrixXd a{{1, 5, 2, 4}};
  const ProfileSimilarity p = profile_similarity(a, a).front();
  EXPECT_NEAR(p.icc, 1, 1e-15);
  EXPECT_NEAR(p.d2, 0, 1e-15);
  EXPECT_THROW((void)profile_similarity(a, a.leftCols(3)), InvalidArgument);
}

// Double entry sees elevation, Pearson's r does not.
TEST(ProfileSimilarity, IccIsDoubleEntry) {
  const Eigen::MatrixXd a{{1, 2, 3, 4}};
  const Eigen::MatrixXd b{{3, 4, 5, 6}};
  const ProfileSimilarity p = profile_similarity(a, b).front();
  // x = (1,2,3,4,3,4,5,6), y = (3,4,5,6,1,2,3,4): deviations from 3.5 give Σxy = 2, Σx² = 18
  EXPECT_NEAR(p.icc, 2.0 / 18, 1e-14);
  EXPECT_NEAR(p.r, 1, 1e-14);
}

}  // namespace
}  // namespace rapport
