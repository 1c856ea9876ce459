# Writes marginal.json: estimated marginal means and slopes (emmeans on lmerTest and pbkrtest degrees of freedom), R² and
# predictions with their errors (Henderson's equations solved densely) for models of ../alliance/simulated_panel.csv.
# Rscript marginal.R, in this folder.
suppressMessages({library(lmerTest); library(emmeans); library(jsonlite)})
emm_options(pbkrtest.limit = 1e5, lmerTest.limit = 1e5)
d <- read.csv("../alliance/simulated_panel.csv", stringsAsFactors = TRUE)
d4 <- subset(d, session <= 4)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-10, maxfun = 1e5), check.conv.grad = "ignore")
rows <- function(e) { s <- as.data.frame(summary(e, infer = c(TRUE, TRUE))); names(s) <- sub("^(emmean|.*\\.trend)$", "estimate", names(s))
  lapply(seq_len(nrow(s)), function(i) list(label = paste(unlist(lapply(s[i, setdiff(names(s), c("estimate", "SE", "df", "lower.CL", "upper.CL", "t.ratio", "p.value"))], as.character)), collapse = "|"),
       estimate = s$estimate[i], standard_error = s$SE[i], df = s$df[i], p_value = s$p.value[i], ci_lower = s$lower.CL[i], ci_upper = s$upper.CL[i])) }
pairs_of <- function(e) { u <- as.data.frame(summary(pairs(e, adjust = "none"))); t <- as.data.frame(summary(pairs(e, adjust = "tukey")))
  lapply(seq_len(nrow(u)), function(i) list(contrast = as.character(u$contrast[i]), estimate = u$estimate[i], standard_error = u$SE[i], df = u$df[i], p_value = u$p.value[i], p_tukey = t$p.value[i])) }
m1 <- lmer(phq9 ~ session * wai_client + treatment + (1 + session | patient), d, control = tight)
m2 <- lmer(phq9 ~ treatment * factor(session) + wai_client + (1 | patient), d4, control = tight)
m3 <- lmer(phq9 ~ poly(session, 2) * treatment + (1 | patient), d, control = tight)
m4 <- lmer(phq9 ~ session + treatment + (1 + session | patient) + (1 | therapist), d, control = tight)
sat <- "satterthwaite"
out <- list(
  treatment = list(formula = "phq9 ~ session * wai_client + treatment + (1 + session | patient)", means = rows(emmeans(m1, "treatment", lmer.df = sat)),
                   differences = pairs_of(emmeans(m1, "treatment", lmer.df = sat))),
  session_by_treatment = list(formula = "phq9 ~ treatment * factor(session) + wai_client + (1 | patient)", means = rows(emmeans(m2, ~ session | treatment, lmer.df = sat)),
                   differences = pairs_of(emmeans(m2, ~ session | treatment, lmer.df = sat))),
  session_kenward_roger = list(means = rows(emmeans(m2, "session", lmer.df = "kenward-roger")), differences = pairs_of(emmeans(m2, "session", lmer.df = "kenward-roger"))),
  polynomial = list(formula = "phq9 ~ poly(session, 2) * treatment + (1 | patient)", means = rows(emmeans(m3, "treatment", lmer.df = sat))),
  slopes = rows(emtrends(m1, ~ session, var = "wai_client", at = list(session = c(1, 6, 12)), lmer.df = sat)),
  slopes_of_factor = rows(emtrends(m3, ~ treatment, var = "session", delta.var = 1e-3, lmer.df = sat)))
new <- data.frame(session = c(0, 3.5, 20, 5, 5, 5), treatment = factor(c("ALLI", "TAU", "TAU", "ALLI", "ALLI", "TAU"), levels = levels(d$treatment)),
                  patient = c("P001", "P050", "P120", "P001", "new", "new"), therapist = c("T01", "T05", "T15", "T02", "T03", "other"))
predict_dense <- function(m, new) {
  X <- getME(m, "X"); Z <- as.matrix(getME(m, "Z")); L <- as.matrix(getME(m, "Lambda")); s2 <- sigma(m)^2
  M <- rbind(cbind(crossprod(X), crossprod(X, Z)), cbind(crossprod(Z, X), crossprod(Z) + solve(L %*% t(L)))); C <- s2 * solve(M)
  b <- ranef(m); S <- VarCorr(m); p <- ncol(X)
  index <- function(group, level) { k <- match(group, names(getME(m, "flist"))); f <- getME(m, "flist")[[k]]; q <- length(m@cnms[[k]]); start <- getME(m, "Gp")[which(names(m@cnms) == group)]
    l <- match(level, levels(f)); if (is.na(l)) NULL else p + start + (l - 1) * q + seq_len(q) }
  x <- model.matrix(~ session + treatment, new)
  lapply(seq_len(nrow(new)), function(i) {
    a <- numeric(ncol(C)); a[1:p] <- x[i, ]; est <- sum(x[i, ] * fixef(m)); extra <- 0
    zp <- c(1, new$session[i]); ip <- index("patient", new$patient[i])
    if (is.null(ip)) extra <- extra + drop(t(zp) %*% S$patient %*% zp) else { a[ip] <- zp; est <- est + sum(zp * unlist(b$patient[new$patient[i], ])) }
    it <- index("therapist", new$therapist[i])
    if (is.null(it)) extra <- extra + S$therapist[1] else { a[it] <- 1; est <- est + b$therapist[new$therapist[i], 1] }
    list(estimate = est, standard_error = sqrt(drop(t(a) %*% C %*% a) + extra), population = sum(x[i, ] * fixef(m)), population_error = sqrt(drop(t(x[i, ]) %*% as.matrix(vcov(m)) %*% x[i, ])))
  })
}
out$predictions <- predict_dense(m4, new)
r2 <- function(m) { vf <- var(drop(getME(m, "X") %*% fixef(m))); vr <- sum(sapply(seq_along(m@cnms), function(k) { Z <- model.matrix(m)[, m@cnms[[k]], drop = FALSE]; sum((Z %*% VarCorr(m)[[k]]) * Z) / nrow(Z) })); s2 <- sigma(m)^2
  list(marginal = vf / (vf + vr + s2), conditional = (vf + vr) / (vf + vr + s2)) }
out$r_squared <- r2(m4)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), "marginal.json")
