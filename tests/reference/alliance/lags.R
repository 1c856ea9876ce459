# Lagged models, courses and several raters on simulated_panel.csv by lme4, lmerTest and nlme:
#   Rscript lags.R simulated_panel.csv > lags.csv
suppressMessages({library(lme4); library(lmerTest); library(nlme)})
d <- read.csv(commandArgs(TRUE)[1])
d$day <- 7 * d$session + 3 * (d$session > 4) + 2 * (d$session == 7)
d$observed <- (d$wai_client + 2 * d$wai_therapist) / 3 + 4 * sin(seq_len(nrow(d)))
control <- lmerControl(optimizer = "nloptwrap",
                       optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 1e-12, ftol_rel = 1e-14, maxeval = 1e5))
mean_of <- function(v) mean(v, na.rm = TRUE)
within <- function(x) x - ave(x, d$patient, FUN = mean_of)
between <- function(x) ifelse(is.na(x), NA, ave(x, d$patient, FUN = mean_of) - mean(tapply(x, d$patient, mean_of)))
before <- function(x) x[match(paste(d$patient, d$session - 1), paste(d$patient, d$session))]
lag1 <- before(d$wai_client); lag2 <- before(lag1); lag3 <- before(lag2)
d$w1 <- within(lag1); d$w2 <- within(lag2); d$w3 <- within(lag3)
d$own <- within(before(d$phq9)); d$b <- between(d$wai_client)
out <- NULL
row <- function(model, term, estimate, se, df = NA)
  out <<- rbind(out, data.frame(model, term, estimate = sprintf("%.15g", estimate), standard_error = sprintf("%.15g", se),
                                df = sprintf("%.10g", df)))
add <- function(model, fit) { s <- coef(summary(fit)); row(model, rownames(s), s[, 1], s[, 2], s[, 3]) }
m <- lmer(phq9 ~ session + w1 + w2 + w3 + own + b + (1 | patient) + (1 | therapist), d, control = control)
add("distributed_lags", m)
for (k in 1:3) {
  L <- as.numeric(names(fixef(m)) %in% paste0("w", 1:k))
  row("cumulative", k, sum(L * fixef(m)), sqrt(drop(L %*% as.matrix(vcov(m)) %*% L)), contest1D(m, L)$df)
}
add("growth", lmer(phq9 ~ session * treatment + (1 + session | patient) + (1 | therapist), d, control = control))
d$log_session <- log(d$session)
d$w <- within(d$wai_client)
d$bt <- ave(d$wai_client, d$therapist) - mean(tapply(d$wai_client, d$therapist, mean))
d$bp <- d$b - d$bt
add("by_log_session", lmer(phq9 ~ session + log_session * w + bp + bt + treatment + (1 + session | patient) + (1 | therapist),
                           d, control = control))
d$wt <- within(d$wai_therapist); d$wo <- within(d$observed); d$tb <- between(d$wai_therapist); d$ob <- between(d$observed)
add("perspectives", lmer(phq9 ~ session + w + wt + wo + b + tb + ob + (1 + session | patient) + (1 | therapist), d,
                         control = control))
timed <- na.omit(d[c("phq9", "day", "w1", "b", "patient")])
l <- lme(phq9 ~ day + w1 + b, random = ~ 1 | patient, correlation = corCAR1(form = ~ day | patient), data = timed,
         control = lmeControl(opt = "nlminb", msTol = 1e-13, tolerance = 1e-12, maxIter = 500, msMaxIter = 500))
s <- summary(l)$tTable
row("in_time", rownames(s), s[, 1], s[, 2])
row("in_time", "rho", coef(l$modelStruct$corStruct, unconstrained = FALSE), NA)
write.csv(out, row.names = FALSE, quote = FALSE)
