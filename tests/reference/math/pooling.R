# Rubin's rules and multivariate tests: mice 3.15.0 and mitml 0.4-4 under R 4.2.2, on five
# completed versions of a simulated regression. Writes pooling_data.csv (estimates and
# covariances by imputation) and pooling.csv.
suppressMessages({library(mice); library(mitml)})
set.seed(7)
n <- 60
x <- rnorm(n); z <- rnorm(n); w <- rnorm(n)
y <- 1 + 0.5 * x - 0.3 * z + rnorm(n)
fits <- list(); smaller <- list(); data <- NULL
for (i in 1:5) {
  xi <- x; xi[1:15] <- 0.4 * y[1:15] + 0.9 * rnorm(15)
  zi <- z; zi[10:30] <- rnorm(21)
  d <- data.frame(y, x = xi, z = zi, w)
  fits[[i]] <- lm(y ~ x + z + w, d); smaller[[i]] <- lm(y ~ w, d)
  v <- vcov(fits[[i]])
  data <- rbind(data, c(coef(fits[[i]]), v[lower.tri(v, TRUE)]))
}
write.csv(data, "pooling_data.csv", row.names = FALSE)
out <- data.frame()
add <- function(quantity, value) out <<- rbind(out, data.frame(quantity, value = formatC(value, digits = 15, format = "g")))
for (com in c(Inf, 56)) {
  s <- summary(pool(as.mira(fits), dfcom = com), conf.int = TRUE)
  p <- pool(as.mira(fits), dfcom = com)$pooled
  for (k in 1:4) for (f in c("estimate", "std.error", "statistic", "df", "p.value", "2.5 %", "97.5 %"))
    add(paste(f, k, com), s[k, f])
  for (k in 1:4) for (f in c("riv", "lambda", "fmi")) add(paste(f, k, com), p[k, f])
  D1 <- testModels(fits, smaller, method = "D1", df.com = if (is.finite(com)) com)$test
  for (f in 1:5) add(paste("D1", f, com), D1[f])
}
D2 <- testModels(fits, smaller, method = "D2", use = "likelihood")$test
D3 <- testModels(fits, smaller, method = "D3")$test
for (f in 1:5) { add(paste("D2", f), D2[f]); add(paste("D3", f), D3[f]) }
# The m likelihood ratios that D2 and D3 rest on.
ll <- function(f, b, s2) { r <- f$model$y - model.matrix(f) %*% b; -0.5 * length(r) * log(2 * pi * s2) - sum(r^2) / (2 * s2) }
ml <- function(f) sum(residuals(f)^2) / length(residuals(f))
mean_of <- function(fs) list(b = Reduce(`+`, lapply(fs, coef)) / 5, s2 = mean(sapply(fs, ml)))
a <- mean_of(fits); b <- mean_of(smaller)
for (i in 1:5) {
  add(paste("own", i), 2 * (ll(fits[[i]], coef(fits[[i]]), ml(fits[[i]])) - ll(smaller[[i]], coef(smaller[[i]]), ml(smaller[[i]]))))
  add(paste("pooled", i), 2 * (ll(fits[[i]], a$b, a$s2) - ll(smaller[[i]], b$b, b$s2)))
}
out$value <- trimws(out$value)
write.csv(out, "pooling.csv", row.names = FALSE, quote = FALSE)
