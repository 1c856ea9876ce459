# Rscript agree.R: CPU seconds (least of some runs, one thread) of R packages on the work of bench_agree, as work,peer,seconds.
# irr, irrCAC, vcd, RSA and multilevel are timed where they are installed.
suppressMessages({library(psych); library(lme4); library(boot)})
has <- function(p) suppressWarnings(suppressMessages(requireNamespace(p, quietly = TRUE)))
time_of <- function(work, peer, expr, runs = 5) {
  e <- substitute(expr); frame <- parent.frame()
  seconds <- min(sapply(seq_len(runs), function(i) { gc(FALSE); t <- proc.time(); suppressMessages(suppressWarnings(eval(e, frame))); sum((proc.time() - t)[1:2]) }))
  cat(sprintf("%s,%s,%.6f\n", work, peer, seconds))
}
set.seed(2)
raters <- function(n, m) { truth <- sample(1:5, n, TRUE); sapply(1:m, function(j) ifelse(runif(n) < .6, truth, sample(1:5, n, TRUE))) }
scores <- function(n, m) rnorm(n) + matrix(rnorm(n * m), n)
cat("work,peer,seconds\n")
two <- raters(1e6, 2)
time_of("weighted_kappa/1000000", "psych::cohen.kappa", cohen.kappa(two), 2)
if (has("vcd")) time_of("weighted_kappa/1000000", "vcd::Kappa", vcd::Kappa(table(two[, 1], two[, 2]), weights = "Fleiss-Cohen"), 3)
if (has("irrCAC")) { six <- raters(1e5, 6); time_of("fleiss/100000", "irrCAC", irrCAC::fleiss.kappa.raw(six), 3); pair <- raters(1e5, 2); time_of("gwet_ac2/100000", "irrCAC", irrCAC::gwet.ac1.raw(pair, weights = "quadratic"), 3) }
y <- scores(2000, 4)
time_of("icc_all_forms", "psych::ICC(lmer = FALSE)", psych::ICC(y, lmer = FALSE), 3)
if (has("irr")) time_of("icc_all_forms", "irr::icc (one form)", irr::icc(y, "twoway", "agreement"), 5)
gaps <- y; gaps[cbind(seq(1, 2000, 5), rep(1:4, 100))] <- NA
time_of("icc_missing", "psych::ICC(lmer = TRUE)", psych::ICC(gaps, missing = FALSE, lmer = TRUE), 3)
long <- data.frame(y = c(gaps), s = factor(row(gaps)), r = factor(col(gaps)))
time_of("icc_missing", "lme4::lmer (two-way model only)", lmer(y ~ 1 + (1 | s) + (1 | r), long), 3)
small <- scores(200, 4)
icc21 <- function(d, i) { # mean squares by hand: the least that boot can cost
  d <- d[i, ]; n <- nrow(d); k <- ncol(d); m <- mean(d); r <- rowMeans(d); cm <- colMeans(d)
  msr <- k * sum((r - m)^2) / (n - 1); msc <- n * sum((cm - m)^2) / (k - 1); mse <- (sum((d - m)^2) - (n - 1) * msr - (k - 1) * msc) / ((n - 1) * (k - 1))
  (msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse)) }
time_of("icc_bootstrap_1000", "boot, mean squares by hand", boot(small, icc21, 1000), 3)
if (has("irr")) { time_of("icc_bootstrap_1000", "boot + irr", boot(small, function(d, i) irr::icc(d[i, ], "twoway", "agreement")$value, 1000), 1)
  time_of("alpha_bootstrap_1000", "boot + irr", boot(round(small), function(d, i) irr::kripp.alpha(t(d[i, ]), "interval")$value, 1000), 1) }
group <- rep(1:99, length.out = 7382); item <- round(rnorm(7382, 3))
if (has("multilevel")) time_of("within_groups", "multilevel::rwg + ICC1", { multilevel::rwg(item, group, 2); multilevel::ICC1(aov(item ~ as.factor(group))) }, 3)
time_of("within_groups", "base R: tapply(var) and aov", { mean(1 - pmin(tapply(item, group, var), 2) / 2); summary(aov(item ~ as.factor(group))) }, 3)
s <- data.frame(scores(84, 3)); names(s) <- c("z", "x", "y")
time_of("surface", "lm and contrasts (no axes)", { f <- lm(z ~ x + y + I(x^2) + I(x * y) + I(y^2), s); summary(f); vcov(f) }, 20)
if (has("RSA")) time_of("surface", "RSA::RSA", RSA::RSA(z ~ x * y, s), 3)
