#!/bin/sh
# Installs what is missing, builds the benchmarks and runs them; --peers also times the peers that are installed, side by side.
# --no-install leaves the machine as it is.

set -eu
. "$(dirname -- "$0")/setup.sh"

peers=no
for argument in "$@"; do [ "$argument" = --peers ] && peers=yes; done

install_dependencies bench
choose_compiler
cd "$root"
cmake --preset release -DRAPPORT_BUILD_TESTS=OFF -DRAPPORT_BUILD_BENCHMARKS=ON
cmake --build --preset release
for bench in build/release/bench/bench_*; do
  [ -x "$bench" ] || continue
  say "$(basename "$bench")"
  "$bench" --benchmark_counters_tabular=true
done
[ "$peers" = yes ] || exit 0
for script in bench/peers/*.sh; do
  [ -e "$script" ] || continue
  say "$(basename "$script" .sh) beside its peers"
  sh "$script" build/release
done
