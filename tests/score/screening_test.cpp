#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/base/random.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/screening.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <rapidcheck.h>

namespace rapport {
namespace {

/// Clean answers: one factor with loading 0.7, cut to the range, reversed items turned as a person
/// would answer them.
Eigen::MatrixXd clean_answers(const Instrument& key, Index n, std::uint64_t seed) {
  RandomStream stream(Seed{seed}, 1);
  Eigen::MatrixXd answers(n, key.items);
  const double middle = (key.lower + key.upper) / 2;
  const double spread = (key.upper - key.lower) / 5;
  for (Index i = 0; i < n; ++i) {
    const double factor = stream.normal();
    for (Index j = 0; j < key.items; ++j) {
      const double latent = 0.7 * factor + std::sqrt(0.51) * stream.normal();
      answers(i, j) = std::clamp(std::round(middle + spread * latent), key.lower, key.upper);
    }
  }
  return keyed_responses(key, answers);
}

std::vector<Finding> screen_with_scores(const Instrument& key, const Eigen::MatrixXd& answers,
                                        const Eigen::VectorXd& total) {
  return screen_responses(key, answers,
                          {.supplied = {{.column = "total", .subscale = -1, .values = total}}});
}

const Finding* find(const std::vector<Finding>& findings, FindingKind kind) {
  const auto at = std::find_if(findings.begin(), findings.end(),
                               [&](const Finding& finding) { return finding.kind == kind; });
  return at == findings.end() ? nullptr : &*at;
}

bool names_item(const std::vector<Finding>& findings, FindingKind kind, Index item) {
  const Finding* finding = find(findings, kind);
  return finding != nullptr && std::count(finding->items.begin(), finding->items.end(), item) > 0;
}

bool names_row(const std::vector<Finding>& findings, FindingKind kind, Index row) {
  const Finding* finding = find(findings, kind);
  return finding != nullptr && std::count(finding->rows.begin(), finding->rows.end(), row) > 0;
}

/// A key, clean answers, and the scores that the file would hold.
struct Sheet {
  Instrument key;
  Eigen::MatrixXd answers;
  ScaleScores scores;
};

Sheet random_sheet(Index n = 100) {
  const auto names = std::vector<std::string>{"wai-s", "wai-36", "haq-ii", "rri-c"};
  const auto name = *rc::gen::elementOf(names);
  const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000'000);
  Sheet sheet{.key = find_instrument(name), .answers = {}, .scores = {}};
  sheet.answers = clean_answers(sheet.key, n, seed);
  sheet.scores = score_scale(sheet.key, sheet.answers);
  return sheet;
}

TEST(Screening, CleanDataWithTheirOwnScoresAreClean) {
  rc::check([] {
    const Sheet sheet = random_sheet();
    const std::vector<Finding> findings =
        screen_with_scores(sheet.key, sheet.answers, sheet.scores.total);
    // chance duplicates and straight lines happen in honest data at the rate that docs/screen.md
    // states
    for (const Finding& finding : findings)
      RC_ASSERT(finding.severity == Severity::warning && finding.rows.size() <= 4);
  });
}

TEST(Screening, NamesAnItemThatWasTurned) {
  rc::check([] {
    Sheet sheet = random_sheet();
    const auto item = *rc::gen::inRange<int>(0, sheet.key.items);
    const bool reversed =
        std::count(sheet.key.reversed.begin(), sheet.key.reversed.end(), item + 1) > 0;
    sheet.answers.col(item) =
        (sheet.key.lower + sheet.key.upper - sheet.answers.col(item).array()).matrix();
    const std::vector<Finding> findings = screen_responses(sheet.key, sheet.answers);
    RC_ASSERT(names_item(findings, FindingKind::negative_item_rest, item));
    RC_ASSERT(names_item(
        findings, reversed ? FindingKind::possibly_overreversed : FindingKind::possibly_unreversed,
        item));
    RC_ASSERT(find(findings, reversed ? FindingKind::possibly_unreversed
                                      : FindingKind::possibly_overreversed) == nullptr);
  });
}

/// Every reversed item came reversed already: the commonest fault of shared data.
TEST(Screening, NamesAllItemsThatCameReversed) {
  for (const char* name : {"wai-36", "haq-ii", "rri-c"}) {
    const Instrument key = find_instrument(name);
    const Eigen::MatrixXd turned = keyed_responses(key, clean_answers(key, 200, 5));
    const std::vector<Finding> findings = screen_responses(key, turned);
    const Finding* finding = find(findings, FindingKind::possibly_overreversed);
    ASSERT_NE(finding, nullptr) << name;
    EXPECT_EQ(finding->items.size(), key.reversed.size()) << name;
    EXPECT_EQ(find(findings, FindingKind::possibly_unreversed), nullptr) << name;
  }
}

TEST(Screening, NamesTheItemThatATotalOmits) {
  rc::check([] {
    const Sheet sheet = random_sheet();
    const auto item = *rc::gen::inRange<int>(0, sheet.key.items);
    const Eigen::VectorXd total =
        sheet.scores.total - keyed_responses(sheet.key, sheet.answers).col(item);
    const std::vector<Finding> findings = screen_with_scores(sheet.key, sheet.answers, total);
    RC_ASSERT(names_item(findings, FindingKind::total_omits_item, item));
    RC_ASSERT(find(findings, FindingKind::total_omits_item)->items.size() == 1U);
    RC_ASSERT(find(findings, FindingKind::total_mismatch) != nullptr);
  });
}

TEST(Screening, NamesRowsWhoseBlanksWereScored) {
  rc::check([] {
    Sheet sheet = random_sheet();
    const auto row = *rc::gen::inRange<Index>(0, 100);
    const auto item = *rc::gen::inRange<int>(0, sheet.key.items);
    const double kept = keyed_responses(sheet.key, sheet.answers)(row, item);
    const bool reversed =
        std::count(sheet.key.reversed.begin(), sheet.key.reversed.end(), item + 1) > 0;
    Eigen::VectorXd total = sheet.scores.total;
    total[row] += (reversed ? sheet.key.lower + sheet.key.upper : 0) - kept;
    sheet.answers(row, item) = missing;
    const double prorated = score_scale(sheet.key, sheet.answers).total[row];
    RC_PRE(!(std::abs(prorated - total[row]) <
             0.6));  // where the honest score is the same there is no fault
    const std::vector<Finding> findings = screen_with_scores(sheet.key, sheet.answers, total);
    RC_ASSERT(names_row(findings, FindingKind::blank_scored, row));
    RC_ASSERT(find(findings, FindingKind::total_mismatch) == nullptr);
  });
}

TEST(Screening, NamesASwappedSubscaleAndSaysWhichItIs) {
  rc::check([] {
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000'000);
    const auto subscale = *rc::gen::inRange<int>(0, 3);
    const int other = (subscale + 1) % 3;
    const Instrument key = find_instrument("wai-36");
    const Eigen::MatrixXd answers = clean_answers(key, 60, seed);
    const ScaleScores scores = score_scale(key, answers);
    const std::vector<Finding> findings = screen_responses(
        key, answers,
        {.supplied = {
             {.column = "own", .subscale = subscale, .values = scores.subscales.col(other)}}});
    const Finding* finding = find(findings, FindingKind::subscale_mismatch);
    RC_ASSERT(finding != nullptr);
    RC_ASSERT(finding->columns == std::vector<std::string>{"own"});
    RC_ASSERT(finding->message.find("holds the subscale " +
                                    key.subscales[static_cast<std::size_t>(other)].name) !=
              std::string::npos);
  });
}

TEST(Screening, NamesDuplicatedRows) {
  rc::check([] {
    Sheet sheet = random_sheet();
    const auto from = *rc::gen::inRange<Index>(0, 50);
    const auto to = *rc::gen::inRange<Index>(50, 100);
    int answered = 0;
    for (const double x : sheet.answers.row(from)) answered += x == sheet.answers(from, 0) ? 1 : 0;
    RC_PRE(answered < sheet.key.items);
    sheet.answers.row(to) = sheet.answers.row(from);
    const std::vector<Finding> findings = screen_responses(sheet.key, sheet.answers);
    RC_ASSERT(names_row(findings, FindingKind::duplicate_responses, from));
    RC_ASSERT(names_row(findings, FindingKind::duplicate_responses, to));
  });
}

TEST(Screening, NamesRowsAndColumnsCopiedBetweenRaters) {
  rc::check([] {
    const Sheet sheet = random_sheet();
    const auto row = *rc::gen::inRange<Index>(0, 100);
    const auto column = *rc::gen::inRange<Index>(0, sheet.key.items);
    for (Index j = 1; j < sheet.key.items; ++j)
      if (sheet.answers(row, j) != sheet.answers(row, 0))
        break;
      else
        RC_PRE(j + 1 < sheet.key.items);
    const auto seed = *rc::gen::inRange<std::uint64_t>(1, 1'000'000'000);
    Eigen::MatrixXd other = clean_answers(sheet.key, 100, seed + 1'000'000'000);
    other.row(row) = sheet.answers.row(row);
    other.col(column) = sheet.answers.col(column);
    const std::vector<Finding> findings =
        screen_responses(sheet.key, sheet.answers, {.other_rater = other});
    RC_ASSERT(names_row(findings, FindingKind::copied_between_raters, row));
    RC_ASSERT(names_item(findings, FindingKind::copied_between_raters, column));
  });
}

TEST(Screening, NamesCodesOutOfRangeAndStraightLines) {
  rc::check([] {
    Sheet sheet = random_sheet();
    const auto row = *rc::gen::inRange<Index>(0, 100);
    const auto item = *rc::gen::inRange<Index>(0, sheet.key.items);
    const auto code = *rc::gen::elementOf(std::vector<double>{-9, 0, 9, 99});
    sheet.answers.row((row + 1) % 100).setConstant(sheet.key.upper);
    sheet.answers(row, item) = code;
    const std::vector<Finding> findings = screen_responses(sheet.key, sheet.answers);
    RC_ASSERT(names_row(findings, FindingKind::out_of_range, row));
    RC_ASSERT(names_item(findings, FindingKind::out_of_range, item));
    RC_ASSERT(find(findings, FindingKind::out_of_range)->severity == Severity::error);
    RC_ASSERT(names_row(findings, FindingKind::straight_line, (row + 1) % 100));
  });
}

TEST(Screening, AStraightLineNeedsAReversedItem) {
  const Instrument phq = find_instrument("phq-9");
  Eigen::MatrixXd answers = clean_answers(phq, 40, 3);
  answers.row(4).setConstant(0);
  EXPECT_EQ(find(screen_responses(phq, answers), FindingKind::straight_line), nullptr);
}

TEST(Screening, ExplainsTotalsThatFollowAnotherRule) {
  const Instrument key = find_instrument("wai-s");
  const Eigen::MatrixXd answers = clean_answers(key, 60, 11);
  const auto message = [&](const Eigen::VectorXd& total) {
    const std::vector<Finding> findings = screen_with_scores(key, answers, total);
    const Finding* finding = find(findings, FindingKind::total_mismatch);
    return finding == nullptr ? std::string() : finding->message;
  };
  EXPECT_NE(message(answers.rowwise().sum()).find("no item is reversed"), std::string::npos);
  const Eigen::VectorXd total = score_scale(key, answers).total;
  EXPECT_NE(message(total / 12).find("it is the plain mean"), std::string::npos);
  const Eigen::VectorXd unturned = total + (2 * answers.col(3).array() - 8).matrix();
  EXPECT_NE(message(unturned).find("item_4 is not reversed"), std::string::npos);
  EXPECT_EQ(message((total.array() + 0.001).round().matrix()), "");
}

TEST(Screening, RoundingIsNoMismatch) {
  const Instrument key = find_instrument("shs");
  const Eigen::MatrixXd answers = clean_answers(key, 50, 2);
  const Eigen::VectorXd mean = score_scale(key, answers).total;
  const Eigen::VectorXd printed = (mean.array() * 10).round().matrix() / 10;
  EXPECT_EQ(find(screen_with_scores(key, answers, printed), FindingKind::total_mismatch), nullptr);
}

TEST(Screening, UnattainableTotalsAndExcessOfBlanks) {
  const Instrument key = find_instrument("wai-s");
  Eigen::MatrixXd answers = clean_answers(key, 30, 9);
  Eigen::VectorXd total = score_scale(key, answers).total;
  total[3] = 95;
  answers.row(5).head(3).setConstant(missing);  // two of twelve may be missing
  answers.row(6).head(2).setConstant(missing);
  total[5] = missing;
  total[6] = score_scale(key, answers).total[6];
  const std::vector<Finding> findings = screen_with_scores(key, answers, total);
  EXPECT_TRUE(names_row(findings, FindingKind::unattainable_total, 3));
  EXPECT_TRUE(names_row(findings, FindingKind::missing_excess, 5));
  EXPECT_FALSE(names_row(findings, FindingKind::missing_excess, 6));
}

TEST(Screening, RefusesSizesThatDoNotFit) {
  const Instrument key = find_instrument("shs");
  EXPECT_THROW((void)screen_responses(key, Eigen::MatrixXd::Ones(5, 3)), InvalidArgument);
  EXPECT_THROW((void)screen_responses(key, Eigen::MatrixXd::Ones(5, 4),
                                      {.other_rater = Eigen::MatrixXd::Ones(4, 4)}),
               InvalidArgument);
}

}  // namespace
}  // namespace rapport
