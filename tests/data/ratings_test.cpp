#include <rapport/base/error.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/data/ratings.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <gmock/gmock.h>

namespace rapport {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Ratings, WideAndLongGiveTheSameMatrix) {
  const Ratings wide = wide_ratings(parse_csv("a,b\n1,2\n3,\n5,6\n"), {"a", "b"});
  const Ratings longer = long_ratings(parse_csv("s,r,y\n1,a,1\n2,a,3\n3,a,5\n1,b,2\n3,b,6\n"),
                                      {.subject = "s", .rater = "r", .rating = "y"});
  EXPECT_THAT(longer.raters, ElementsAre("a", "b"));
  EXPECT_THAT(wide.subjects, ElementsAre("1", "2", "3"));
  ASSERT_EQ(wide.values.rows(), longer.values.rows());
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 2; ++j)
      EXPECT_TRUE(wide.values(i, j) == longer.values(i, j) ||
                  (std::isnan(wide.values(i, j)) && std::isnan(longer.values(i, j))));
}

TEST(Ratings, RefusesARatingThatStandsTwice) {
  const Table table = parse_csv("s,r,y\n1,a,1\n1,a,2\n", {}, "ratings.csv");
  EXPECT_THAT([&] { (void)long_ratings(table, {.subject = "s", .rater = "r", .rating = "y"}); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("ratings.csv:3"), HasSubstr("twice"))));
  EXPECT_NO_THROW((void)long_ratings(parse_csv("s,r,y\n1,a,1\n1,a,\n"),
                                     {.subject = "s", .rater = "r", .rating = "y"}))
      << "a missing rating is no rating";
}

TEST(Ratings, CategoriesAreSortedAsNumbersWhereAllAreNumbers) {
  EXPECT_THAT(wide_categories(parse_csv("a,b\n10,2\n2,9\n"), {"a", "b"}).categories,
              ElementsAre("2", "9", "10"));
  const CategoryRatings mixed = wide_categories(parse_csv("a,b\n10,no\n2,9\n"), {"a", "b"});
  EXPECT_THAT(mixed.categories, ElementsAre("10", "2", "9", "no"));
  EXPECT_EQ(mixed.codes(0, 1), 3);
}

TEST(Ratings, RefusesACategoryThatIsNotListed) {
  const Table table = parse_csv("a,b\nno,yes\nyes,maybe\n", {}, "raters.csv");
  EXPECT_THAT(
      [&] {
        (void)wide_categories(table, {"a", "b"}, {"no", "yes"});
      },
      ThrowsMessage<DataError>(
          AllOf(HasSubstr("raters.csv:3"), HasSubstr("\"b\""), HasSubstr("maybe"))));
}

TEST(Ratings, CountsRatersInCategories) {
  const Eigen::MatrixXd counts =
      category_counts(wide_categories(parse_csv("a,b,c\nx,x,y\ny,,y\n"), {"a", "b", "c"}));
  EXPECT_EQ(counts, (Eigen::MatrixXd{{2, 1}, {0, 2}}));
  const Table table = parse_csv("x,y\n2,1\n0,2\n");
  EXPECT_EQ(category_counts(table, {"x", "y"}), counts);
  for (const char* text : {"x,y\n-1,1\n", "x,y\n0.5,1\n", "x,y\n,1\n"})
    EXPECT_THROW((void)category_counts(parse_csv(text), {"x", "y"}), DataError) << text;
}

}  // namespace
}  // namespace rapport
