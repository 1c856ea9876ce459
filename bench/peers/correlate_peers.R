# Times R packages on the work of bench/correlate_bench.cpp: prints case,peer,CPU milliseconds (the least of several runs).
clock <- function(case, peer, work, runs = 3) {
  if (!requireNamespace(peer, quietly = TRUE)) return(invisible())
  force(work)
  best <- min(replicate(runs, { gc(FALSE); t <- proc.time(); work(); sum((proc.time() - t)[1:2]) }))
  cat(sprintf("%s,%s %s,%.4g\n", case, peer, packageVersion(peer), 1000 * best))
}
set.seed(1)
n <- 1e6
x <- rnorm(n); y <- 0.5 * x + rnorm(n); xt <- round(2 * x); yt <- round(2 * y)
clock("kendall_test/1000000 (no test)", "pcaPP", function() pcaPP::cor.fk(x, y))
clock("kendall_test_15_values/1000000 (no test)", "pcaPP", function() pcaPP::cor.fk(xt, yt))
clock("spearman_test/1000000", "stats", function() cor.test(x, y, method = "spearman", exact = FALSE))
data <- matrix(rnorm(1e4 * 200), 1e4) + rnorm(1e4); colnames(data) <- sprintf("v%03d", 1:200)
clock("kendall_matrix/25", "pcaPP", function() pcaPP::cor.fk(data[, 1:25]))
clock("kendall_matrix/200", "pcaPP", function() pcaPP::cor.fk(data), 1)
clock("spearman_matrix/200", "stats", function() cor(data, method = "spearman"))
clock("spearman_matrix_holm/200", "psych", function() psych::corr.test(data, method = "spearman", adjust = "holm"), 1)
clock("hoeffding/1000000 (10000 only: quadratic)", "Hmisc", function() Hmisc::hoeffd(x[1:1e4], y[1:1e4]), 1)
d <- data.frame(id = factor(rep(1:500, each = 20)), x = x[1:1e4], y = y[1:1e4])
clock("repeated_measures (lm with the persons as factor, rmcorr's work)", "stats", function() { m <- lm(y ~ id + x, d); anova(m) }, 1)
items <- if (nzchar(Sys.getenv("RAPPORT_BENCH_ITEMS"))) read.csv(Sys.getenv("RAPPORT_BENCH_ITEMS"))[, 1:25] else {
  f <- matrix(rnorm(2800 * 5), 2800)[, rep(1:5, each = 5)]
  pmin(pmax(round(1.2 * (f + matrix(rnorm(2800 * 25), 2800)) + 4), 1), 6)
}
clock("polychoric_25_items", "psych", function() suppressWarnings(psych::polychoric(items, correct = 0)), 1)
