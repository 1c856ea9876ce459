# Writes distributions.csv: function, up to four arguments, value. R's own distribution functions (nmath); the bivariate
# normal by one-dimensional quadrature of phi(t) Phi((y - rho t) / sqrt(1 - rho^2)) at 1e-13.
rows <- list()
add <- function(name, value, ...) {
  arguments <- c(..., NA, NA, NA, NA)[1:4]
  rows[[length(rows) + 1]] <<- c(name, ifelse(is.na(arguments), "", sprintf("%.17g", arguments)), sprintf("%.17g", value))
}
for (x in c(-30, -8, -1.5, 0, 0.3, 2, 6, 20)) {
  add("normal_cdf", pnorm(x), x)
  add("normal_upper_tail", pnorm(x, lower.tail = FALSE), x)
  add("normal_log_cdf", pnorm(x, log.p = TRUE), x)
}
for (x in c(-1e4, -1e6, -100, -37, -20, -19.9)) add("normal_log_cdf", pnorm(x, log.p = TRUE), x)
for (p in c(1e-300, 1e-20, 1e-5, 0.025, 0.3, 0.5, 0.9, 0.999999)) add("normal_quantile", qnorm(p), p)
for (df in c(1, 2.5, 7, 100, 1e5)) {
  for (x in c(-40, -2.1, 0.4, 3, 25)) {
    add("students_t_cdf", pt(x, df), x, df)
    add("students_t_upper_tail", pt(x, df, lower.tail = FALSE), x, df)
  }
  for (p in c(1e-8, 0.025, 0.4, 0.975)) add("students_t_quantile", qt(p, df), p, df)
  for (x in c(0.01, 1, 9, 150)) {
    add("chi_squared_cdf", pchisq(x, df), x, df)
    add("chi_squared_upper_tail", pchisq(x, df, lower.tail = FALSE), x, df)
  }
  for (p in c(1e-6, 0.05, 0.5, 0.999)) add("chi_squared_quantile", qchisq(p, df), p, df)
  for (df2 in c(1, 4.4, 60)) {
    for (x in c(0.1, 1, 5, 80)) {
      add("fisher_f_cdf", pf(x, df, df2), x, df, df2)
      add("fisher_f_upper_tail", pf(x, df, df2, lower.tail = FALSE), x, df, df2)
    }
    for (p in c(0.01, 0.5, 0.975)) add("fisher_f_quantile", qf(p, df, df2), p, df, df2)
  }
}
for (a in c(0.5, 2, 30)) for (b in c(0.7, 5, 11)) {
  for (x in c(0.001, 0.3, 0.9)) add("beta_cdf", pbeta(x, a, b), x, a, b)
  for (p in c(0.001, 0.5, 0.99)) add("beta_quantile", qbeta(p, a, b), p, a, b)
}
for (n in c(1, 10, 400)) for (p in c(0.05, 0.5, 0.8)) for (k in unique(round(n * c(0, 0.1, 0.5, 0.75, 1)))) {
  add("binomial_cdf", pbinom(k, n, p), k, n, p)
  add("binomial_upper_tail", pbinom(k - 1, n, p, lower.tail = FALSE), k, n, p)
  add("binomial_density", dbinom(k, n, p), k, n, p)
}
for (rho in c(-1, -0.999, -0.93, -0.8, -0.5, -0.1, 0, 0.2, 0.6, 0.9, 0.925, 0.97, 0.99999, 1))
  for (x in c(-3, -0.5, 0.2, 1.7)) for (y in c(-2.2, -0.5, 0.9, 3)) {
    value <- if (rho == 1) pnorm(min(x, y)) else if (rho == -1) max(0, pnorm(x) - pnorm(-y)) else {
      s <- sqrt(1 - rho^2)
      f <- function(t) dnorm(t) * pnorm((y - rho * t) / s)
      cuts <- sort(unique(pmin(x, pmax(-38, c(-38, -8, -4, -2, 0, 2, if (rho != 0) y / rho + c(-20, -6, -2, 0, 2, 6, 20) * s, x)))))
      sum(mapply(function(a, b) integrate(f, a, b, rel.tol = 1e-13, abs.tol = 0, subdivisions = 2000)$value, head(cuts, -1), tail(cuts, -1)))
    }
    add("bivariate_normal_cdf", value, x, y, rho)
  }
for (x in c(1e-3, 0.5, 1, 3.7, 40, 1e6)) {
  add("log_gamma", lgamma(x), x); add("digamma", digamma(x), x); add("trigamma", trigamma(x), x)
}
write.table(do.call(rbind, rows), "distributions.csv", sep = ",", quote = FALSE, row.names = FALSE,
            col.names = c("name", "a", "b", "c", "d", "value"))
