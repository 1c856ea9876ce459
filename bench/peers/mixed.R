# usage: Rscript mixed.R FOLDER SLOW: CPU seconds of lme4 (default call), bootMer, confint and pbkrtest as lines CASE,SECONDS: the least of several
# means over as many calls as take half a second. FOLDER holds sleepstudy.csv, orthodont.csv and oxboys.csv; the panels have the shape of those of
# mixed_bench.cpp. SLOW=1 adds the cases of a minute and more.
suppressMessages(library(lme4))
arguments <- commandArgs(TRUE)
read <- function(name) {
  d <- read.csv(file.path(arguments[1], paste0(name, ".csv")))
  d$Subject <- factor(d$Subject)
  d
}
time <- function(case, call, times = 3) {
  once <- function(n) sum(system.time(for (i in seq_len(n)) suppressWarnings(suppressMessages(call())))[1:2]) / n
  least <- once(1)
  n <- max(1, floor(0.5 / max(least, 1e-3)))
  if (least < 20) for (i in seq_len(times)) least <- min(least, once(n))
  cat(sprintf("%s,%.5g\n", case, least))
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
slow <- arguments[2] != "0"
sleepstudy <- read("sleepstudy")
time("sleepstudy", function() lmer(Reaction ~ Days + (Days | Subject), sleepstudy))
orthodont <- read("orthodont")
time("orthodont", function() lmer(distance ~ age * Sex + (age | Subject), orthodont))
oxboys <- read("oxboys")
time("oxboys", function() lmer(height ~ age + (age | Subject), oxboys))
two <- phq ~ session * alliance_w + alliance_b + (1 + session | patient)
three <- phq ~ session * alliance_w + alliance_b + (1 + session | therapist / patient)
for (n in c(1e3, 1e4, 1e5, if (slow) 1e6)) {
  d <- panel(n)
  times <- if (n > 1e4) 0 else 2
  time(sprintf("nested_panel/%d", n), function() lmer(two, d), times)
  time(sprintf("three_level_panel/%d", n), function() lmer(three, d), times)
  if (n == 1e6) {
    d$session <- d$session + 0.8 * runif(n)
    time(sprintf("irregular_panel/%d", n), function() lmer(two, d), 0)
  }
}
d <- crossed(1e4)
time("crossed_panel/10000", function() lmer(y ~ x + (1 | a) + (1 | b), d))
if (slow) {
  d <- crossed(1e5)
  time("crossed_panel/100000", function() lmer(y ~ x + (1 | a) + (1 | b), d), 0)
}
if (slow) {
  d <- sparsely_crossed(1e5)
  time("sparsely_crossed_panel/100000", function() lmer(y ~ x + (1 | a) + (1 | b), d), 0)
  time("insteval", function() lmer(y ~ service + (1 | s) + (1 | d) + (1 | dept), InstEval), 0)
}
fit <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
time("profile_all", function() confint(fit, method = "profile", quiet = TRUE), 2)
time("bootstrap_1000", function() bootMer(fit, function(x) c(fixef(x), x@theta, sigma(x)), nsim = 1000, seed = 1), 0)
reml <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
time("influence_sleepstudy", function() influence(reml, groups = "Subject"), 1)
d <- panel(1e3)
of_panel <- suppressMessages(lmer(two, d))
time("influence_patients/1000", function() influence(of_panel, groups = "patient", data = d), 0)
if (requireNamespace("pbkrtest", quietly = TRUE)) {
  kenward_roger <- function(fit) {
    p <- length(fixef(fit))
    function() {
      adjusted <- pbkrtest::vcovAdj(fit)
      vapply(seq_len(p), function(i) pbkrtest::Lb_ddf(as.numeric(seq_len(p) == i), vcov(fit), adjusted), 0)
    }
  }
  d <- panel(1e3)
  time("kenward_roger/1000", kenward_roger(lmer(two, d)), 1)
  time("kenward_roger_three_levels/1000", kenward_roger(suppressMessages(lmer(three, d))), 1)
  d <- read.csv(file.path(arguments[1], "../alliance/simulated_panel.csv"), stringsAsFactors = TRUE)
  d$between <- ave(d$wai_client, d$patient)
  d$within <- d$wai_client - d$between
  canonical <- phq9 ~ session * within + between + treatment + (1 + session | therapist / patient)
  time("kenward_roger_alliance", kenward_roger(suppressMessages(lmer(canonical, d))), 1)
}
