#!/bin/sh
# nlme beside bench_residual; the argument is the build folder.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 Rscript "$here/residual.R" "$here/../../tests/reference"
[ -x "${1:-}/bench/bench_residual" ] && "$1/bench/bench_residual"
