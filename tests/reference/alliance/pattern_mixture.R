# Pattern mixture on simulated_panel.csv by lme4 1.1-31 and lmerTest: effects by pattern, averaged
# by hand with the delta method. Writes pattern_mixture.csv.
suppressMessages(library(lmerTest))
d <- read.csv("simulated_panel.csv")
last <- tapply(d$session, d$patient, max); left <- tapply(d$dropped, d$patient, max)
pattern <- ifelse(left == 0, "stayed", ifelse(last <= 6, "left by 6", "left later"))
d$pattern <- factor(pattern[d$patient], c("left by 6", "left later", "stayed"))
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
m <- lmer(phq9 ~ 0 + pattern + pattern:session + pattern:wai_client + (1 + session | patient), d, control = control)
i <- lmer(phq9 ~ session + wai_client + (1 + session | patient), d, control = control)
out <- data.frame()
add <- function(quantity, e, s = NA_real_) out <<- rbind(out, data.frame(quantity, estimate = trimws(formatC(e, digits = 12, format = "g")), standard_error = trimws(formatC(s, digits = 12, format = "g"))))
n <- c(table(factor(pattern, levels(d$pattern)))); share <- n / sum(n)
for (k in 1:3) add(levels(d$pattern)[k], share[k])
b <- fixef(m); v <- as.matrix(vcov(m))
for (j in 0:2) {
  at <- 3 * j + 1:3
  term <- c("(Intercept)", "session", "wai_client")[j + 1]
  for (k in 1:3) add(paste(term, levels(d$pattern)[k]), b[at[k]], sqrt(v[at[k], at[k]]))
  mean <- sum(share * b[at])
  add(paste(term, "average"), mean, sqrt(c(share %*% v[at, at] %*% share) + c(b[at] %*% (diag(share) - share %o% share) %*% b[at]) / sum(n)))
  add(paste(term, "ignorable"), fixef(i)[j + 1], sqrt(vcov(i)[j + 1, j + 1]))
}
add("chi_square", 2 * c(logLik(update(m, REML = FALSE)) - logLik(update(i, REML = FALSE))))
write.csv(out, "pattern_mixture.csv", row.names = FALSE, quote = FALSE)
