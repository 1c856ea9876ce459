# Writes ordinal.json, the values that ordinal_test.cpp compares with: R 4.2.2, ordinal 2022.11-16,
# clm with tight convergence and clmm2, on ordinal::wine (wine.csv); emmeans 1.8.4 on clm.
suppressMessages({library(ordinal); library(emmeans); library(jsonlite)})
wine <- read.csv("wine.csv"); wine$rating <- factor(wine$rating, ordered = TRUE); wine$judge <- factor(wine$judge)
wine$temp <- factor(wine$temp); wine$contact <- factor(wine$contact)
control <- clm.control(gradTol = 1e-12, maxIter = 500L)
of <- function(m) list(logLik = c(logLik(m)), alpha = unname(m$alpha[!is.na(m$alpha)]), beta = unname(m$beta[!is.na(m$beta)]),
                       zeta = unname(m$zeta), se = unname(sqrt(diag(vcov(m)))))
result <- list()
for (link in c("logit", "probit", "cloglog", "loglog", "cauchit")) for (threshold in c("flexible", "symmetric", "symmetric2", "equidistant"))
  result[[paste(link, threshold)]] <- of(clm(rating ~ temp + contact, data = wine, link = link, threshold = threshold, control = control))
result$nominal <- of(clm(rating ~ temp, nominal = ~ contact, data = wine, control = control))
result$scale <- of(clm(rating ~ temp + contact, scale = ~ temp, data = wine, link = "probit", control = control))
result$both <- of(clm(rating ~ temp, nominal = ~ contact, scale = ~ temp, data = wine, control = control))
result$structured <- of(clm(rating ~ temp, nominal = ~ contact, scale = ~ temp, threshold = "equidistant", data = wine, link = "cloglog", control = control))
m <- clm(rating ~ temp + contact, data = wine, control = control)
of_tests <- function(t) list(df = t$Df[-1], statistic = t$LRT[-1], p = t[["Pr(>Chi)"]][-1])
plain <- clm(rating ~ temp + contact, data = wine)
result$nominal_test <- of_tests(nominal_test(plain)); result$scale_test <- of_tests(scale_test(plain))
# Mixed: clmm2's likelihoods, its optimum polished by Newton steps on numerical derivatives being too coarse to compare
# estimates beyond 1e-5.
of2 <- function(m) list(logLik = m$logLik, Theta = unname(m$coefficients[1:length(m$Alpha)]), beta = unname(m$beta), zeta = unname(m$zeta), sd = m$stDev[[1]],
                        se = unname(sqrt(diag(vcov(m)))))
control2 <- clmm2.control(gradTol = 1e-9, maxIter = 500, innerCtrl = "noWarn")
for (n in c(1, 10)) for (threshold in c("flexible", "symmetric", "equidistant"))
  result[[paste("clmm2", threshold, n)]] <- of2(clmm2(rating ~ temp + contact, random = judge, data = wine, nAGQ = n, Hess = TRUE, threshold = threshold, control = control2))
result$"clmm2 scale 10" <- of2(clmm2(rating ~ temp + contact, scale = ~ temp, random = judge, data = wine, nAGQ = 10, Hess = TRUE, control = control2))
# clmm2's Laplace approximation with a scale does not converge here: the definition, maximised by nlminb.
X <- model.matrix(~ temp + contact, wine)[, -1]; y <- as.integer(wine$rating); J <- split(seq_along(y), wine$judge)
laplace <- function(p) {
  th <- c(-Inf, p[1:4], Inf); eta <- X %*% p[5:6]; tau <- exp(-X[, 1] * p[7]); s <- p[8]
  if (any(diff(p[1:4]) <= 0)) return(1e10)
  sum(sapply(J, function(r) {
    f <- function(u) -sum(log(plogis((th[y[r] + 1] - eta[r] - s * u) * tau[r]) - plogis((th[y[r]] - eta[r] - s * u) * tau[r]))) + u^2 / 2
    u <- optimize(f, c(-6, 6), tol = 1e-10)$minimum; h <- 1e-3
    f2 <- (-f(u - 2 * h) + 16 * f(u - h) - 30 * f(u) + 16 * f(u + h) - f(u + 2 * h)) / (12 * h^2)
    f(u) + log(f2) / 2
  }))
}
b <- nlminb(c(-1.6, 1.5, 4.4, 6.4, 3.2, 1.9, .08, 1.2), laplace, control = list(rel.tol = 1e-13, eval.max = 2000, iter.max = 1000))
result$"laplace scale" <- list(logLik = -b$objective, estimate = b$par)
# Category probabilities and mean categories, averaged over the other factor.
g <- summary(emmeans(m, ~ rating | temp, mode = "prob")); result$prob <- list(estimate = g$prob, se = g$SE)
g <- summary(emmeans(m, ~ temp, mode = "mean.class")); result$mean_class <- list(estimate = g$mean.class, se = g$SE)
p <- summary(pairs(emmeans(m, ~ temp, mode = "mean.class"))); result$mean_class_difference <- list(estimate = p$estimate, se = p$SE)
both <- clm(rating ~ temp, nominal = ~ contact, scale = ~ temp, data = wine, control = control)
new <- expand.grid(temp = c("cold", "warm"), contact = c("no", "yes"))
q <- predict(both, new, se.fit = TRUE); result$predict <- list(fit = c(t(q$fit)), se = c(t(q$se.fit)))
q <- predict(m, new, se.fit = TRUE, interval = TRUE); result$predict_interval <- list(fit = c(t(q$fit)), se = c(t(q$se.fit)), lower = c(t(q$lwr)), upper = c(t(q$upr)))
writeLines(toJSON(result, digits = NA, auto_unbox = TRUE, pretty = TRUE), "ordinal.json")
