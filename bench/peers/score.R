# psych on the work of score_bench.cpp: minima of CPU seconds a call.
suppressMessages(library(psych))
data <- file.path(commandArgs(TRUE)[1], "score")
least <- function(runs, f) min(replicate(runs, { t <- proc.time(); f(); sum((proc.time() - t)[1:2]) }))
show <- function(name, runs, f) cat(sprintf("%-36s %12.1f ms\n", name, 1e3 * least(runs, f)))
quiet <- function(x) { sink(nullfile()); on.exit(sink()); suppressWarnings(suppressMessages(force(x))) }
set.seed(3)
n <- 1e5
factors <- matrix(rnorm(n * 6), n)
x <- sapply(1:36, function(j) pmin(5, pmax(1, round(3 + (if (j %% 3 == 0) -1 else 1) * .7 * factors[, (j - 1) %/% 6 + 1] + rnorm(n)))))
complete <- as.data.frame(x)
x[sample(length(x), length(x) * .02)] <- NA
colnames(x) <- paste0("i", 1:36)
names(complete) <- colnames(x)
x <- as.data.frame(x)
keys <- matrix(0, 36, 6, dimnames = list(colnames(x), paste0("s", 1:6)))
for (j in 1:36) keys[j, (j - 1) %/% 6 + 1] <- if (j %% 3 == 0) -1 else 1
show("score_hundred_thousand scoreItems", 2, function() quiet(scoreItems(keys, x, impute = "none", min = 1, max = 5)))
show("score_hundred_thousand scoreFast", 3, function() quiet(scoreFast(keys, x, impute = "none", min = 1, max = 5)))
show("alpha_hundred_thousand psych::alpha", 2, function() quiet(psych::alpha(complete, keys = rowSums(keys), check.keys = FALSE)))
bfi <- read.csv(file.path(data, "bfi.csv"))
show("omega_bfi psych::omega", 2, function() quiet(omega(bfi, 5, plot = FALSE)))
sai <- read.csv(file.path(data, "sai_xray.csv"))
show("multilevel_sai multilevel.reliability", 1, function() quiet(multilevel.reliability(sai, grp = "id", Time = "time", items = 3:22, plot = FALSE)))
