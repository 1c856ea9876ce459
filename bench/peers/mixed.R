# usage: Rscript mixed.R FOLDER SLOW: CPU seconds of lme4 (default call), bootMer, confint and pbkrtest, the least of several calls.
# FOLDER holds sleepstudy.csv, orthodont.csv and oxboys.csv; the panels have the shape of those of mixed_bench.cpp.
suppressMessages(library(lme4))
arguments <- commandArgs(TRUE)
read <- function(name) {
  d <- read.csv(file.path(arguments[1], paste0(name, ".csv")))
  d$Subject <- factor(d$Subject)
  d
}
time <- function(case, call, times = 5) {
  least <- Inf
  for (i in seq_len(times)) {
    gc(FALSE)
    least <- min(least, sum(system.time(suppressWarnings(suppressMessages(call())))[1:2]))
  }
  cat(sprintf("%-28s %.4g s\n", case, least))
}
panel <- function(n) {
  set.seed(1)
  p <- n %/% 10
  patient <- rep(seq_len(p), each = 10)
  therapist <- (patient - 1) %/% 10 + 1
  session <- rep(0:9, p)
  within <- rnorm(n, 0, 4.5)
  between <- rnorm(p, 0, 7)[patient]
  z <- rnorm(p)
  u <- 0.3 * (-0.25 * z + 0.968 * rnorm(p))
  v <- rnorm(max(therapist), 0, 0.9)
  w <- rnorm(max(therapist), 0, 0.12)
  phq <- 15.5 - 0.55 * session - 0.14 * within - 0.01 * session * within - 0.12 * between + 3.2 * z[patient] +
    v[therapist] + (u[patient] + w[therapist]) * session + rnorm(n, 0, 2.2)
  data.frame(patient = factor(patient), therapist = factor(therapist), session, alliance_w = within, alliance_b = between, phq)
}
crossed <- function(n) {
  set.seed(2)
  a <- sample.int(n %/% 20, n, TRUE)
  b <- sample.int(n %/% 100, n, TRUE)
  x <- rnorm(n)
  y <- 5 + 0.5 * x + rnorm(n %/% 20)[a] + rnorm(n %/% 100, 0, 0.6)[b] + rnorm(n, 0, 1.5)
  data.frame(a = factor(a), b = factor(b), x, y)
}
sparsely_crossed <- function(n) {
  set.seed(3)
  m <- n %/% 5
  a <- c(seq_len(m), sample.int(m, n - m, TRUE))
  b <- (a + c(integer(m), sample.int(6, n - m, TRUE) - 1) - 1) %% m + 1
  x <- rnorm(n)
  y <- 5 + 0.5 * x + rnorm(m)[a] + rnorm(m, 0, 0.6)[b] + rnorm(n, 0, 1.5)
  data.frame(a = factor(a), b = factor(b), x, y)
}
sleepstudy <- read("sleepstudy")
time("sleepstudy", function() lmer(Reaction ~ Days + (Days | Subject), sleepstudy), 20)
orthodont <- read("orthodont")
time("orthodont", function() lmer(distance ~ age * Sex + (age | Subject), orthodont), 20)
oxboys <- read("oxboys")
time("oxboys", function() lmer(height ~ age + (age | Subject), oxboys), 20)
for (n in c(1e3, 1e4, 1e5, if (arguments[2] != "0") 1e6)) {
  d <- panel(n)
  times <- if (n > 1e4) 1 else 3
  time(paste("nested_panel", n), function() lmer(phq ~ session * alliance_w + alliance_b + (1 + session | patient), d), times)
  time(paste("three_level_panel", n), function() lmer(phq ~ session * alliance_w + alliance_b + (1 + session | therapist / patient), d), times)
}
for (n in c(1e4, 1e5)) {
  d <- crossed(n)
  time(paste("crossed_panel", n), function() lmer(y ~ x + (1 | a) + (1 | b), d), 1)
}
d <- sparsely_crossed(1e5)
time("sparsely_crossed_panel 1e+05", function() lmer(y ~ x + (1 | a) + (1 | b), d), 1)
time("insteval", function() lmer(y ~ service + (1 | s) + (1 | d) + (1 | dept), InstEval), 1)
fit <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
time("profile_all (confint)", function() confint(fit, method = "profile", quiet = TRUE), 2)
time("bootstrap_1000 (bootMer)", function() bootMer(fit, function(x) c(fixef(x), x@theta, sigma(x)), nsim = 1000, seed = 1), 1)
if (requireNamespace("pbkrtest", quietly = TRUE)) {
  reml <- lmer(phq ~ session * alliance_w + alliance_b + (1 + session | patient), panel(1e3))
  p <- length(fixef(reml))
  time("kenward_roger 1000 rows", function() {
    adjusted <- pbkrtest::vcovAdj(reml)
    vapply(seq_len(p), function(i) pbkrtest::Lb_ddf(as.numeric(seq_len(p) == i), vcov(reml), adjusted), 0)
  }, 1)
}
