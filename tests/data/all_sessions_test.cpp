#include <rapport/base/error.hpp>
#include <rapport/base/missing.hpp>
#include <rapport/data/all_sessions.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace rapport {
namespace {

Table sessions() {
  Table table;
  table.add("patient", make_factor(std::vector<std::string>{"b", "a", "b", "a"}));
  table.add("session", (Eigen::VectorXd(4) << 1, 1, 3, 2).finished());
  table.add("arm", make_factor(std::vector<std::string>{"CBT", "TAU", "CBT", "TAU"}));
  table.add("age", (Eigen::VectorXd(4) << 40, missing, 40, missing).finished());
  table.add("wai", (Eigen::VectorXd(4) << 5, 4, 6, 3).finished());
  return table;
}

TEST(AllSessions, AddsWhatPatientsLack) {
  const Table full =
      with_all_sessions(sessions(), {.patient = "patient", .session = "session"}, {1, 2, 3});
  ASSERT_EQ(full.rows(), 6);
  const Eigen::VectorXd session = full.numbers("session");
  const Factor patient = full.factor("patient");
  const Factor arm = full.factor("arm");
  EXPECT_EQ(session.head(4), sessions().numbers("session"));
  EXPECT_EQ(patient.levels[static_cast<std::size_t>(patient.codes[4])], "a");
  EXPECT_EQ(session[4], 3);
  EXPECT_EQ(session[5], 2);
  EXPECT_EQ(arm.levels[static_cast<std::size_t>(arm.codes[4])], "TAU");
  EXPECT_EQ(full.numbers("age")[5], 40);
  EXPECT_TRUE(std::isnan(full.numbers("age")[4]));
  EXPECT_TRUE(std::isnan(full.numbers("wai")[5]));
  EXPECT_EQ(full.numbers("wai")[3], 3);
}

TEST(AllSessions, WrongSessionsAreRefused) {
  const PanelColumns columns{.patient = "patient", .session = "session"};
  EXPECT_THROW((void)with_all_sessions(sessions(), columns, {}), InvalidArgument);
  EXPECT_THROW((void)with_all_sessions(sessions(), columns, {1, 1}), InvalidArgument);
}

}  // namespace
}  // namespace rapport
