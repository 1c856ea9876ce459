#include <rapport/base/error.hpp>
#include <rapport/score/catalogue.hpp>

#include <algorithm>

// Facts about questionnaires: item numbers, reversals, ranges, rules and cut-offs with their
// source. Item wording is nobody's fact but its authors' text, and never stands here.

namespace rapport {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

using Items = FixedList<int, 96>;
using Bands = FixedList<BasicBand<ConstantKey>, 8>;
using Perspectives = FixedList<std::string_view, 4>;

/// A total over all items.
constexpr ScoreKey total_of(int items, Attainable attainable, Bands bands = {}, int max_missing = 0,
                            ScoreRule rule = ScoreRule::sum, double multiplier = 1) {
  return {.name = "total",
          .items = items_to(items),
          .rule = rule,
          .multiplier = multiplier,
          .max_missing = max_missing,
          .attainable = attainable,
          .bands = bands};
}

/// A subscale whose score is the sum of its items.
constexpr ScoreKey sum_of(std::string_view name, Items items, Attainable attainable,
                          int max_missing = 0, Bands bands = {}) {
  return {.name = name,
          .items = items,
          .rule = ScoreRule::sum,
          .multiplier = 1,
          .max_missing = max_missing,
          .attainable = attainable,
          .bands = bands};
}

/// A subscale whose score is the mean of its items, times `multiplier`.
constexpr ScoreKey mean_of(std::string_view name, Items items, Attainable attainable,
                           int max_missing = 0, double multiplier = 1) {
  return {.name = name,
          .items = items,
          .rule = ScoreRule::mean,
          .multiplier = multiplier,
          .max_missing = max_missing,
          .attainable = attainable,
          .bands = {}};
}

constexpr Perspectives client_only{"client"};
constexpr Perspectives dyad{"client", "therapist"};
constexpr Perspectives all_raters{"client", "therapist", "observer"};

constexpr std::string_view no_missing_rule =
    "no rule for missing items was found in the sources: the score is missing unless every item is "
    "answered";
constexpr std::string_view usual_missing_rule =
    "the authors state no rule for missing items; as is usual, up to a fifth of a score's items "
    "are given the person's mean";

// --- Alliance ---------------------------------------------------------------------------------

constexpr InstrumentKey wai_36 = checked(
    {.name = "wai-36",
     .title = "Working Alliance Inventory, 36 items",
     .construct = "working alliance",
     .perspectives = all_raters,
     .items = 36,
     .lower = 1,
     .upper = 7,
     .reversed = {1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34},
     .allowed = {},
     .subscales = {sum_of("task", {2, 4, 7, 11, 13, 15, 16, 18, 24, 31, 33, 35}, {12, 84}, 2),
                   sum_of("bond", {1, 5, 8, 17, 19, 20, 21, 23, 26, 28, 29, 36}, {12, 84}, 2),
                   sum_of("goal", {3, 6, 9, 10, 12, 14, 22, 25, 27, 30, 32, 34}, {12, 84}, 2)},
     .total = total_of(36, {36, 252}, {}, 7),
     .total_of_subscales = false,
     .missing = MissingItems::prorate,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© A. O. Horvath; free for research on request",
     .citation = "Horvath & Greenberg (1989), J Couns Psychol 36:223-233",
     .confidence = Confidence::verified,
     .source = "published scoring key; regression of published subscale scores on all 36 items; "
               "item polarity (29 reversed, 28 forward)",
     .note = usual_missing_rule,
     .version = 1});

constexpr InstrumentKey wai_s = checked(
    {.name = "wai-s",
     .title = "Working Alliance Inventory, short form (12 items of Tracey & Kokotovic)",
     .construct = "working alliance",
     .perspectives = all_raters,
     .items = 12,
     .lower = 1,
     .upper = 7,
     .reversed = {4, 10},
     .allowed = {},
     .subscales = {sum_of("task", {1, 2, 8, 12}, {4, 28}), sum_of("bond", {3, 5, 7, 9}, {4, 28}),
                   sum_of("goal", {4, 6, 10, 11}, {4, 28})},
     .total = total_of(12, {12, 84}, {}, 2),
     .total_of_subscales = false,
     .missing = MissingItems::prorate,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© A. O. Horvath; free for research on request",
     .citation = "Tracey & Kokotovic (1989), Psychol Assess 1:207-210",
     .confidence = Confidence::rederived,
     .source =
         "regression of published totals and subscales on the items of two rater forms (R² = 1)",
     .note = usual_missing_rule,
     .version = 1});

constexpr InstrumentKey wai_sr = checked(
    {.name = "wai-sr",
     .title = "Working Alliance Inventory, short form revised",
     .construct = "working alliance",
     .perspectives = client_only,
     .items = 12,
     .lower = 1,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {sum_of("task", {1, 2, 10, 12}, {4, 20}), sum_of("bond", {3, 5, 7, 9}, {4, 20}),
                   sum_of("goal", {4, 6, 8, 11}, {4, 20})},
     .total = total_of(12, {12, 60}, {}, 2),
     .total_of_subscales = false,
     .missing = MissingItems::prorate,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© A. O. Horvath; the form needs permission",
     .citation = "Hatcher & Gillaspy (2006), Psychother Res 16:12-25",
     .confidence = Confidence::verified,
     .source =
         "two vendors' scoring pages agree; some studies answer on 1 to 7 (give the range then)",
     .note = usual_missing_rule,
     .version = 1});

constexpr InstrumentKey sai = checked(
    {.name = "sai",
     .title = "Session Alliance Inventory",
     .construct = "working alliance",
     .perspectives = dyad,
     .items = 6,
     .lower = 0,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(6, {0, 30}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "open postprint; ask the authors",
     .citation =
         "Falkenström, Hatcher, Skjulsvik, Larsson & Holmqvist (2015), Psychol Assess 27:169-183",
     .confidence = Confidence::verified,
     .source = "authors' abstract and a public implementation",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey haq_ii = checked(
    {.name = "haq-ii",
     .title = "Helping Alliance Questionnaire II",
     .construct = "helping alliance",
     .perspectives = dyad,
     .items = 19,
     .lower = 1,
     .upper = 6,
     .reversed = {4, 8, 11, 16, 19},
     .allowed = {},
     .subscales = {},
     .total = total_of(19, {19, 114}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "published in an open journal",
     .citation = "Luborsky et al. (1996), J Psychother Pract Res 5:260-271",
     .confidence = Confidence::verified,
     .source =
         "numbered list of items; Le Bloc'h et al. (2006): five of the new items are negative",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey haq_i = checked(
    {.name = "haq-i",
     .title = "Helping Alliance Questionnaire I",
     .construct = "helping alliance",
     .perspectives = dyad,
     .items = 11,
     .lower = 1,
     .upper = 6,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(11, {11, 66}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "ask the authors",
     .citation =
         "Alexander & Luborsky (1986), in Greenberg & Pinsof (eds.), The psychotherapeutic process",
     .confidence = Confidence::verified,
     .source = "NIDA data share; BMC Psychiatry 2018 18:107",
     .note = "the range differs by version (1 to 6 here): give the range of the form used; it "
             "holds items on early improvement",
     .version = 1});

constexpr BasicCriterion<ConstantKey> srs_line_low{
    .label = "a line below 9",
    .counts = {{.items = {1, 2, 3, 4}, .minimum = 1, .lower = 0, .upper = 8.999}}};

constexpr InstrumentKey srs =
    checked({.name = "srs",
             .title = "Session Rating Scale 3.0",
             .construct = "alliance in the session",
             .perspectives = client_only,
             .items = 4,
             .lower = 0,
             .upper = 10,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(4, {0, 40}, {{"alert", 0, 36}, {"no alert by the total", 36, 40}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {srs_line_low},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "© Miller, Duncan & Johnson; free paper use for individual clinicians, "
                        "licence for groups and software",
             .citation = "Duncan et al. (2003), J Brief Ther 3:3-12",
             .confidence = Confidence::verified,
             .source = "published article; CamCOPS; corc.uk.net",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey gsrs =
    checked({.name = "gsrs",
             .title = "Group Session Rating Scale",
             .construct = "alliance in the group session",
             .perspectives = client_only,
             .items = 4,
             .lower = 0,
             .upper = 10,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(4, {0, 40}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "as the Session Rating Scale",
             .citation = "Quirk, Miller, Duncan & Owen (2013), Couns Psychother Res 13:194-200",
             .confidence = Confidence::verified,
             .source = "copy of the article",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey rri_c = checked(
    {.name = "rri-c",
     .title = "Real Relationship Inventory, client form",
     .construct = "real relationship",
     .perspectives = client_only,
     .items = 24,
     .lower = 1,
     .upper = 5,
     .reversed = {3, 6, 8, 12, 14, 21, 22, 24},
     .allowed = {},
     .subscales = {sum_of("genuineness", {1, 3, 4, 7, 10, 11, 12, 15, 17, 19, 22, 24}, {12, 60}),
                   sum_of("realism", {2, 5, 6, 8, 9, 13, 14, 16, 18, 20, 21, 23}, {12, 60})},
     .total = total_of(24, {24, 120}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© the authors",
     .citation = "Kelley, Gelso, Fuertes et al. (2010), Psychother Res 20:695-706",
     .confidence = Confidence::rederived,
     .source = "regression of published totals on the items (58 of 58 rows); item 7, which that "
               "total leaves out, is inferred",
     .note = no_missing_rule,
     .version = 1});

constexpr std::string_view star_note =
    "the numbers of the three items to reverse were not found in a source: enter every item as "
    "scored, towards a better relationship";

constexpr InstrumentKey star_p =
    checked({.name = "star-p",
             .title = "Scale To Assess the Therapeutic Relationship, patient (total)",
             .construct = "therapeutic relationship",
             .perspectives = client_only,
             .items = 12,
             .lower = 0,
             .upper = 4,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(12, {0, 48}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "free for research",
             .citation = "McGuire-Snieckus et al. (2007), Psychol Med 37:85-95",
             .confidence = Confidence::verified,
             .source = "authors' abstract; STAR-J (Front Psychiatry 2019)",
             .note = star_note,
             .version = 1});

constexpr InstrumentKey star_c =
    checked({.name = "star-c",
             .title = "Scale To Assess the Therapeutic Relationship, clinician (total)",
             .construct = "therapeutic relationship",
             .perspectives = {"therapist"},
             .items = 12,
             .lower = 0,
             .upper = 4,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(12, {0, 48}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "free for research",
             .citation = "McGuire-Snieckus et al. (2007), Psychol Med 37:85-95",
             .confidence = Confidence::verified,
             .source = "authors' abstract; STAR-J (Front Psychiatry 2019)",
             .note = star_note,
             .version = 1});

constexpr InstrumentKey arm_5 =
    checked({.name = "arm-5",
             .title = "Agnew Relationship Measure, 5 items",
             .construct = "working alliance",
             .perspectives = dyad,
             .items = 5,
             .lower = 1,
             .upper = 7,
             .reversed = {3},
             .allowed = {},
             .subscales = {},
             .total = total_of(5, {1, 7}, {}, 0, ScoreRule::mean),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "free",
             .citation = "Cahill et al. (2012), Psychother Res 22:241-255",
             .confidence = Confidence::single_source,
             .source = "one vendor's page (reversal of item 3)",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey tasc_r =
    checked({.name = "tasc-r",
             .title = "Therapeutic Alliance Scale for Children, revised",
             .construct = "working alliance",
             .perspectives = {"client", "therapist", "parent"},
             .items = 12,
             .lower = 1,
             .upper = 4,
             .reversed = {2, 5, 7, 8, 11},
             .allowed = {},
             .subscales = {},
             .total = total_of(12, {12, 48}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "ask the authors",
             .citation = "Shirk & Saiz (1992), Dev Psychopathol 4:713-728",
             .confidence = Confidence::single_source,
             .source = "one vendor's pages (reversals)",
             .note = no_missing_rule,
             .version = 1});

// --- Outcome and well-being -------------------------------------------------------------------

constexpr InstrumentKey phq_9 =
    checked({.name = "phq-9",
             .title = "Patient Health Questionnaire, depression",
             .construct = "depression",
             .perspectives = client_only,
             .items = 9,
             .lower = 0,
             .upper = 3,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(9, {0, 27},
                               {{"minimal", 0, 4},
                                {"mild", 5, 9},
                                {"moderate", 10, 14},
                                {"moderately severe", 15, 19},
                                {"severe", 20, 27}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "public domain",
             .citation = "Kroenke, Spitzer & Williams (2001), J Gen Intern Med 16:606-613",
             .confidence = Confidence::verified,
             .source = "CamCOPS; OpenScales",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey gad_7 = checked(
    {.name = "gad-7",
     .title = "Generalized Anxiety Disorder scale",
     .construct = "anxiety",
     .perspectives = client_only,
     .items = 7,
     .lower = 0,
     .upper = 3,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(
         7, {0, 21}, {{"minimal", 0, 4}, {"mild", 5, 9}, {"moderate", 10, 14}, {"severe", 15, 21}}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {},
     .licence = "public domain",
     .citation = "Spitzer, Kroenke, Williams & Löwe (2006), Arch Intern Med 166:1092-1097",
     .confidence = Confidence::verified,
     .source = "CamCOPS; OpenScales",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey bdi_ii =
    checked({.name = "bdi-ii",
             .title = "Beck Depression Inventory II",
             .construct = "depression",
             .perspectives = client_only,
             .items = 21,
             .lower = 0,
             .upper = 3,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(
                 21, {0, 63},
                 {{"minimal", 0, 13}, {"mild", 14, 19}, {"moderate", 20, 28}, {"severe", 29, 63}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "© Pearson; key only",
             .citation = "Beck, Steer & Brown (1996), Manual for the BDI-II",
             .confidence = Confidence::verified,
             .source = "CamCOPS documentation; published bands",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey oq_45 = checked(
    {.name = "oq-45",
     .title = "Outcome Questionnaire 45.2",
     .construct = "distress",
     .perspectives = client_only,
     .items = 45,
     .lower = 0,
     .upper = 4,
     .reversed = {1, 12, 13, 20, 21, 24, 31, 37, 43},
     .allowed = {},
     .subscales = {sum_of("symptom-distress", {2,  3,  5,  6,  8,  9,  10, 11, 13, 15, 22, 23, 24,
                                               25, 27, 29, 31, 33, 34, 35, 36, 40, 41, 42, 45},
                          {0, 100}, 12, {{"below the cut-off", 0, 35}, {"clinical", 36, 100}}),
                   sum_of("interpersonal-relations", {1, 7, 16, 17, 18, 19, 20, 26, 30, 37, 43},
                          {0, 44}, 5),
                   sum_of("social-role", {4, 12, 14, 21, 28, 32, 38, 39, 44}, {0, 36}, 4)},
     .total = total_of(45, {0, 180}, {{"below the cut-off", 0, 62}, {"clinical", 63, 180}}, 21),
     .total_of_subscales = true,
     .missing = MissingItems::prorate,
     .round_substitutes = true,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {.sd = unknown,
                         .reliability = unknown,
                         .threshold = 14,
                         .cutoff = 63,
                         .source = "oqmeasures.com; scoring sheet"},
     .licence = "© OQ Measures",
     .citation = "Lambert et al. (2004), Administration and scoring manual for the OQ-45.2",
     .confidence = Confidence::verified,
     .source = "scoring sheet; published subscale key",
     .note = "a missing item gets the rounded mean of its subscale; the sheet sets no limit, half "
             "of a subscale is the limit here",
     .version = 1});

constexpr InstrumentKey core_om = checked(
    {.name = "core-om",
     .title = "Clinical Outcomes in Routine Evaluation, Outcome Measure",
     .construct = "distress",
     .perspectives = client_only,
     .items = 34,
     .lower = 0,
     .upper = 4,
     .reversed = {3, 4, 7, 12, 19, 21, 31, 32},
     .allowed = {},
     .subscales = {mean_of("well-being", {4, 14, 17, 31}, {0, 40}, 0, 10),
                   mean_of("problems", {2, 5, 8, 11, 13, 15, 18, 20, 23, 27, 28, 30}, {0, 40}, 1,
                           10),
                   mean_of("functioning", {1, 3, 7, 10, 12, 19, 21, 25, 26, 29, 32, 33}, {0, 40}, 1,
                           10),
                   mean_of("risk", {6, 9, 16, 22, 24, 34}, {0, 40}, 0, 10),
                   mean_of("non-risk", {1,  2,  3,  4,  5,  7,  8,  10, 11, 12, 13, 14, 15, 17,
                                        18, 19, 20, 21, 23, 25, 26, 27, 28, 29, 30, 31, 32, 33},
                           {0, 40}, 3, 10)},
     .total = total_of(34, {0, 40}, {{"below the cut-off", 0, 10}, {"clinical", 10, 40}}, 3,
                       ScoreRule::mean, 10),
     .total_of_subscales = false,
     .missing = MissingItems::prorate,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {.sd = unknown,
                         .reliability = unknown,
                         .threshold = 5,
                         .cutoff = 10,
                         .source = "coresystemtrust.org.uk (about 5)"},
     .licence = "CC BY-ND 4.0",
     .citation = "Evans et al. (2002), Br J Psychiatry 180:51-60",
     .confidence = Confidence::verified,
     .source = "coresystemtrust.org.uk (scoring, prorating of 17 April 2023); published domain key",
     .note = "",
     .version = 1});

constexpr InstrumentKey core_10 =
    checked({.name = "core-10",
             .title = "Clinical Outcomes in Routine Evaluation, 10 items",
             .construct = "distress",
             .perspectives = client_only,
             .items = 10,
             .lower = 0,
             .upper = 4,
             .reversed = {2, 3},
             .allowed = {},
             .subscales = {},
             .total = total_of(10, {0, 40},
                               {{"below the cut-off", 0, 10},
                                {"mild", 11, 14},
                                {"moderate", 15, 19},
                                {"moderate to severe", 20, 24},
                                {"severe", 25, 40}},
                               1, ScoreRule::mean, 10),
             .total_of_subscales = false,
             .missing = MissingItems::prorate,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {.sd = unknown,
                                 .reliability = unknown,
                                 .threshold = unknown,
                                 .cutoff = 11,
                                 .source = "CORE System Trust"},
             .licence = "CC BY-ND 4.0",
             .citation = "Barkham et al. (2013), Couns Psychother Res 13:3-13",
             .confidence = Confidence::verified,
             .source = "coresystemtrust.org.uk; CamCOPS; OpenScales",
             .note = "",
             .version = 1});

constexpr InstrumentKey ors =
    checked({.name = "ors",
             .title = "Outcome Rating Scale",
             .construct = "well-being",
             .perspectives = client_only,
             .items = 4,
             .lower = 0,
             .upper = 10,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(4, {0, 40}, {{"clinical", 0, 25}, {"above the cut-off", 25, 40}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {.sd = unknown,
                                 .reliability = unknown,
                                 .threshold = 5,
                                 .cutoff = 25,
                                 .source = "corc.uk.net; CamCOPS"},
             .licence = "© Miller & Duncan; as the Session Rating Scale",
             .citation = "Miller, Duncan, Brown, Sparks & Claud (2003), J Brief Ther 2:91-100",
             .confidence = Confidence::verified,
             .source = "CamCOPS; corc.uk.net",
             .note = "the cut-off of 25 is for adults (28 for ages 13 to 17)",
             .version = 1});

constexpr Items scl_distress = items_to(90);

constexpr InstrumentKey scl_90_r = checked(
    {.name = "scl-90-r",
     .title = "Symptom Checklist 90 Revised",
     .construct = "distress",
     .perspectives = client_only,
     .items = 90,
     .lower = 0,
     .upper = 4,
     .reversed = {},
     .allowed = {},
     .subscales =
         {mean_of("somatization", {1, 4, 12, 27, 40, 42, 48, 49, 52, 53, 56, 58}, {0, 4}, 5),
          mean_of("obsessive-compulsive", {3, 9, 10, 28, 38, 45, 46, 51, 55, 65}, {0, 4}, 4),
          mean_of("interpersonal-sensitivity", {6, 21, 34, 36, 37, 41, 61, 69, 73}, {0, 4}, 4),
          mean_of("depression", {5, 14, 15, 20, 22, 26, 29, 30, 31, 32, 54, 71, 79}, {0, 4}, 6),
          mean_of("anxiety", {2, 17, 23, 33, 39, 57, 72, 78, 80, 86}, {0, 4}, 4),
          mean_of("hostility", {11, 24, 63, 67, 74, 81}, {0, 4}, 2),
          mean_of("phobic-anxiety", {13, 25, 47, 50, 70, 75, 82}, {0, 4}, 3),
          mean_of("paranoid-ideation", {8, 18, 43, 68, 76, 83}, {0, 4}, 2),
          mean_of("psychoticism", {7, 16, 35, 62, 77, 84, 85, 87, 88, 90}, {0, 4}, 4),
          {.name = "pst",
           .items = scl_distress,
           .rule = ScoreRule::count_positive,
           .multiplier = 1,
           .max_missing = 44,
           .attainable = {0, 90},
           .bands = {}},
          {.name = "psdi",
           .items = scl_distress,
           .rule = ScoreRule::mean_positive,
           .multiplier = 1,
           .max_missing = 44,
           .attainable = {0, 4},
           .bands = {}}},
     .total = total_of(90, {0, 4}, {}, 44, ScoreRule::mean),
     .total_of_subscales = false,
     .missing = MissingItems::available,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {},
     .licence = "© Pearson; key only",
     .citation = "Derogatis (1994), SCL-90-R administration, scoring and procedures manual",
     .confidence = Confidence::verified,
     .source =
         "public scoring key, corrected: 56 is no depression item, 87 belongs to psychoticism",
     .note = "the total is the GSI; means of the items answered, at least half of them (the limit "
             "is this library's)",
     .version = 1});

constexpr Items bsi_distress = items_to(53);

constexpr InstrumentKey bsi_53 =
    checked({.name = "bsi-53",
             .title = "Brief Symptom Inventory",
             .construct = "distress",
             .perspectives = client_only,
             .items = 53,
             .lower = 0,
             .upper = 4,
             .reversed = {},
             .allowed = {},
             .subscales = {mean_of("somatization", {2, 7, 23, 29, 30, 33, 37}, {0, 4}, 3),
                           mean_of("obsessive-compulsive", {5, 15, 26, 27, 32, 36}, {0, 4}, 2),
                           mean_of("interpersonal-sensitivity", {20, 21, 22, 42}, {0, 4}, 1),
                           mean_of("depression", {9, 16, 17, 18, 35, 50}, {0, 4}, 2),
                           mean_of("anxiety", {1, 12, 19, 38, 45, 49}, {0, 4}, 2),
                           mean_of("hostility", {6, 13, 40, 41, 46}, {0, 4}, 2),
                           mean_of("phobic-anxiety", {8, 28, 31, 43, 47}, {0, 4}, 2),
                           mean_of("paranoid-ideation", {4, 10, 24, 48, 51}, {0, 4}, 2),
                           mean_of("psychoticism", {3, 14, 34, 44, 53}, {0, 4}, 2),
                           {.name = "pst",
                            .items = bsi_distress,
                            .rule = ScoreRule::count_positive,
                            .multiplier = 1,
                            .max_missing = 26,
                            .attainable = {0, 53},
                            .bands = {}},
                           {.name = "psdi",
                            .items = bsi_distress,
                            .rule = ScoreRule::mean_positive,
                            .multiplier = 1,
                            .max_missing = 26,
                            .attainable = {0, 4},
                            .bands = {}}},
             .total = total_of(53, {0, 4}, {}, 26, ScoreRule::mean),
             .total_of_subscales = false,
             .missing = MissingItems::available,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "© Pearson; key only",
             .citation = "Derogatis (1993), BSI administration, scoring and procedures manual",
             .confidence = Confidence::verified,
             .source = "public scoring key, corrected: the additional items are 11, 25, 39, 52",
             .note = "the total is the GSI; means of the items answered, at least half of them "
                     "(the limit is this library's)",
             .version = 1});

constexpr InstrumentKey bsi_18 =
    checked({.name = "bsi-18",
             .title = "Brief Symptom Inventory 18",
             .construct = "distress",
             .perspectives = client_only,
             .items = 18,
             .lower = 0,
             .upper = 4,
             .reversed = {},
             .allowed = {},
             .subscales = {sum_of("somatization", {1, 4, 7, 10, 13, 16}, {0, 24}),
                           sum_of("depression", {2, 5, 8, 11, 14, 17}, {0, 24}),
                           sum_of("anxiety", {3, 6, 9, 12, 15, 18}, {0, 24})},
             .total = total_of(18, {0, 72}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "© Pearson; key only",
             .citation = "Derogatis (2000), BSI 18 administration, scoring and procedures manual",
             .confidence = Confidence::verified,
             .source = "published key; PMC3626675 (structure)",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey k10 =
    checked({.name = "k10",
             .title = "Kessler psychological distress scale, 10 items (bands of the Australian "
                      "Bureau of Statistics)",
             .construct = "distress",
             .perspectives = client_only,
             .items = 10,
             .lower = 1,
             .upper = 5,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(
                 10, {10, 50},
                 {{"low", 10, 15}, {"moderate", 16, 21}, {"high", 22, 29}, {"very high", 30, 50}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "free",
             .citation = "Kessler et al. (2002), Psychol Med 32:959-976",
             .confidence = Confidence::official,
             .source = "abs.gov.au 4817.0.55.001",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey k10_crufad = checked(
    {.name = "k10-crufad",
     .title = "Kessler psychological distress scale, 10 items (bands of CRUfAD)",
     .construct = "distress",
     .perspectives = client_only,
     .items = 10,
     .lower = 1,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(
         10, {10, 50},
         {{"likely well", 10, 19}, {"mild", 20, 24}, {"moderate", 25, 29}, {"severe", 30, 50}}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {},
     .licence = "free",
     .citation = "Kessler et al. (2002), Psychol Med 32:959-976",
     .confidence = Confidence::verified,
     .source = "mindtherapy.com.au; clinical guides",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey k6 = checked({.name = "k6",
                                      .title = "Kessler psychological distress scale, 6 items",
                                      .construct = "distress",
                                      .perspectives = client_only,
                                      .items = 6,
                                      .lower = 0,
                                      .upper = 4,
                                      .reversed = {},
                                      .allowed = {},
                                      .subscales = {},
                                      .total = total_of(6, {0, 24}),
                                      .total_of_subscales = false,
                                      .missing = MissingItems::strict,
                                      .round_substitutes = false,
                                      .criteria = {},
                                      .higher_is = Direction::worse,
                                      .reliable_change = {},
                                      .licence = "free",
                                      .citation = "Kessler et al. (2002), Psychol Med 32:959-976",
                                      .confidence = Confidence::verified,
                                      .source = "published key: items 2 4 5 8 9 10 of the K10",
                                      .note = no_missing_rule,
                                      .version = 1});

constexpr InstrumentKey who_5 = checked(
    {.name = "who-5",
     .title = "WHO-5 well-being index",
     .construct = "well-being",
     .perspectives = client_only,
     .items = 5,
     .lower = 0,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(5, {0, 100},
                       {{"screen for depression", 0, 28}, {"poor", 32, 48}, {"not poor", 50, 100}},
                       0, ScoreRule::sum, 4),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "CC BY-NC-SA 3.0 IGO",
     .citation = "Topp, Østergaard, Søndergaard & Bech (2015), Psychother Psychosom 84:167-176",
     .confidence = Confidence::verified,
     .source = "OpenScales; a public implementation",
     .note = "5 is \"all of the time\"; forms that print it first are coded the other way round",
     .version = 1});

constexpr InstrumentKey swls =
    checked({.name = "swls",
             .title = "Satisfaction With Life Scale",
             .construct = "life satisfaction",
             .perspectives = client_only,
             .items = 5,
             .lower = 1,
             .upper = 7,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(5, {5, 35},
                               {{"extremely dissatisfied", 5, 9},
                                {"dissatisfied", 10, 14},
                                {"slightly dissatisfied", 15, 19},
                                {"neutral", 20, 20},
                                {"slightly satisfied", 21, 25},
                                {"satisfied", 26, 30},
                                {"extremely satisfied", 31, 35}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "free with credit",
             .citation = "Diener, Emmons, Larsen & Griffin (1985), J Pers Assess 49:71-75",
             .confidence = Confidence::verified,
             .source = "OpenScales; BioPsyKit",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey flourishing =
    checked({.name = "flourishing-scale",
             .title = "Flourishing Scale",
             .construct = "flourishing",
             .perspectives = client_only,
             .items = 8,
             .lower = 1,
             .upper = 7,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(8, {8, 56}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "© the authors; free with credit",
             .citation = "Diener et al. (2010), Soc Indic Res 97:143-156",
             .confidence = Confidence::verified,
             .source = "published key; OpenScales",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey perma = checked(
    {.name = "perma",
     .title = "PERMA-Profiler",
     .construct = "flourishing",
     .perspectives = client_only,
     .items = 23,
     .lower = 0,
     .upper = 10,
     .reversed = {},
     .allowed = {},
     .subscales = {mean_of("positive-emotion", {3, 13, 22}, {0, 10}),
                   mean_of("engagement", {2, 10, 17}, {0, 10}),
                   mean_of("relationships", {8, 19, 21}, {0, 10}),
                   mean_of("meaning", {7, 9, 20}, {0, 10}),
                   mean_of("accomplishment", {1, 5, 15}, {0, 10}),
                   mean_of("negative-emotion", {4, 14, 16}, {0, 10}),
                   mean_of("health", {6, 12, 18}, {0, 10}), mean_of("loneliness", {11}, {0, 10}),
                   mean_of("happiness", {23}, {0, 10})},
     .total = {.name = "total",
               .items = {1, 2, 3, 5, 7, 8, 9, 10, 13, 15, 17, 19, 20, 21, 22, 23},
               .rule = ScoreRule::mean,
               .multiplier = 1,
               .max_missing = 0,
               .attainable = {0, 10},
               .bands = {}},
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "free for non-commercial use",
     .citation = "Butler & Kern (2016), Int J Wellbeing 6(3):1-48",
     .confidence = Confidence::verified,
     .source =
         "published article (structure); two public implementations agree on the order of items",
     .note = "the total is overall well-being: the fifteen PERMA items and happiness",
     .version = 1});

constexpr InstrumentKey panas = checked(
    {.name = "panas",
     .title = "Positive and Negative Affect Schedule (English order)",
     .construct = "affect",
     .perspectives = client_only,
     .items = 20,
     .lower = 1,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {sum_of("positive-affect", {1, 3, 5, 9, 10, 12, 14, 16, 17, 19}, {10, 50}),
                   sum_of("negative-affect", {2, 4, 6, 7, 8, 11, 13, 15, 18, 20}, {10, 50})},
     .total = {},
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© the authors and APA",
     .citation = "Watson, Clark & Tellegen (1988), J Pers Soc Psychol 54:1063-1070",
     .confidence = Confidence::verified,
     .source = "BioPsyKit; a public implementation",
     .note = "the German form has another order of items: panas-de",
     .version = 1});

constexpr InstrumentKey panas_de = checked(
    {.name = "panas-de",
     .title = "Positive and Negative Affect Schedule (German order)",
     .construct = "affect",
     .perspectives = client_only,
     .items = 20,
     .lower = 1,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {sum_of("positive-affect", {1, 3, 4, 6, 10, 11, 13, 15, 17, 18}, {10, 50}),
                   sum_of("negative-affect", {2, 5, 7, 8, 9, 12, 14, 16, 19, 20}, {10, 50})},
     .total = {},
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "© the authors and APA",
     .citation = "Krohne, Egloff, Kohlmann & Tausch (1996), Diagnostica 42:139-156",
     .confidence = Confidence::verified,
     .source = "BioPsyKit",
     .note = "the English form has another order of items: panas",
     .version = 1});

constexpr InstrumentKey wemwbs =
    checked({.name = "wemwbs",
             .title = "Warwick-Edinburgh Mental Well-being Scale",
             .construct = "well-being",
             .perspectives = client_only,
             .items = 14,
             .lower = 1,
             .upper = 5,
             .reversed = {},
             .allowed = {},
             .subscales = {},
             .total = total_of(14, {14, 70}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "registration; free for non-commercial use",
             .citation = "Tennant et al. (2007), Health Qual Life Outcomes 5:63",
             .confidence = Confidence::verified,
             .source = "CamCOPS code and documentation",
             .note = no_missing_rule,
             .version = 1});

using Count = BasicCount<ConstantKey>;
using Criterion = BasicCriterion<ConstantKey>;

constexpr InstrumentKey mhc_sf = checked(
    {.name = "mhc-sf",
     .title = "Mental Health Continuum, short form",
     .construct = "well-being",
     .perspectives = client_only,
     .items = 14,
     .lower = 0,
     .upper = 5,
     .reversed = {},
     .allowed = {},
     .subscales = {sum_of("emotional", {1, 2, 3}, {0, 15}),
                   sum_of("social", {4, 5, 6, 7, 8}, {0, 25}),
                   sum_of("psychological", {9, 10, 11, 12, 13, 14}, {0, 30})},
     .total = total_of(14, {0, 70}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {Criterion{
                      .label = "flourishing",
                      .counts = {Count{.items = {1, 2, 3}, .minimum = 1, .lower = 4, .upper = 5},
                                 Count{.items = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
                                       .minimum = 6,
                                       .lower = 4,
                                       .upper = 5}}},
                  Criterion{
                      .label = "languishing",
                      .counts = {Count{.items = {1, 2, 3}, .minimum = 1, .lower = 0, .upper = 1},
                                 Count{.items = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
                                       .minimum = 6,
                                       .lower = 0,
                                       .upper = 1}}},
                  Criterion{.label = "moderate", .counts = {}}},
     .higher_is = Direction::better,
     .reliable_change = {},
     .licence = "free, © C. L. M. Keyes",
     .citation = "Keyes (2009), Overview of the Mental Health Continuum Short Form",
     .confidence = Confidence::verified,
     .source = "psytoolkit; HSPH; published rule of diagnosis",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey dass_21 =
    checked({.name = "dass-21",
             .title = "Depression Anxiety Stress Scales, 21 items",
             .construct = "depression, anxiety and stress",
             .perspectives = client_only,
             .items = 21,
             .lower = 0,
             .upper = 3,
             .reversed = {},
             .allowed = {},
             .subscales = {sum_of("depression", {3, 5, 10, 13, 16, 17, 21}, {0, 21}, 0,
                                  {{"normal", 0, 4},
                                   {"mild", 5, 6},
                                   {"moderate", 7, 10},
                                   {"severe", 11, 13},
                                   {"extremely severe", 14, 21}}),
                           sum_of("anxiety", {2, 4, 7, 9, 15, 19, 20}, {0, 21}, 0,
                                  {{"normal", 0, 3},
                                   {"mild", 4, 4},
                                   {"moderate", 5, 7},
                                   {"severe", 8, 9},
                                   {"extremely severe", 10, 21}}),
                           sum_of("stress", {1, 6, 8, 11, 12, 14, 18}, {0, 21}, 0,
                                  {{"normal", 0, 7},
                                   {"mild", 8, 9},
                                   {"moderate", 10, 12},
                                   {"severe", 13, 16},
                                   {"extremely severe", 17, 21}})},
             .total = total_of(21, {0, 63}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "public domain",
             .citation = "Lovibond & Lovibond (1995), Manual for the DASS",
             .confidence = Confidence::verified,
             .source = "OpenScales; published tables (bands: exact halves of the DASS-42's)",
             .note = "raw sums; double a subscale for the DASS-42 metric",
             .version = 1});

constexpr InstrumentKey rses_a =
    checked({.name = "rses-a",
             .title = "Rosenberg Self-Esteem Scale (order with items 3 5 8 9 10 reversed)",
             .construct = "self-esteem",
             .perspectives = client_only,
             .items = 10,
             .lower = 0,
             .upper = 3,
             .reversed = {3, 5, 8, 9, 10},
             .allowed = {},
             .subscales = {},
             .total = total_of(10, {0, 30}, {{"low", 0, 14}, {"not low", 15, 30}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "public domain",
             .citation = "Rosenberg (1965), Society and the adolescent self-image",
             .confidence = Confidence::verified,
             .source = "OpenScales",
             .note = "two published orders of items exist (rses-a, rses-b): compare the reversed "
                     "items with your form",
             .version = 1});

constexpr InstrumentKey rses_b =
    checked({.name = "rses-b",
             .title = "Rosenberg Self-Esteem Scale (order with items 2 5 6 8 9 reversed)",
             .construct = "self-esteem",
             .perspectives = client_only,
             .items = 10,
             .lower = 0,
             .upper = 3,
             .reversed = {2, 5, 6, 8, 9},
             .allowed = {},
             .subscales = {},
             .total = total_of(10, {0, 30}, {{"low", 0, 14}, {"not low", 15, 30}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "public domain",
             .citation = "Rosenberg (1965), Society and the adolescent self-image",
             .confidence = Confidence::verified,
             .source = "BioPsyKit",
             .note = "two published orders of items exist (rses-a, rses-b): compare the reversed "
                     "items with your form",
             .version = 1});

constexpr InstrumentKey pcl_5 = checked(
    {.name = "pcl-5",
     .title = "PTSD Checklist for DSM-5",
     .construct = "post-traumatic stress",
     .perspectives = client_only,
     .items = 20,
     .lower = 0,
     .upper = 4,
     .reversed = {},
     .allowed = {},
     .subscales = {sum_of("intrusion", {1, 2, 3, 4, 5}, {0, 20}),
                   sum_of("avoidance", {6, 7}, {0, 8}),
                   sum_of("cognition-and-mood", {8, 9, 10, 11, 12, 13, 14}, {0, 28}),
                   sum_of("arousal", {15, 16, 17, 18, 19, 20}, {0, 24})},
     .total = total_of(20, {0, 80}, {{"below the cut-off", 0, 32}, {"probable", 33, 80}}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria =
         {Criterion{
              .label = "provisional diagnosis",
              .counts =
                  {Count{.items = {1, 2, 3, 4, 5}, .minimum = 1, .lower = 2, .upper = 4},
                   Count{.items = {6, 7}, .minimum = 1, .lower = 2, .upper = 4},
                   Count{.items = {8, 9, 10, 11, 12, 13, 14}, .minimum = 2, .lower = 2, .upper = 4},
                   Count{.items = {15, 16, 17, 18, 19, 20}, .minimum = 2, .lower = 2, .upper = 4}}},
          Criterion{.label = "no diagnosis", .counts = {}}},
     .higher_is = Direction::worse,
     .reliable_change = {},
     .licence = "public domain (US government)",
     .citation = "Weathers et al. (2013), The PTSD Checklist for DSM-5; National Center for PTSD",
     .confidence = Confidence::verified,
     .source = "CamCOPS; OpenScales",
     .note = no_missing_rule,
     .version = 1});

constexpr InstrumentKey audit =
    checked({.name = "audit",
             .title = "Alcohol Use Disorders Identification Test",
             .construct = "alcohol use",
             .perspectives = client_only,
             .items = 10,
             .lower = 0,
             .upper = 4,
             .reversed = {},
             .allowed = {{.items = {9, 10}, .values = {0, 2, 4}}},
             .subscales = {sum_of("consumption", {1, 2, 3}, {0, 12}),
                           sum_of("dependence", {4, 5, 6}, {0, 12}),
                           sum_of("harm", {7, 8, 9, 10}, {0, 16})},
             .total = total_of(
                 10, {0, 40},
                 {{"zone I", 0, 7}, {"zone II", 8, 15}, {"zone III", 16, 19}, {"zone IV", 20, 40}}),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::worse,
             .reliable_change = {},
             .licence = "© WHO; free for non-commercial use",
             .citation = "Babor, Higgins-Biddle, Saunders & Monteiro (2001), AUDIT, WHO",
             .confidence = Confidence::official,
             .source = "WHO manual (zones), reproduced at comorbidityguidelines.org.au; CamCOPS",
             .note = no_missing_rule,
             .version = 1});

constexpr InstrumentKey wsas = checked(
    {.name = "wsas",
     .title = "Work and Social Adjustment Scale",
     .construct = "functional impairment",
     .perspectives = client_only,
     .items = 5,
     .lower = 0,
     .upper = 8,
     .reversed = {},
     .allowed = {},
     .subscales = {},
     .total = total_of(5, {0, 40}, {{"low", 0, 10}, {"significant", 11, 20}, {"severe", 21, 40}}),
     .total_of_subscales = false,
     .missing = MissingItems::strict,
     .round_substitutes = false,
     .criteria = {},
     .higher_is = Direction::worse,
     .reliable_change = {},
     .licence = "free",
     .citation = "Mundt, Marks, Shear & Greist (2002), Br J Psychiatry 180:461-464",
     .confidence = Confidence::verified,
     .source = "CamCOPS; a public implementation",
     .note = "item 1 does not apply to people who do not work: their sum over four items goes to "
             "32 at most and needs --missing available",
     .version = 1});

constexpr InstrumentKey shs =
    checked({.name = "shs",
             .title = "Subjective Happiness Scale",
             .construct = "happiness",
             .perspectives = client_only,
             .items = 4,
             .lower = 1,
             .upper = 7,
             .reversed = {4},
             .allowed = {},
             .subscales = {},
             .total = total_of(4, {1, 7}, {}, 0, ScoreRule::mean),
             .total_of_subscales = false,
             .missing = MissingItems::strict,
             .round_substitutes = false,
             .criteria = {},
             .higher_is = Direction::better,
             .reliable_change = {},
             .licence = "free",
             .citation = "Lyubomirsky & Lepper (1999), Soc Indic Res 46:137-155",
             .confidence = Confidence::verified,
             .source = "published key",
             .note = no_missing_rule,
             .version = 1});

constexpr std::array keys{arm_5,      audit,       bdi_ii, bsi_18, bsi_53, core_10, core_om,
                          dass_21,    flourishing, gad_7,  gsrs,   haq_i,  haq_ii,  k10,
                          k10_crufad, k6,          mhc_sf, oq_45,  ors,    panas,   panas_de,
                          pcl_5,      perma,       phq_9,  rri_c,  rses_a, rses_b,  sai,
                          scl_90_r,   shs,         srs,    star_c, star_p, swls,    tasc_r,
                          wai_36,     wai_s,       wai_sr, wemwbs, who_5,  wsas};

constexpr bool ascending_by_name() {
  for (std::size_t i = 1; i < keys.size(); ++i)
    if (!(keys[i - 1].name < keys[i].name)) return false;
  return true;
}
static_assert(ascending_by_name(), "the catalogue is sorted by name, and no name stands twice");

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// The key that `name` is, or that it begins with before the name of a perspective.
const InstrumentKey* find_key(const std::string& name, std::string_view& perspective) {
  for (const InstrumentKey& key : keys) {
    if (name == key.name) return &key;
    for (const std::string_view rater : key.perspectives) {
      if (name != std::string(key.name) + "-" + std::string(rater)) continue;
      perspective = rater;
      return &key;
    }
  }
  return nullptr;
}

}  // namespace

std::span<const InstrumentKey> catalogue() { return keys; }

std::vector<std::string> instrument_names() {
  std::vector<std::string> names;
  for (const InstrumentKey& key : keys) names.emplace_back(key.name);
  return names;
}

Instrument find_instrument(std::string_view name, bool accept_unverified) {
  std::string_view perspective;
  const std::string wanted = lower_case(name);
  const InstrumentKey* key = find_key(wanted, perspective);
  if (key == nullptr) {
    const std::string near = nearest_name(wanted, instrument_names());
    throw InvalidArgument("there is no instrument \"" + std::string(name) + "\"; " +
                          (near.empty() ? "" : "did you mean " + near + "? ") +
                          "`rapport instruments` lists them");
  }
  if (key->confidence == Confidence::single_source && !accept_unverified)
    throw InvalidArgument("the key of \"" + std::string(key->name) +
                          "\" rests on a single source (" + std::string(key->source) +
                          "); --accept-unverified uses it all the same");
  Instrument instrument = make_instrument(*key);
  if (!perspective.empty()) {
    instrument.name += "-" + std::string(perspective);
    instrument.perspectives = {std::string(perspective)};
  }
  return instrument;
}

}  // namespace rapport
