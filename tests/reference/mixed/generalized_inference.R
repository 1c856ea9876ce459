# Writes generalized_inference.json, the values that generalized_inference_test.cpp compares with.
# R 4.2.2, glmmTMB 1.1.5 (its Laplace objective and gradient), ordinal 2022.11-16, emmeans, boot.
# Profile limits are roots of the constrained deviance, re-optimised by nlminb, not interpolated.
suppressMessages({library(lme4); library(glmmTMB); library(ordinal); library(jsonlite)})
d <- read.csv("generalized.csv"); d$g <- factor(d$g); d$h <- factor(d$h)
cbpp <- read.csv("cbpp.csv"); cbpp$period <- factor(cbpp$period)
set.seed(7)
g <- rep(1:30, each = 8); x <- round(rnorm(240), 2); u <- rnorm(30); v <- .5 * u + .4 * rnorm(30)
counts <- data.frame(g, x, count = rpois(240, exp(.7 + .3 * x + .5 * u[g] + .6 * v[g] * x)))
write.csv(counts, "generalized_slope.csv", row.names = FALSE, quote = FALSE)
counts$g <- factor(counts$g)
wine <- read.csv("wine.csv"); wine$rating <- factor(wine$rating)
target <- qchisq(.95, 1)

# Roots of 2 (f(held) - least) = target on both sides, all else minimised.
limits <- function(f, gr, start, k, se) {
  least <- nlminb(start, f, gr, control = list(rel.tol = 1e-14, x.tol = 1e-12))
  one <- function(side) {
    warm <- least$par
    excess <- function(value) {
      free <- function(p) { full <- warm; full[-k] <- p; full[k] <- value; full }
      fit <- nlminb(warm[-k], function(p) f(free(p)), if (!is.null(gr)) function(p) gr(free(p))[-k],
                    control = list(rel.tol = 1e-14, x.tol = 1e-12))
      2 * (fit$objective - least$objective) - target
    }
    centre <- least$par[k]
    uniroot(excess, sort(centre + side * c(.3, 1.5) * 1.96 * se), tol = 1e-11, extendInt = if (side > 0) "upX" else "downX")$root
  }
  unname(c(one(-1), one(1)))
}
by_tmb <- function(form, data, family, ...) {
  m <- suppressWarnings(glmmTMB(form, data, family, ...))
  o <- m$obj; se <- sqrt(diag(m$sdr$cov.fixed)); par <- m$fit$par
  # A limit at the boundary (log sd at minus infinity) is left out.
  out <- lapply(seq_along(par), function(k) tryCatch(
    limits(function(p) as.numeric(o$fn(p)), function(p) as.numeric(o$gr(p)), par, k, se[k]), error = function(e) NULL))
  names(out) <- make.unique(names(par)); out
}
result <- list(
  cbpp = by_tmb(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial),
  slope = by_tmb(count ~ x + (x | g), counts, poisson),
  nbinom2 = by_tmb(nbinom ~ x + (1 | g), d, nbinom2))

# Cumulative logit with an intercept a judge, the integral by integrate().
X <- model.matrix(~ temp + contact, wine)[, -1]; y <- as.integer(wine$rating); J <- split(seq_along(y), wine$judge)
nll <- function(p) {
  th <- c(-Inf, p[1:4], Inf); eta <- X %*% p[5:6]; s <- p[7]
  if (any(diff(p[1:4]) <= 0)) return(1e10)
  -sum(sapply(J, function(r) log(integrate(Vectorize(function(u)
    prod(plogis(th[y[r] + 1] - eta[r] - s * u) - plogis(th[y[r]] - eta[r] - s * u)) * dnorm(u)), -9, 9, rel.tol = 1e-11, subdivisions = 500)$value)))
}
m <- clmm(rating ~ temp + contact + (1 | judge), wine, nAGQ = 15)
start <- c(m$alpha, m$beta, as.numeric(m$ST$judge))
se <- sqrt(diag(vcov(m)))
result$wine <- lapply(c(1, 5, 7), function(k) limits(nll, NULL, start, k, se[k]))
names(result$wine) <- c("1|2", "tempwarm", "sd")
writeLines(toJSON(result, digits = NA, auto_unbox = TRUE, pretty = TRUE), "generalized_inference.json")
