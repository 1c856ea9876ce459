# Writes response_scale.json, the values that response_scale_test.cpp compares with: R 4.2.2, glmmTMB 1.1.5,
# emmeans 1.8.4 (regrid = "response"), numDeriv. Averages over groups are integrals by integrate(), their standard errors by the
# delta method on glmmTMB's covariance of (beta, log sd).
suppressMessages({library(glmmTMB); library(emmeans); library(numDeriv); library(jsonlite); library(ordinal)})
cbpp <- read.csv("cbpp.csv"); cbpp$period <- factor(cbpp$period)
control <- glmmTMBControl(optCtrl = list(rel.tol = 1e-14, x.tol = 1e-12))
m <- glmmTMB(cbind(incidence, healthy) ~ period + (1 | herd), cbpp, binomial, control = control)
e <- emmeans(m, ~ period, regrid = "response"); s <- summary(e); p <- summary(pairs(e, adjust = "tukey")); t <- summary(emmeans(m, ~ period, type = "response"))
result <- list(means = list(estimate = s[[2]], se = s$SE, lower = t$asymp.LCL, upper = t$asymp.UCL),
               differences = list(estimate = p$estimate, se = p$SE, p_tukey = p$p.value))
V <- m$sdr$cov.fixed; par <- m$fit$par
X <- cbind(1, rbind(0, diag(3)))
average <- function(p, inverse, eta, sd) sapply(eta, function(h) integrate(function(u) inverse(h + sd * u) * dnorm(u), -12, 12, rel.tol = 1e-12, subdivisions = 1000)$value)
f <- function(p) average(p, plogis, X %*% p[1:4], exp(p[5]))
J <- jacobian(f, par)
result$averaged <- list(estimate = f(par), se = sqrt(diag(J %*% V %*% t(J))))
g <- function(p) { v <- f(p); v[1] - v[3] }; j <- grad(g, par)
result$averaged_difference <- list(estimate = g(par), se = c(sqrt(j %*% V %*% j)))

d <- read.csv("generalized_slope.csv"); d$g <- factor(d$g); d$arm <- factor(ifelse(as.integer(d$g) %% 2 == 0, "a", "b"))
m <- glmmTMB(count ~ x * arm + (x | g), d, poisson, control = control)
s <- summary(emtrends(m, ~ arm, var = "x", delta.var = 1e-6, regrid = "response")); result$slopes <- list(estimate = s$x.trend, se = s$SE)
# Population-averaged Poisson means are exp(eta + z'Sz/2): new rows at x = -1, 0.5.
par <- m$fit$par; V <- m$sdr$cov.fixed
poisson_mean <- function(p) {
  b <- p[1:4]; sd <- exp(p[5:6]); r <- p[7] / sqrt(1 + p[7]^2); S <- diag(sd) %*% matrix(c(1, r, r, 1), 2) %*% diag(sd)
  sapply(list(c(-1, 0), c(.5, 1)), function(n) { z <- c(1, n[1]); exp(sum(b * c(1, n[1], n[2], n[1] * n[2])) + c(z %*% S %*% z) / 2) })
}
J <- jacobian(poisson_mean, par)
result$poisson_averaged <- list(estimate = poisson_mean(par), se = sqrt(diag(J %*% V %*% t(J))))
s <- predict(m, data.frame(x = c(-1, .5), arm = c("a", "b"), g = NA), re.form = NA, type = "response", se.fit = TRUE)
result$poisson_population <- list(estimate = unname(s$fit), se = unname(s$se.fit))
writeLines(toJSON(result, digits = NA, auto_unbox = TRUE, pretty = TRUE), "response_scale.json")
