#!/bin/sh
# lme4 and pbkrtest beside bench_mixed, on one thread; the argument is the build folder. SLOW=1 adds the cases that take lme4 minutes.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MC_CORES=1
if command -v Rscript >/dev/null; then
  RAPPORT_INSTEVAL=$(mktemp)
  export RAPPORT_INSTEVAL
  trap 'rm -f "$RAPPORT_INSTEVAL"' EXIT
  Rscript -e 'write.csv(lme4::InstEval, commandArgs(TRUE), row.names = FALSE)' "$RAPPORT_INSTEVAL"
fi
[ -x "${1:-}/bench/bench_mixed" ] && "$1/bench/bench_mixed" --benchmark_min_time=0.2
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
Rscript "$here/mixed.R" "$here/../../tests/reference/mixed" "${SLOW:-0}"
