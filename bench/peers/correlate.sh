#!/bin/sh
# usage: correlate.sh BUILD: correlation beside the peers that are installed, on one thread.
set -eu
here=$(dirname -- "$0")
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MC_CORES=1
"$1"/bench/bench_correlate --benchmark_min_time=0.3
if python3 -c 'import scipy' 2>/dev/null; then python3 "$here/correlate_peers.py"; fi
if command -v Rscript >/dev/null; then Rscript "$here/correlate_peers.R"; fi
