# Writes simulated.csv: 60 rows (no real persons), tied and untied columns, 12 clusters of 5, a few missing values.
set.seed(20)
n <- 60
z <- round(rnorm(n), 4)
x <- round(0.6 * z + rnorm(n), 4)
y <- round(0.5 * x + 0.3 * z + rnorm(n), 4)
d <- data.frame(
  id = rep(1:12, each = 5), x, y, z,
  xt = pmin(pmax(round(1.5 * x) + 4, 1), 7), yt = pmin(pmax(round(1.2 * y) + 3, 1), 5),
  group = rep(c("a", "b"), length.out = n), weight = sample(0:3, n, replace = TRUE),
  xm = replace(x, c(3, 17, 44), NA), ym = replace(y, c(17, 20, 59), NA))
write.csv(d, "simulated.csv", row.names = FALSE, quote = FALSE, na = "")
