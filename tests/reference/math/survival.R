# Survival curves, cumulative incidence and log-rank tests of simulated times with ties:
# R 4.2.2, survival 3.5-3. Writes survival_data.csv and survival.csv.
library(survival)
set.seed(20)
n <- 90
group <- sample(0:2, n, TRUE)
time <- pmin(ceiling(rexp(n, 0.12 + 0.05 * group)), 15)
cause <- ifelse(time == 15, 0, sample(0:2, n, TRUE, c(.3, .4, .3)))
d <- data.frame(time, cause, group)
write.csv(d, "survival_data.csv", row.names = FALSE)
out <- data.frame()
add <- function(quantity, at, estimate, standard_error = NA, lower = NA, upper = NA)
  out <<- rbind(out, data.frame(quantity, at, estimate, standard_error, lower, upper))
for (type in c("log-log", "log", "plain")) {
  f <- survfit(Surv(time, cause == 1) ~ 1, d, conf.type = type)
  add(paste0("survival_", type), f$time, f$surv, f$std.err * f$surv, f$lower, f$upper)
  m <- summary(f, rmean = 12)$table
  add(paste0("median_", type), 0, m["median"], NA, m["0.95LCL"], m["0.95UCL"])
  if (type == "plain") add("restricted_mean", 12, m["rmean"], m["se(rmean)"])
  if (type == "plain") { m <- summary(f, rmean = max(time))$table; add("restricted_mean", 15, m["rmean"], m["se(rmean)"]) }
}
d$state <- factor(d$cause, 0:2)
a <- survfit(Surv(time, state) ~ 1, d, conf.type = "log-log")
for (k in 1:2) add(paste0("incidence_", k), a$time, a$pstate[, k + 1], a$std.err[, k + 1])
l <- survdiff(Surv(time, cause == 1) ~ group, d)
add("log_rank", 0, l$chisq)
add("observed", 0:2, l$obs, l$exp)
s <- 0:2; e <- l$obs - l$exp
add("trend", 0, sum(s * e)^2 / c(t(s) %*% l$var %*% s))
out[] <- lapply(out, function(x) if (is.numeric(x)) trimws(formatC(x, digits = 15, format = "g")) else x)
out[out == "NaN"] <- "NA"
write.csv(out, "survival.csv", row.names = FALSE, quote = FALSE)
