#!/bin/sh
# psych beside bench_score; the argument is the build folder.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
Rscript "$here/score.R" "$here/../../tests/reference"
[ -x "${1:-}/bench/bench_score" ] && "$1/bench/bench_score"
