#!/bin/sh
# metafor beside bench_meta; the argument is the build folder.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
Rscript "$here/meta.R" "$here/../../tests/reference"
[ -x "${1:-}/bench/bench_meta" ] && "$1/bench/bench_meta" --benchmark_filter='^(random_effects|three_levels)$'
