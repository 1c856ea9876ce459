#!/bin/sh
# Installs what is missing, builds the program and runs its main job on a simulated panel of therapy sessions.
# --no-install leaves the machine as it is.

set -eu
. "$(dirname -- "$0")/setup.sh"

say "rapport: what is missing is installed, the program is built in build/release, and one analysis is run"
install_dependencies program
choose_compiler
cd "$root"
cmake --preset release -DRAPPORT_BUILD_TESTS=OFF -DRAPPORT_BUILD_EXAMPLES=OFF -DRAPPORT_BUILD_BENCHMARKS=OFF
cmake --build --preset release --target rapport_program

report=build/alliance.html
say "build/release/rapport alliance examples/data/simulated_panel.csv … --report $report"
build/release/rapport alliance examples/data/simulated_panel.csv \
  --patient patient --session session --therapist therapist --treatment treatment \
  --alliance wai_client --therapist-alliance wai_therapist --outcome phq9 --report "$report"
say "the page is $root/$report"
