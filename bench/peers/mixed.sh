#!/bin/sh
# lme4 and pbkrtest beside bench_mixed, on one thread; the argument is the build folder. SLOW=1 adds the cases that take lme4 a minute and more.
# MixedModels.jl is not run: its CPU times (v3.9, Julia 1.5) were taken once beside lme4 on another machine, and stand here times lme4's now over
# lme4's then.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MC_CORES=1
[ -x "${1:-}/bench/bench_mixed" ] || { echo "there is no $1/bench/bench_mixed"; exit 0; }
command -v Rscript >/dev/null || { echo "Rscript is not installed"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
RAPPORT_INSTEVAL="$folder/insteval.csv"
export RAPPORT_INSTEVAL
Rscript -e 'write.csv(lme4::InstEval, commandArgs(TRUE), row.names = FALSE)' "$RAPPORT_INSTEVAL"
"$1/bench/bench_mixed" --benchmark_min_time=0.1 --benchmark_repetitions=3 --benchmark_format=csv 2>/dev/null >"$folder/ours.csv"
Rscript "$here/mixed.R" "$here/../../tests/reference/mixed" "${SLOW:-0}" >"$folder/lme4.csv"
# case, ratio to reach against lme4, MixedModels.jl's seconds, lme4's beside them
cat >"$folder/targets.csv" <<'END'
sleepstudy,500,0.0015,0.028
orthodont,500,0.0032,0.031
oxboys,500,0.0026,0.032
nested_panel/1000,400,0.010,0.059
nested_panel/10000,500,0.064,0.27
nested_panel/100000,600,0.43,2.4
nested_panel/1000000,600,6.6,30
irregular_panel/1000000,500,,
three_level_panel/1000,,0.042,0.22
three_level_panel/10000,230,0.30,1.27
three_level_panel/100000,230,3.5,12.8
three_level_panel/1000000,230,30,188
crossed_panel/10000,,0.055,0.27
crossed_panel/100000,200,1.2,27
sparsely_crossed_panel/100000,,,
insteval,70,6.0,28.7
bootstrap_1000,1000,1.9,19.6
profile_all,1000,,
influence_sleepstudy,,,
influence_patients/1000,,,
kenward_roger/1000,,,
kenward_roger_three_levels/1000,300,,
kenward_roger_alliance,300,,
END
awk -F, '
  FILENAME ~ /ours/ {
    gsub(/"/, "")
    if ($1 ~ /_(mean|median|stddev|cv)$/ || $4 !~ /^[0-9]/) next
    seconds = $4 * ($5 == "us" ? 1e-6 : $5 == "ms" ? 1e-3 : $5 == "ns" ? 1e-9 : 1)
    if (!($1 in ours) || seconds < ours[$1]) ours[$1] = seconds
    next
  }
  FILENAME ~ /lme4/ { lme4[$1] = $2; next }
  FNR == 1 { printf "%-32s %10s %10s %8s %8s %14s %8s\n", "case", "ours CPU s", "lme4 CPU s", "ratio", "to reach", "MixedModels.jl", "ratio" }
  ($1 in ours) && ($1 in lme4) {
    julia = $3 == "" ? "" : sprintf("%.3g", $3 * lme4[$1] / $4)
    printf "%-32s %10.3g %10.3g %8.0f %8s %14s %8s\n", $1, ours[$1], lme4[$1], lme4[$1] / ours[$1], $2, julia,
      julia == "" ? "" : sprintf("%.0f", julia / ours[$1])
  }
' "$folder/ours.csv" "$folder/lme4.csv" "$folder/targets.csv"
# pbkrtest works with matrices of rows by rows: beyond some 10^4 rows there is nothing to stand beside.
share() {
  awk -F, -v adjusted="$1" -v fit="$2" -v text="$3" '
    { gsub(/"/, "") }
    $1 == adjusted && $4 ~ /^[0-9]/ && (k == "" || $4 < k) { k = $4 }
    $1 == fit && $4 ~ /^[0-9]/ && (f == "" || $4 < f) { f = $4 }
    END { if (f > 0) printf "Kenward-Roger of every coefficient, %s: %.3g of the time of the fit\n", text, k / f }' "$folder/ours.csv"
}
share kenward_roger/100000 nested_panel/100000 "100000 rows"
share kenward_roger_three_levels/1000000 three_level_panel/1000000 "three levels, 1000000 rows"
