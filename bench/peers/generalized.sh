#!/bin/sh
# bench_generalized beside lme4, glmmTMB, ordinal and nlme, and MixedModels.jl as published; the argument is the build folder.
# A table of CPU seconds: work, peer, the peer's, ours, their ratio.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
[ -x "${1:-}/bench/bench_generalized" ] || { echo "bench_generalized is not built"; exit 0; }
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
times=$(mktemp)
trap 'rm -f "$times"' EXIT
"$1/bench/bench_generalized" --benchmark_format=csv 2>/dev/null | awk -F, '/^"/ { gsub(/"/, "", $1); print "ours", $1, $4 / 1000 }' >"$times"
Rscript "$here/generalized.R" "$here/../../tests/reference/mixed" >>"$times"
awk '
  BEGIN { printf "%-22s %-15s %12s %12s %8s %8s\n", "work", "peer", "peer s", "rapport s", "ratio", "asked" }
  $1 == "ours" { ours[$2] = $3; next }
  $1 in ours { printf "%-22s %-15s %12.4f %12.6f %8.0f %8s\n", $1, $2, $3, ours[$1], $3 / ours[$1], $4 }' "$times"
