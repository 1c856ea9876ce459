# Writes generalized.csv (simulated by this script) and prints the values that generalized_test.cpp compares with:
# R 4.2.2, lme4 1.1-31, glmmTMB 1.1.5, ordinal 2022.11-16. cbpp.csv and wine.csv are lme4::cbpp and ordinal::wine (GPL).
suppressMessages({library(lme4); library(glmmTMB); library(ordinal)})
options(digits = 15)
write.csv(transform(cbpp, healthy = size - incidence), "cbpp.csv", row.names = FALSE, quote = FALSE)
write.csv(wine[c("rating", "temp", "contact", "bottle", "judge")], "wine.csv", row.names = FALSE, quote = FALSE)
set.seed(1)
g <- rep(1:15, each = 6); h <- rep(1:6, 15); x <- round(rnorm(90), 3)
u <- rnorm(15); v <- rnorm(15, sd = .5); w <- rnorm(6, sd = .7)
eta <- -0.3 + 0.8 * x + u[g] + v[g] * x
d <- data.frame(g, h, x, probit = rbinom(90, 1, pnorm(eta)), poisson = rpois(90, exp(eta / 2)),
                nbinom = rnbinom(90, mu = exp(eta / 2 + w[h]), size = 2), cloglog = rbinom(90, 1, 1 - exp(-exp(eta - .5))))
write.csv(d, "generalized.csv", row.names = FALSE, quote = FALSE)
d$g <- factor(d$g); d$h <- factor(d$h)
control <- glmmTMBControl(optCtrl = list(rel.tol = 1e-14, x.tol = 1e-12))
show <- function(form, family) {
  m <- suppressWarnings(glmmTMB(form, d, family, control = control))
  print(list(logLik = c(logLik(m)), beta = fixef(m)$cond, se = sqrt(diag(vcov(m)$cond)), VarCorr(m), dispersion = sigma(m)))
}
show(probit ~ x + (1 | g) + (1 | h), binomial("probit"))
show(cloglog ~ x + (1 | g) + (1 | h), binomial("cloglog"))
show(poisson ~ x + (x | g), poisson)
show(nbinom ~ x + (1 | g) + (1 | h), nbinom2)
m <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, nAGQ = 25)
print(list(logLik(m), fixef(m), VarCorr(m)))
print(summary(clmm(rating ~ temp + contact + (1 | judge), wine, nAGQ = 15, control = clmm.control(gradTol = 1e-8))))
