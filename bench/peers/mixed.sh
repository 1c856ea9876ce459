#!/bin/sh
# lme4 and pbkrtest beside bench_mixed, on one thread; the argument is the build folder. SLOW=1 adds the cases that take lme4 minutes.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MC_CORES=1
[ -x "${1:-}/bench/bench_mixed" ] && "$1/bench/bench_mixed" --benchmark_min_time=0.2
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
Rscript "$here/mixed.R" "$here/../../tests/reference/mixed" "${SLOW:-0}"
