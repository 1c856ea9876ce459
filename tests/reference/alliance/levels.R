# The models of within, between and therapist effects on simulated_panel.csv by lme4 and lmerTest:
#   Rscript levels.R simulated_panel.csv > levels.csv
suppressMessages({library(lme4); library(lmerTest)})
d <- read.csv(commandArgs(TRUE)[1])
patient_mean <- ave(d$wai_client, d$patient)
therapist_mean <- ave(d$wai_client, d$therapist)
d$within <- d$wai_client - patient_mean
d$between_patient <- patient_mean - mean(tapply(d$wai_client, d$patient, mean)) -
  (therapist_mean - mean(tapply(d$wai_client, d$therapist, mean)))
d$between_therapist <- therapist_mean - mean(tapply(d$wai_client, d$therapist, mean))
control <- lmerControl(optimizer = "nloptwrap",
                       optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 1e-12, ftol_rel = 1e-14, maxeval = 1e5))
fit <- function(formula) lmer(formula, d, control = control)
out <- NULL
add <- function(model, fit) {
  s <- coef(summary(fit))
  out <<- rbind(out, data.frame(model = model, term = rownames(s), estimate = s[, 1], standard_error = s[, 2], df = s[, 3],
                                p_value = s[, 5]))
}
add("within_between", fit(phq9 ~ session + within + between_patient + between_therapist + treatment +
                            (1 + session | patient) + (1 | therapist)))
add("by_session", fit(phq9 ~ session * within + between_patient + between_therapist + treatment +
                        (1 + session | patient) + (1 | therapist)))
lagged <- function(x) {
  at <- match(paste(d$patient, d$session - 1), paste(d$patient, d$session))
  before <- x[at]
  before - ave(before, d$patient, FUN = function(v) mean(v, na.rm = TRUE))
}
d$alliance_before <- lagged(d$wai_client)
d$outcome_before <- lagged(d$phq9)
d$between <- patient_mean - mean(tapply(d$wai_client, d$patient, mean))
add("alliance_to_outcome", fit(phq9 ~ session + alliance_before + outcome_before + between + (1 | patient) + (1 | therapist)))
out$estimate <- sprintf("%.15g", out$estimate)
out$standard_error <- sprintf("%.15g", out$standard_error)
out$df <- sprintf("%.10g", out$df)
out$p_value <- sprintf("%.10g", out$p_value)
write.csv(out, row.names = FALSE, quote = FALSE)
