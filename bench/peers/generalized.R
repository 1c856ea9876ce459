# lme4, glmmTMB, ordinal and nlme on the work of generalized_bench.cpp: work, peer, CPU seconds of one fit (least of three, slow ones
# once), the ratio to reach. MixedModels.jl's seconds are published ones. The argument is the folder of verbagg.csv and respiratory.csv.
suppressMessages({library(lme4); library(nlme); library(glmmTMB); library(ordinal)})
folder <- commandArgs(TRUE)[1]
set.seed(42)
m <- 1000; n <- 10
id <- factor(rep(1:m, each = n)); session <- rep(1:n - 5.5, m); arm <- rep(rep(0:1, length.out = m), each = n); x <- rnorm(m * n)
u <- rnorm(m)[id]; v <- rnorm(m, sd = .3)[id]; eta <- 0.1 * session + 0.3 * arm + 0.5 * x
t <- rep(1:n, m); e <- unlist(lapply(1:m, function(i) as.numeric(arima.sim(list(ar = .5), n))))
d <- data.frame(id, session, arm, x, t, ri = rbinom(m * n, 1, plogis(eta + u)), rs = rbinom(m * n, 1, plogis(eta + u + v * session)),
                nb = rnbinom(m * n, mu = exp(0.5 * (eta + u) + .5), size = 2),
                cu = cut(eta + u + rlogis(m * n), c(-Inf, -1.5, 0, 1.5, Inf)), g = eta + u + v * session + e)
r <- read.csv(file.path(folder, "respiratory.csv"), stringsAsFactors = TRUE); r$subject <- factor(r$subject); r$centre <- factor(r$centre)
va <- read.csv(file.path(folder, "verbagg.csv"), stringsAsFactors = TRUE); va$id <- factor(va$id)
show <- function(work, peer, asked, runs, f) {
  least <- min(replicate(runs, { t <- proc.time(); suppressWarnings(suppressMessages(f())); sum((proc.time() - t)[1:2]) }))
  cat(work, peer, least, asked, "\n")
}
published <- function(work, seconds, asked) cat(work, "MixedModels.jl*", seconds, asked, "\n")
good <- good ~ treatment + baseline + gender + age + centre + (1 | subject)
verbal <- y ~ anger + gender + btype + situ + (1 | id) + (1 | item)
show("cbpp/1", "glmer", 300, 5, function() glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial))
published("cbpp/1", 0.013, 40)
show("cbpp/9", "glmer", 300, 5, function() glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = 9))
published("cbpp/9", 0.018, 40)
show("respiratory/1", "glmer", 400, 3, function() glmer(good, r, binomial))
published("respiratory/1", 0.23, 150)
show("respiratory/9", "glmer", 400, 3, function() glmer(good, r, binomial, nAGQ = 9))
published("respiratory/9", 0.45, 150)
show("verbagg", "glmer", 60, 2, function() glmer(verbal, va, binomial))
show("verbagg", "glmmTMB", 25, 2, function() glmmTMB(verbal, va, binomial))
published("verbagg", 0.63, 8)
show("logit_intercept/1", "glmer", 300, 3, function() glmer(ri ~ session + arm + x + (1 | id), d, binomial))
show("logit_intercept/15", "glmer", 200, 2, function() glmer(ri ~ session + arm + x + (1 | id), d, binomial, nAGQ = 15))
show("logit_intercept/1", "glmmTMB", "-", 2, function() glmmTMB(ri ~ session + arm + x + (1 | id), d, binomial))
show("logit_slope", "glmer", 500, 2, function() glmer(rs ~ session + arm + x + (session | id), d, binomial))
show("negative_binomial", "glmmTMB", 500, 2, function() glmmTMB(nb ~ session + arm + x + (1 | id), d, nbinom2))
show("cumulative_logit", "clmm", 1000, 1, function() clmm(cu ~ session + arm + x + (1 | id), d))
show("wine/1", "clmm", 100, 5, function() clmm(rating ~ temp + contact + (1 | judge), wine))
show("wine/9", "clmm", 100, 5, function() clmm(rating ~ temp + contact + (1 | judge), wine, nAGQ = 9))
show("wine_crossed", "clmm", 200, 3, function() clmm(rating ~ temp + contact + (1 | judge) + (1 | bottle), wine))
show("ar1_slope", "nlme", 300, 2, function() lme(g ~ session + arm + x, d, ~ session | id, correlation = corAR1(form = ~ t | id)))
