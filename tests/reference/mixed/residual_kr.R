# Kenward and Roger (1997) by their definition on dense matrices: V and its derivatives in natural parameters, by differences.
# REML fits by nlme, their covariance parameters refined by Newton's method on the dense REML criterion.
suppressMessages(library(nlme))
options(digits = 12)
d <- read.csv("orthodont.csv", stringsAsFactors = TRUE)
d$Sex <- relevel(d$Sex, "Male")
d$pos <- (d$age - 8) / 2 + 1
X <- model.matrix(~ age * Sex, d); y <- d$distance; n <- nrow(d); p <- ncol(X)
same <- outer(d$Subject, d$Subject, "=="); lag <- abs(outer(d$pos, d$pos, "-"))
criterion <- function(V) { Vi <- solve(V); S <- t(X) %*% Vi %*% X; b <- solve(S, t(X) %*% Vi %*% y); r <- y - X %*% b
  as.numeric(determinant(V)$modulus + determinant(S)$modulus + t(r) %*% Vi %*% r) }
# Derivatives of a matrix function by central differences of fourth order.
shift <- function(V, th, i, a, j = i, b = 0) { s <- 1e-3 * pmax(abs(th), 0.1); th[i] <- th[i] + a * s[i]; th[j] <- th[j] + b * s[j]; V(th) }
first <- function(V, th, i) { s <- 1e-3 * max(abs(th[i]), 0.1); (8 * (shift(V, th, i, 1) - shift(V, th, i, -1)) - (shift(V, th, i, 2) - shift(V, th, i, -2))) / (12 * s) }
second <- function(V, th, i, j) { si <- 1e-3 * max(abs(th[i]), 0.1); sj <- 1e-3 * max(abs(th[j]), 0.1)
  if (i == j) return((16 * (shift(V, th, i, 1) + shift(V, th, i, -1)) - (shift(V, th, i, 2) + shift(V, th, i, -2)) - 30 * V(th)) / (12 * si^2))
  m <- function(h) (shift(V, th, i, h, j, h) - shift(V, th, i, h, j, -h) - shift(V, th, i, -h, j, h) + shift(V, th, i, -h, j, -h)) / (4 * h^2 * si * sj)
  (4 * m(1) - m(2)) / 3 }
refine <- function(V, th) { for (k in 1:20) { f <- function(t) criterion(V(t)); g <- sapply(seq_along(th), function(i) first(f, th, i))
  H <- outer(seq_along(th), seq_along(th), Vectorize(function(i, j) second(f, th, i, j))); th <- th - solve(H, g) }; th }
kr <- function(name, V, th) {
  th <- refine(V, th); K <- length(th); Vi <- solve(V(th)); Phi <- solve(t(X) %*% Vi %*% X); b <- Phi %*% t(X) %*% Vi %*% y
  D <- lapply(1:K, function(i) first(V, th, i)); P <- lapply(D, function(A) -t(X) %*% Vi %*% A %*% Vi %*% X)
  Q <- function(i, j) t(X) %*% Vi %*% D[[i]] %*% Vi %*% D[[j]] %*% Vi %*% X
  R <- function(i, j) t(X) %*% Vi %*% second(V, th, i, j) %*% Vi %*% X
  info <- outer(1:K, 1:K, Vectorize(function(i, j) 0.5 * (sum(diag(Vi %*% D[[i]] %*% Vi %*% D[[j]])) - 2 * sum(diag(Phi %*% Q(i, j))) + sum(diag(Phi %*% P[[i]] %*% Phi %*% P[[j]])))))
  W <- solve(info); L <- 0 * Phi
  for (i in 1:K) for (j in 1:K) L <- L + W[i, j] * (Q(i, j) - P[[i]] %*% Phi %*% P[[j]] - R(i, j) / 4)
  adjusted <- Phi + 2 * Phi %*% L %*% Phi
  df <- sapply(1:p, function(k) { l <- diag(p)[k, , drop = FALSE]; Th <- t(l) %*% solve(l %*% Phi %*% t(l)) %*% l; A1 <- 0; A2 <- 0
    for (i in 1:K) for (j in 1:K) { A1 <- A1 + W[i, j] * sum(diag(Th %*% Phi %*% P[[i]] %*% Phi)) * sum(diag(Th %*% Phi %*% P[[j]] %*% Phi))
      A2 <- A2 + W[i, j] * sum(diag(Th %*% Phi %*% P[[i]] %*% Phi %*% Th %*% Phi %*% P[[j]] %*% Phi)) }
    B <- (A1 + 6 * A2) / 2; g <- (2 * A1 - 5 * A2) / (3 * A2); den <- 3 + 2 * (1 - g)
    c1 <- g / den; c2 <- (1 - g) / den; c3 <- (3 - g) / den; E <- 1 / (1 - A2); Var <- 2 * (1 + c1 * B) / ((1 - c2 * B)^2 * (1 - c3 * B)); rho <- Var / (2 * E^2)
    4 + 3 / (rho - 1) })
  cat(name, "\n theta", format(th), "\n estimate", format(b), "\n se", format(sqrt(diag(adjusted))), "\n df", format(df), "\n") }
kr("ar1", function(t) t[1] * same * t[2]^lag, c(4.9, 0.6))
kr("ar1 + ident", function(t) { s <- ifelse(d$Sex == "Male", sqrt(t[1]), sqrt(t[2])); outer(s, s) * same * t[3]^lag }, c(5, 4, 0.6))
kr("intercept + ar1", function(t) same * (t[1] + t[2] * t[3]^lag), c(3, 2, 0.1))
kr("ar1 power", function(t) { s <- d$age^t[3]; outer(s, s) * t[1] * same * t[2]^lag }, c(5, 0.6, 0.05))
kr("toeplitz", function(t) same * matrix(t[lag + 1], n), c(5, 3, 3, 2.5))
