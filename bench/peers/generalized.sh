#!/bin/sh
# lme4, glmmTMB, ordinal and nlme beside bench_generalized; the argument is the build folder.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 Rscript "$here/generalized.R"
[ -x "${1:-}/bench/bench_generalized" ] && "$1/bench/bench_generalized"
