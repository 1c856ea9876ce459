# Simulated counts with extra zeros, and glmmTMB's fits of them: Rscript zero_inflated.R > zero_inflated.json
suppressMessages(library(glmmTMB))
set.seed(11)
m <- 60; n <- 8
g <- rep(1:m, each = n); x <- round(rnorm(m * n), 3); w <- round(runif(m * n), 3)
eta <- 0.6 + 0.4 * x + rnorm(m, 0, 0.5)[g]
zero <- rbinom(m * n, 1, plogis(-1.2 + 1.0 * w))
d <- data.frame(g = factor(g), x, w, poisson = ifelse(zero == 1, 0, rpois(m * n, exp(eta))),
                nbinom2 = ifelse(zero == 1, 0, rnbinom(m * n, mu = exp(eta), size = 2)),
                nbinom1 = ifelse(zero == 1, 0, rnbinom(m * n, mu = exp(eta), size = exp(eta) / 0.8)),
                gamma = signif(rgamma(m * n, shape = 2, rate = 2 / exp(eta)), 6), beta = round(pmin(pmax(rbeta(m * n, 6 * plogis(eta), 6 * plogis(-eta)), 1e-4), 1 - 1e-4), 6))
write.csv(d, "zero_inflated.csv", row.names = FALSE, quote = FALSE)
control <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14))
number <- function(x) paste0("[", paste(formatC(x, digits = 15, format = "g"), collapse = ", "), "]")
fits <- list(
  zip = glmmTMB(poisson ~ x + (1 | g), d, poisson, ziformula = ~ w, control = control),
  zinb2 = glmmTMB(nbinom2 ~ x + (1 | g), d, nbinom2, ziformula = ~ 1, control = control),
  zinb1 = glmmTMB(nbinom1 ~ x + (1 | g), d, nbinom1, ziformula = ~ w, control = control),
  nbinom1 = glmmTMB(nbinom1 ~ x + (1 | g), d, nbinom1, control = control),
  gamma = glmmTMB(gamma ~ x + (1 | g), d, Gamma("log"), control = control),
  beta = glmmTMB(beta ~ x + (1 | g), d, beta_family(), control = control))
cat("{\n")
for (k in seq_along(fits)) {
  f <- fits[[k]]; v <- vcov(f)
  zi <- fixef(f)$zi
  cat(sprintf('  "%s": {"log_likelihood": %.12f, "estimate": %s, "standard_error": %s, "zero_inflation": %s, "zero_inflation_error": %s, "sd": %.12f, "dispersion": %.12f}%s\n',
    names(fits)[k], as.numeric(logLik(f)), number(fixef(f)$cond), number(sqrt(diag(v$cond))), if (length(zi)) number(zi) else "[]",
    if (length(zi)) number(sqrt(diag(v$zi))) else "[]", attr(VarCorr(f)$cond$g, "stddev"), sigma(f), if (k < length(fits)) "," else ""))
}
cat("}\n")
