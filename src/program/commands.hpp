#pragma once

#include "command.hpp"

namespace rapport::program {

/// Each adds one command (or a family of commands) to the program.
void add_agree(CLI::App& program, Chosen& chosen);
void add_alliance(CLI::App& program, Chosen& chosen);
void add_change(CLI::App& program, Chosen& chosen);
void add_compare(CLI::App& program, Chosen& chosen);
void add_congruence(CLI::App& program, Chosen& chosen);
void add_correlate(CLI::App& program, Chosen& chosen);
void add_dropout(CLI::App& program, Chosen& chosen);
void add_dyad(CLI::App& program, Chosen& chosen);
void add_fit(CLI::App& program, Chosen& chosen);
void add_impute(CLI::App& program, Chosen& chosen);
void add_instruments(CLI::App& program, Chosen& chosen);
void add_lagged(CLI::App& program, Chosen& chosen);
void add_meta(CLI::App& program, Chosen& chosen);
void add_plan(CLI::App& program, Chosen& chosen);
void add_predict(CLI::App& program, Chosen& chosen);
void add_reliability(CLI::App& program, Chosen& chosen);
void add_score(CLI::App& program, Chosen& chosen);
void add_screen(CLI::App& program, Chosen& chosen);
void add_sudden_gains(CLI::App& program, Chosen& chosen);

}  // namespace rapport::program
