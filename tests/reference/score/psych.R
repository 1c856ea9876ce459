# Reference values of the score room: Rscript psych.R, in this folder. psych 2.2.9, lavaan 0.6-14, lme4 1.1-31.
suppressMessages({library(psych); library(lavaan); library(lme4)})
quiet <- function(x) suppressWarnings(suppressMessages(x))
put <- function(case, quantity, value)
  cat(sprintf("%s,%s,%.17g\n", case, quantity, value), sep = "", file = out, append = TRUE)
out <- "psych.csv"
cat("case,quantity,value\n", file = out)

# 300 rows of psych's bfi (GPL >= 2): ten items, 1 to 6, some missing.
data <- psychTools::bfi[1:300, 1:10]
write.csv(data, "bfi_300.csv", row.names = FALSE, na = "")
keys <- c(-1, 1, 1, 1, 1, 1, 1, 1, -1, -1)
keyed <- data
for (j in which(keys < 0)) keyed[[j]] <- 7 - keyed[[j]]

alpha_case <- function(case, x) {
  a <- quiet(psych::alpha(x, check.keys = FALSE))
  put(case, "alpha", a$total$raw_alpha)
  put(case, "standardized", a$total$std.alpha)
  put(case, "standard_error", a$total$ase)
  put(case, "mean_r", a$total$average_r)
  ci <- alpha.ci(a$total$raw_alpha, nrow(x), ncol(x))
  put(case, "feldt_lower", ci$lower.ci)
  put(case, "feldt_upper", ci$upper.ci)
  for (j in seq_along(x)) {
    put(case, paste0("n.", j), a$item.stats$n[j])
    put(case, paste0("mean.", j), a$item.stats$mean[j])
    put(case, paste0("sd.", j), a$item.stats$sd[j])
    put(case, paste0("r_total.", j), a$item.stats$raw.r[j])
    put(case, paste0("r_corrected.", j), a$item.stats$r.cor[j])
    put(case, paste0("r_drop.", j), a$item.stats$r.drop[j])
    put(case, paste0("dropped.", j), a$alpha.drop$raw_alpha[j])
  }
}
alpha_case("pairwise", keyed)
alpha_case("listwise", na.omit(keyed))

# Guttman's bounds by psych, and all splits by psych::splitHalf (covariances, complete rows, the five C items).
five <- na.omit(keyed[6:10])
split <- splitHalf(five, raw = TRUE, covar = TRUE)
put("guttman", "lambda2", split$lambda2)
put("guttman", "maximum", split$maxrb)
put("guttman", "minimum", split$minrb)
put("guttman", "mean", split$meanr)
put("guttman", "lambda6", split$lambda6)

# One factor by lavaan, complete rows, delta-method standard error.
model <- 'f =~ l1*C1 + l2*C2 + l3*C3 + l4*C4 + l5*C5
  C1 ~~ t1*C1
  C2 ~~ t2*C2
  C3 ~~ t3*C3
  C4 ~~ t4*C4
  C5 ~~ t5*C5
  omega := (l1 + l2 + l3 + l4 + l5)^2 / ((l1 + l2 + l3 + l4 + l5)^2 + t1 + t2 + t3 + t4 + t5)'
fit <- cfa(model, five, std.lv = TRUE)
estimates <- parameterEstimates(fit)
row <- estimates[estimates$label == "omega", ]
put("omega", "total", row$est)
put("omega", "standard_error", row$se)
put("omega", "lower", row$ci.lower)
put("omega", "upper", row$ci.upper)
put("omega", "chi_square", fitMeasures(fit, "chisq"))
for (j in 1:5) put("omega", paste0("loading.", j), estimates$est[estimates$label == paste0("l", j)])

# Schmid-Leiman: psych::omega on its Thurstone correlations, published omega_h .74.
thurstone <- as.matrix(Thurstone)
write.csv(thurstone, "thurstone.csv", row.names = FALSE)
o <- quiet(psych::omega(thurstone, 3, n.obs = 213, plot = FALSE))
put("thurstone", "hierarchical", o$omega_h)
put("thurstone", "total", o$omega.tot)
put("thurstone", "asymptotic", o$omega.lim)
for (j in 1:9) put("thurstone", paste0("general.", j), o$schmid$sl[j, "g"])

# Reliability over occasions: Shrout's example (psych help page), complete by mean squares; with four
# answers taken out, by lme4 with crossed effects.
shrout <- data.frame(Person = rep(1:5, 4), Time = rep(1:4, each = 5),
  Item1 = c(2, 3, 6, 3, 7, 3, 5, 6, 3, 8, 4, 4, 7, 5, 6, 1, 5, 8, 8, 6),
  Item2 = c(3, 4, 6, 4, 8, 3, 7, 7, 5, 8, 2, 6, 8, 6, 7, 3, 9, 9, 7, 8),
  Item3 = c(6, 4, 5, 3, 7, 4, 7, 8, 9, 9, 5, 7, 9, 7, 8, 4, 7, 9, 9, 6))
write.csv(shrout, "shrout.csv", row.names = FALSE)
m <- quiet(multilevel.reliability(shrout, grp = "Person", Time = "Time", items = 3:5, lmer = FALSE, aov = TRUE,
                                  alpha = FALSE, plot = FALSE))
for (name in c("RkF", "R1R", "RkR", "Rc", "RkRn", "Rcn")) put("shrout", name, m[[name]])
long <- reshape(shrout, direction = "long", varying = list(3:5), v.names = "y", timevar = "item",
                idvar = c("Person", "Time"))
gap <- with(long, (Person == 1 & Time == 2 & item == 3) | (Person == 4 & Time == 1 & item == 1) |
              (Person == 2 & Time == 4) )
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 2e-3, rhoend = 2e-9))
crossed <- quiet(lmer(y ~ 1 + (1 | Person) + (1 | Time) + (1 | item) + (1 | Person:Time) + (1 | Person:item) +
                        (1 | Time:item), long[!gap, ], control = tight))
v <- as.data.frame(VarCorr(crossed))
for (i in seq_len(nrow(v))) put("unbalanced", gsub(":", "_", v$grp[i]), v$vcov[i])

# Feldt's interval alone; comparisons of alpha are cocron's 1.0-1 (values of its manual's two calls).
ci <- alpha.ci(.8, 100, 10)
put("feldt", "lower", ci$lower.ci)
put("feldt", "upper", ci$upper.ci)
