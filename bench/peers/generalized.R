# lme4, glmmTMB, ordinal and nlme on the work of generalized_bench.cpp: CPU seconds of one fit (least of three, slow ones once).
suppressMessages({library(lme4); library(nlme); library(glmmTMB); library(ordinal)})
set.seed(42)
m <- 1000; n <- 10
id <- factor(rep(1:m, each = n)); session <- rep(1:n - 5.5, m); arm <- rep(rep(0:1, length.out = m), each = n); x <- rnorm(m * n)
u <- rnorm(m)[id]; v <- rnorm(m, sd = .3)[id]; eta <- 0.1 * session + 0.3 * arm + 0.5 * x
t <- rep(1:n, m); e <- unlist(lapply(1:m, function(i) as.numeric(arima.sim(list(ar = .5), n))))
d <- data.frame(id, session, arm, x, t, ri = rbinom(m * n, 1, plogis(eta + u)), rs = rbinom(m * n, 1, plogis(eta + u + v * session)),
                nb = rnbinom(m * n, mu = exp(0.5 * (eta + u) + .5), size = 2),
                cu = cut(eta + u + rlogis(m * n), c(-Inf, -1.5, 0, 1.5, Inf)), g = eta + u + v * session + e)
show <- function(name, runs, f) cat(sprintf("%-28s %10.4f s\n", name, min(replicate(runs, { t <- proc.time(); suppressWarnings(f()); sum((proc.time() - t)[1:2]) }))))
show("logit_intercept/1 glmer", 3, function() glmer(ri ~ session + arm + x + (1 | id), d, binomial))
show("logit_intercept/15 glmer", 1, function() glmer(ri ~ session + arm + x + (1 | id), d, binomial, nAGQ = 15))
show("logit_slope glmer", 1, function() glmer(rs ~ session + arm + x + (session | id), d, binomial))
show("negative_binomial glmmTMB", 1, function() glmmTMB(nb ~ session + arm + x + (1 | id), d, nbinom2))
show("cumulative_logit clmm", 1, function() clmm(cu ~ session + arm + x + (1 | id), d))
show("cbpp/1 glmer", 3, function() glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial))
show("cbpp/9 glmer", 3, function() glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = 9))
show("wine/1 clmm", 3, function() clmm(rating ~ temp + contact + (1 | judge), wine))
show("wine/9 clmm", 3, function() clmm(rating ~ temp + contact + (1 | judge), wine, nAGQ = 9))
show("wine_crossed clmm", 3, function() clmm(rating ~ temp + contact + (1 | judge) + (1 | bottle), wine))
