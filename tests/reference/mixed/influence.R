# Writes influence.json: what lme4's influence() says of every level of a grouping factor: Cook's distance, fixed effects, residual SD and SDs of the
# random effects without it. lme4 refits from the full fit's estimates, to a tolerance made tight here. Rscript influence.R, in this folder.
suppressMessages({library(lme4); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.02, rhoend = 1e-12, maxfun = 1e5), calc.derivs = FALSE)
levels_of <- function(formula, data, group, REML = TRUE, some = Inf) {
  full <- lmer(formula, data, REML = REML, control = tight)
  groups <- sort(unique(as.character(data[[group]])))
  lapply(head(groups, some), function(level) {
    reduced <- lmer(formula, data[data[[group]] != level, ], REML = REML, control = tight)
    change <- fixef(reduced) - fixef(full)
    list(level = level, cooks_distance = drop(change %*% solve(as.matrix(vcov(full)), change)) / length(change), estimate = unname(fixef(reduced)),
         dfbetas = unname(-change / sqrt(diag(as.matrix(vcov(reduced))))), residual_sd = sigma(reduced),
         random_sd = unlist(lapply(VarCorr(reduced), function(v) unname(attr(v, "stddev"))), use.names = FALSE))
  })
}
panel <- read.csv("../alliance/simulated_panel.csv", stringsAsFactors = TRUE)
three <- phq9 ~ session * treatment + (1 + session | patient) + (1 | therapist)
out <- list(sleepstudy = levels_of(Reaction ~ Days + (Days | Subject), read.csv("sleepstudy.csv"), "Subject"),
            therapists = levels_of(three, panel, "therapist", REML = FALSE))
out$patients <- levels_of(three, panel, "patient", some = 12)
lme4_distances <- cooks.distance(influence(lmer(Reaction ~ Days + (Days | Subject), read.csv("sleepstudy.csv")), groups = "Subject"))
# lme4 has (m - p) / m for m levels, p for 2 fixed effects.
stopifnot(max(abs(lme4_distances - 16 / 18 * sapply(out$sleepstudy, `[[`, "cooks_distance"))) < 1e-4)
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), "influence.json")
