#include <rapport/base/error.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>
#include <limits>
#include <vector>

namespace rapport {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Error, DataErrorNamesFileLineAndColumn) {
  const DataError error("9 is outside 1..5", "panel.csv", 17, 3);
  EXPECT_STREQ(error.what(), "panel.csv:17:3: 9 is outside 1..5");
  EXPECT_EQ(error.line(), 17);
}

TEST(Error, DataErrorLeavesOutAnUnknownPlace) {
  EXPECT_STREQ(DataError("the file is empty", "panel.csv").what(), "panel.csv: the file is empty");
}

TEST(Error, CaretStandsUnderTheFaultPastMultibyteCharacters) {
  const FormulaError error("unexpected `)`", "äö ~ x)", 8);
  EXPECT_EQ(error.caret(), "äö ~ x)\n      ^");
}

TEST(Error, LevelMessageHoldsTheValueAndTheRequirement) {
  EXPECT_THAT(
      [] { require_level("cohen_kappa", "confidence_level", 1.5); },
      ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("1.5"), HasSubstr("between 0 and 1"))));
  EXPECT_THROW(require_level("f", "level", std::nan("")), InvalidArgument);
  EXPECT_NO_THROW(require_level("f", "level", 0.95));
}

TEST(Error, SizeMessageHoldsBothSizes) {
  EXPECT_THAT([] { require_same_size("kendall_tau", "x", 3, "y", 4); },
              ThrowsMessage<InvalidArgument>(AllOf(HasSubstr("3"), HasSubstr("4"))));
}

TEST(Error, InfinityIsRefusedAndMissingIsNot) {
  Eigen::VectorXd x{{1, std::nan(""), 2}};
  EXPECT_NO_THROW(require_no_infinity("f", "x", x));
  x[2] = std::numeric_limits<double>::infinity();
  EXPECT_THROW(require_no_infinity("f", "x", x), InvalidArgument);
}

TEST(Error, NearestNameForgivesOneSlipAndNotAnotherWord) {
  const std::vector<std::string> names{"wai-sr", "phq-9", "gad-7"};
  EXPECT_EQ(nearest_name("PHQ9", names), "phq-9");
  EXPECT_EQ(nearest_name("zzzzzzzzzz", names), "");
}

}  // namespace
}  // namespace rapport
