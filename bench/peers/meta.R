# metafor on the work of meta_bench.cpp: minima of CPU seconds a call over repeated runs.
suppressMessages(library(metafor))
data <- file.path(commandArgs(TRUE)[1], "meta")
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = read.csv(file.path(data, "bcg.csv")))
assink <- read.csv(file.path(data, "assink2016.csv"))
least <- function(runs, calls, f) min(replicate(runs, { t <- proc.time(); for (i in seq_len(calls)) f(); sum((proc.time() - t)[1:2]) })) / calls
cat(sprintf("%-24s %10.3f ms\n", "random_effects", 1e3 * least(10, 20, function() rma(yi, vi, data = bcg))))
cat(sprintf("%-24s %10.3f ms\n", "three_levels", 1e3 * least(10, 2, function() rma.mv(yi, vi, random = ~ 1 | study / esid, data = assink))))
