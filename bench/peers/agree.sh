#!/bin/sh
# agree.sh BUILD: rapport and the R packages that are installed, on the same work.
set -eu
here=$(dirname -- "$0")
"$1/bench/bench_agree" --benchmark_format=console
OMP_NUM_THREADS=1 Rscript "$here/agree.R"
