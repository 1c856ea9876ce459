# Person-period data, hazards, survival curves and cumulative incidence on simulated_panel.csv:
# R 4.2.2 (stats), lme4 1.1-31, survival 3.5-3. Run in this folder; writes dropout.csv.
library(survival)
suppressMessages(library(lme4))
d <- read.csv("simulated_panel.csv")
d$wai_client[c(7, 100, 101, 555)] <- NA  # as the test does
out <- data.frame(quantity = character(), term = character(), estimate = numeric(), standard_error = numeric())
add <- function(q, t, e, s = NA) out[nrow(out) + 1, ] <<- list(q, t, e, s)
d <- d[order(d$patient, d$session), ]
left <- tapply(d$dropped, d$patient, max)
last <- tapply(d$session, d$patient, max)
d$leaves <- as.integer(d$session == last[d$patient] & left[d$patient] == 1)
pm <- tapply(d$wai_client, d$patient, mean, na.rm = TRUE)
d$within <- d$wai_client - pm[d$patient]
d$between <- ifelse(is.na(d$wai_client), NA, pm[d$patient] - mean(pm))
add("counts", "left", sum(left)); add("counts", "rows", nrow(d))
put <- function(q, m) { s <- coef(summary(m)); for (i in seq_len(nrow(s))) add(q, rownames(s)[i], s[i, 1], s[i, 2]) }
put("logit", glm(leaves ~ session + within + between, binomial, d, control = glm.control(epsilon = 1e-14)))
m <- glm(leaves ~ factor(session <= 4) + within + between + treatment, binomial("cloglog"), d, control = glm.control(epsilon = 1e-14))
# glm's standard errors are from the expected information; these are from the observed one.
x <- model.matrix(m); y <- m$y
minus_log_likelihood <- function(b) { h <- -expm1(-exp(c(x %*% b))); -sum(y * log(h) + (1 - y) * log1p(-h)) }
observed <- solve(numDeriv::hessian(minus_log_likelihood, coef(m), method.args = list(r = 6)))
for (i in seq_along(coef(m))) add("cloglog", names(coef(m))[i], coef(m)[[i]], sqrt(observed[i, i]))
ctl <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9), tolPwrss = 1e-12)
g <- glmer(leaves ~ session + within + between + (1 | therapist), d, binomial, control = ctl)
put("therapist", g); add("therapist", "sd", sqrt(unlist(VarCorr(g)))); add("therapist", "log_likelihood", as.numeric(logLik(g)))
# Nothing of the future: means of the ratings so far; the alliance of the session before (by number).
so_far <- function(x) { n <- cumsum(!is.na(x)); s <- cumsum(ifelse(is.na(x), 0, x)); s / n }
d$mean_so_far <- ave(d$wai_client, d$patient, FUN = so_far)
key <- paste(d$patient, d$session)
before <- match(paste(d$patient, d$session - 1), key)
d$x2 <- d$wai_client[before]; d$m2 <- d$mean_so_far[before]
d$m2[is.na(d$x2)] <- NA
d$within2 <- d$x2 - d$m2; d$between2 <- d$m2
put("so_far_lag2", glm(leaves ~ session + within2 + between2, binomial, d, control = glm.control(epsilon = 1e-14)))
# Retention by tertiles of the mean of sessions 1 to 2.
p <- data.frame(patient = names(last), time = as.numeric(last), left = as.integer(left))
early <- tapply(ifelse(d$session <= 2, d$wai_client, NA), d$patient, mean, na.rm = TRUE)
p$early <- as.numeric(early)
p <- p[p$time >= 2 & is.finite(p$early), ]
cut <- quantile(p$early, c(1, 2) / 3)
p$group <- (p$early > cut[1]) + (p$early > cut[2])
end <- min(tapply(p$time, p$group, max))
for (type in c("log-log", "log", "plain")) {
  f <- summary(survfit(Surv(time, left) ~ 1, p, conf.type = type), censored = TRUE)
  for (i in seq_along(f$time)) { add(paste0("km_", type), paste(f$time[i]), f$surv[i], f$std.err[i]); add(paste0("ci_", type), paste(f$time[i]), f$lower[i], f$upper[i]) }
}
for (g in 0:2) {
  s <- survfit(Surv(time, left) ~ 1, p[p$group == g, ], conf.type = "log-log")
  m <- summary(s, rmean = end)$table
  add("rmst", paste(g), m["rmean"], m["se(rmean)"])
  add("median", paste(g), m["median"]); add("median_ci", paste(g), m["0.95LCL"], m["0.95UCL"])
}
l <- survdiff(Surv(time, left) ~ group, p)
add("log_rank", "chisq", l$chisq)
for (g in 1:3) add("log_rank", paste(g), l$obs[g], l$exp[g])
p$state <- factor(ifelse(p$left == 1, 1, ifelse(p$time == 12, 2, 0)), 0:2, c("censored", "left", "completed"))
a <- survfit(Surv(time, state) ~ 1, p)
for (i in seq_along(a$time)) for (k in 2:3) add(paste0("incidence_", k - 1), paste(a$time[i]), a$pstate[i, k], a$std.err[i, k])
out$estimate <- formatC(out$estimate, digits = 15, format = "g"); out$standard_error <- formatC(out$standard_error, digits = 15, format = "g")
out[] <- lapply(out, trimws); out[out == "NaN" | out == "Inf"] <- "NA"
write.csv(out, "dropout.csv", row.names = FALSE, quote = FALSE)
