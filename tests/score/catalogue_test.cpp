#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/csv.hpp>
#include <rapport/score/catalogue.hpp>
#include <rapport/score/scoring.hpp>

#include <gtest/gtest.h>

#include <gmock/gmock.h>
#include <map>
#include <set>
#include <sstream>

namespace rapport {
namespace {

using ::testing::HasSubstr;

Eigen::MatrixXd one_row(const std::string& answers) {
  std::istringstream in(answers);
  std::vector<double> values;
  for (std::string cell; in >> cell;) values.push_back(cell == "." ? missing : std::stod(cell));
  return Eigen::Map<const Eigen::RowVectorXd>(values.data(), static_cast<Index>(values.size()));
}

double score_named(const Instrument& instrument, const ScaleScores& scores,
                   const std::string& name) {
  if (name == "total") return scores.total[0];
  for (std::size_t s = 0; s < instrument.subscales.size(); ++s)
    if (instrument.subscales[s].name == name) return scores.subscales(0, static_cast<Index>(s));
  ADD_FAILURE() << instrument.name << " has no subscale " << name;
  return missing;
}

/// Every key against respondents scored by hand_worked.py from a second transcription of the
/// manuals.
TEST(Catalogue, ScoresHandWorkedRespondentsByTheManualsRules) {
  const Table table = read_csv(std::string(RAPPORT_TEST_DATA) + "/score/hand_worked.csv");
  std::set<std::string> seen;
  for (Index i = 0; i < table.rows(); ++i) {
    const auto cell = [&](const char* column) { return cell_text(table.column(column), i); };
    const Instrument instrument = find_instrument(cell("instrument"), true);
    seen.insert(instrument.name);
    const ScaleScores scores = score_scale(instrument, one_row(cell("answers")));
    const double expected = table.numbers("value")[i];
    const double found = score_named(instrument, scores, cell("score"));
    if (is_missing(expected)) {
      EXPECT_TRUE(is_missing(found))
          << instrument.name << ' ' << cell("respondent") << ' ' << cell("score") << ": " << found;
    } else {
      EXPECT_NEAR(found, expected, 1e-9)
          << instrument.name << ' ' << cell("respondent") << ' ' << cell("score");
    }
  }
  EXPECT_EQ(seen.size(), catalogue().size()) << "every key has hand-worked respondents";
}

TEST(Catalogue, WaiShortFormByHand) {
  // Task 1 2 8 12 = 7+6+5+4, Bond 3 5 7 9 = 3+3+3+3, Goal (8−2) + 5 + (8−1) + 6.
  const ScaleScores scores =
      score_scale(find_instrument("wai-s"), one_row("7 6 3 2 3 5 3 5 3 1 6 4"));
  EXPECT_DOUBLE_EQ(scores.subscales(0, 0), 22);
  EXPECT_DOUBLE_EQ(scores.subscales(0, 1), 12);
  EXPECT_DOUBLE_EQ(scores.subscales(0, 2), 24);
  EXPECT_DOUBLE_EQ(scores.total[0], 58);
}

TEST(Catalogue, WaiLongFormHoldsItem28ForwardAndItem29Reversed) {
  const Instrument wai = find_instrument("wai-36");
  Eigen::MatrixXd answers = Eigen::MatrixXd::Constant(3, 36, 4);
  answers(1, 27) = 7;
  answers(2, 28) = 7;
  const ScaleScores scores = score_scale(wai, answers);
  EXPECT_DOUBLE_EQ(scores.total[1] - scores.total[0], 3);
  EXPECT_DOUBLE_EQ(scores.total[2] - scores.total[0], -3);
}

TEST(Catalogue, OutcomeQuestionnaireRoundsSubstitutes) {
  // Social role, item 4 missing: the other eight scored sum to 12 (mean 1.5), rounded up to 2.
  Eigen::MatrixXd answers = Eigen::MatrixXd::Zero(1, 45);
  for (const int item : {12, 21}) answers(0, item - 1) = 4;  // reversed: scored 0
  for (const int item : {14, 28, 32}) answers(0, item - 1) = 4;
  answers(0, 3) = missing;
  const ScaleScores scores = score_scale(find_instrument("oq-45"), answers);
  EXPECT_DOUBLE_EQ(scores.subscales(0, 2), 14);
}

TEST(Catalogue, PositiveSymptomIndices) {
  Eigen::MatrixXd answers = Eigen::MatrixXd::Zero(2, 53);
  answers(0, 0) = 4;
  answers(0, 10) = 1;
  answers(0, 11) = missing;
  const Instrument bsi = find_instrument("bsi-53");
  const ScaleScores scores = score_scale(bsi, answers);
  const Index pst = 9;
  EXPECT_EQ(scores.subscale_names[9], "pst");
  EXPECT_DOUBLE_EQ(scores.total[0], 5.0 / 52);
  EXPECT_DOUBLE_EQ(scores.subscales(0, pst), 2);
  EXPECT_DOUBLE_EQ(scores.subscales(0, pst + 1), 2.5);
  EXPECT_DOUBLE_EQ(scores.subscales(1, pst), 0);
  EXPECT_TRUE(is_missing(scores.subscales(1, pst + 1))) << "no symptom, no distress per symptom";
}

std::string criterion(const char* instrument, const std::string& answers) {
  const Instrument key = find_instrument(instrument);
  const int at = criterion_of(key, one_row(answers))[0];
  return at < 0 ? "open" : key.criteria[static_cast<std::size_t>(at)].label;
}

TEST(Catalogue, MentalHealthContinuumDiagnoses) {
  EXPECT_EQ(criterion("mhc-sf", "4 0 0  4 4 4 5 5 5 0 0 0 0 0"), "flourishing");
  EXPECT_EQ(criterion("mhc-sf", "3 3 3  4 4 4 5 5 5 0 0 0 0 0"), "moderate");
  EXPECT_EQ(criterion("mhc-sf", "1 3 3  0 0 0 1 1 1 5 5 5 5 5"), "languishing");
  EXPECT_EQ(criterion("mhc-sf", "4 0 0  4 4 4 5 5 . 0 0 0 0 0"), "open");
}

TEST(Catalogue, PtsdChecklistProvisionalDiagnosis) {
  EXPECT_EQ(criterion("pcl-5", "2 0 0 0 0  2 0  2 2 0 0 0 0 0  2 2 0 0 0 0"),
            "provisional diagnosis");
  EXPECT_EQ(criterion("pcl-5", "2 0 0 0 0  2 0  2 1 1 1 1 1 1  2 2 0 0 0 0"), "no diagnosis");
}

/// Bands at both sides of each published border.
TEST(Catalogue, BandsBeginAtThePublishedBorders) {
  const auto band = [](const char* name, double total) {
    const Instrument key = find_instrument(name);
    const int at = band_of(key.total.bands, total);
    return at < 0 ? std::string("none") : key.total.bands[static_cast<std::size_t>(at)].label;
  };
  EXPECT_EQ(band("phq-9", 9), "mild");
  EXPECT_EQ(band("phq-9", 10), "moderate");
  EXPECT_EQ(band("phq-9", 20), "severe");
  EXPECT_EQ(band("gad-7", 14), "moderate");
  EXPECT_EQ(band("gad-7", 15), "severe");
  EXPECT_EQ(band("bdi-ii", 13), "minimal");
  EXPECT_EQ(band("bdi-ii", 14), "mild");
  EXPECT_EQ(band("bdi-ii", 29), "severe");
  EXPECT_EQ(band("audit", 15), "zone II") << "WHO (2001): zone II is 8 to 15";
  EXPECT_EQ(band("audit", 16), "zone III");
  EXPECT_EQ(band("k10", 22), "high");
  EXPECT_EQ(band("k10-crufad", 22), "mild");
  EXPECT_EQ(band("core-10", 10.9), "below the cut-off")
      << "a prorated score belongs to the band below";
  EXPECT_EQ(band("core-10", 25), "severe");
  EXPECT_EQ(band("swls", 20), "neutral");
  EXPECT_EQ(band("oq-45", 62), "below the cut-off");
  EXPECT_EQ(band("oq-45", 63), "clinical");
}

TEST(Catalogue, EveryKeyIsSoundAndSaysWhereItComesFrom) {
  std::set<std::string> fingerprints;
  for (const InstrumentKey& key : catalogue()) {
    EXPECT_FALSE(find_fault(key).found()) << key.name << ' ' << path_of(find_fault(key));
    EXPECT_FALSE(key.source.empty()) << key.name;
    EXPECT_FALSE(key.licence.empty()) << key.name;
    EXPECT_FALSE(key.total.items.empty() && key.subscales.empty()) << key.name;
    if (!key.total.items.empty()) {
      EXPECT_FALSE(is_missing(key.total.attainable.lower)) << key.name;
    }
    EXPECT_TRUE(fingerprints.insert(fingerprint(make_instrument(key))).second) << key.name;
  }
}

TEST(Catalogue, PerspectivesShareAKeyAndDifferInName) {
  const Instrument therapist = find_instrument("WAI-S-therapist");
  EXPECT_EQ(therapist.name, "wai-s-therapist");
  EXPECT_EQ(therapist.perspectives, std::vector<std::string>{"therapist"});
  EXPECT_EQ(therapist.reversed, find_instrument("wai-s").reversed);
}

TEST(Catalogue, RefusesUnknownAndUnverifiedKeys) {
  try {
    (void)find_instrument("wai-sx");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("wai-sx"));
    EXPECT_THAT(error.what(), HasSubstr("did you mean wai-s"));
  }
  EXPECT_THROW((void)find_instrument("arm-5"), InvalidArgument);
  EXPECT_EQ(find_instrument("arm-5", true).items, 5);
}

}  // namespace
}  // namespace rapport
