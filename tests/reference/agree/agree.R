# Rscript agree.R: writes dyads.csv and ratings.csv (simulated) and agree.json (peers' values on them).
suppressMessages({library(lme4); library(lmerTest); library(nlme); library(psych); library(lavaan); library(jsonlite)})
set.seed(20260)
n <- 40; t <- 5
u <- rep(rnorm(n, sd = .8), each = t)
x <- round(rnorm(n * t, 5, 1) + u, 2); y <- round(.5 * x + rnorm(n * t, 2.5, .8), 2)
z <- round(1 + .3 * x + .2 * y - .1 * (x - y)^2 + .6 * u + rnorm(n * t, sd = .7), 2)
dyads <- data.frame(patient = rep(sprintf("P%02d", 1:n), each = t), x, y, z)
dyads$z[c(7, 100)] <- NA
write.csv(dyads, "dyads.csv", row.names = FALSE, na = "", quote = FALSE)
ratings <- outer(rnorm(30, 4, 1.2), c(-.4, 0, .3, .5), "+") + matrix(rnorm(120, sd = .8), 30)
ratings <- round(ratings, 1); ratings[cbind(c(2, 5, 9, 9, 17, 21, 30), c(1, 3, 2, 4, 4, 1, 3))] <- NA
colnames(ratings) <- paste0("r", 1:4)
write.csv(ratings, "ratings.csv", row.names = FALSE, na = "", quote = FALSE)
d <- transform(na.omit(dyads), x2 = x^2, xy = x * y, y2 = y^2)
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10), check.conv.grad = "ignore")
L <- rbind(a1 = c(0, 1, 1, 0, 0, 0), a2 = c(0, 0, 0, 1, 1, 1), a3 = c(0, 1, -1, 0, 0, 0), a4 = c(0, 0, 0, 1, -1, 1), a5 = c(0, 0, 0, 1, 0, -1))
# response surface: least squares and with a random intercept
ols <- lm(z ~ x + y + x2 + xy + y2, d)
surface_ols <- cbind(estimate = L %*% coef(ols), standard_error = sqrt(diag(L %*% vcov(ols) %*% t(L))))
mixed <- lmerTest::lmer(z ~ x + y + x2 + xy + y2 + (1 | patient), d, control = tight)
surface_mixed <- contest(mixed, L, joint = FALSE)
# truth and bias: z judges x with bias y
tb <- transform(d, J = z - mean(x), T = x - mean(x), B = y - mean(y))
gls_of <- function(method) { f <- gls(J ~ T + B, tb, correlation = corCompSymm(form = ~ 1 | patient), method = method)
  list(coef = unname(coef(f)), se = unname(summary(f)$tTable[, 2]), p = unname(summary(f)$tTable[, 4]), sigma = f$sigma,
       rho = unname(coef(f$modelStruct$corStruct, unconstrained = FALSE)), loglik = as.numeric(logLik(f))) }
# negative correlation within pairs
set.seed(7); e <- rnorm(60); neg <- data.frame(g = rep(1:30, each = 2), t = round(rnorm(60), 2), b = round(rnorm(60), 2))
neg$j <- round(.5 * neg$t + .3 * neg$b + e - .8 * ave(e, neg$g), 2)
write.csv(neg, "negative.csv", row.names = FALSE, quote = FALSE)
fn <- gls(I(j - mean(t)) ~ I(t - mean(t)) + I(b - mean(b)), neg, correlation = corCompSymm(form = ~ 1 | g), method = "REML")
# ICC with missing ratings
long <- data.frame(y = c(ratings), s = factor(row(ratings)), r = factor(col(ratings)))
two <- lme4::lmer(y ~ 1 + (1 | s) + (1 | r), long, control = tight); one <- lme4::lmer(y ~ 1 + (1 | s), long, control = tight)
v <- function(f) as.data.frame(VarCorr(f))$vcov
sub <- anova(lm(y ~ r + s, na.omit(long)))["s", ]; sub1 <- anova(lm(y ~ s, na.omit(long)))["s", ]
icc <- suppressMessages(psych::ICC(na.omit(ratings), lmer = FALSE)$results)
# actor–partner model: one dyad a row
w <- data.frame(x1 = d$x, x2 = d$y, y1 = d$z, y2 = round(.2 * d$x + .5 * d$y + .4 * d$z + rnorm(nrow(d)), 2))
write.csv(w, "pairs.csv", row.names = FALSE, quote = FALSE)
ap <- sem("y1 ~ a1*x1 + p1*x2\n y2 ~ a2*x2 + p2*x1\n y1 ~~ c*y2\n k1 := p1/a1\n k2 := p2/a2", w, meanstructure = TRUE)
equal <- sem("y1 ~ a*x1 + p*x2\n y2 ~ a*x2 + p*x1\n y1 ~~ c*y2", w, meanstructure = TRUE)
pe <- parameterEstimates(ap); pick <- function(l) unname(unlist(pe[pe$label == l, c("est", "se")]))
kappa <- psych::cohen.kappa(cbind(round(ratings[, 1]), round(ratings[, 2]))[complete.cases(ratings[, 1:2]), ])
out <- list(
  surface_ols = list(b = unname(coef(ols)), b_se = unname(sqrt(diag(vcov(ols)))), a = unname(surface_ols[, 1]), a_se = unname(surface_ols[, 2]),
                     r_squared = summary(ols)$r.squared),
  surface_mixed = list(b = unname(fixef(mixed)), b_se = unname(summary(mixed)$coefficients[, 2]), b_df = unname(summary(mixed)$coefficients[, 3]),
                       a = surface_mixed$Estimate, a_se = surface_mixed$`Std. Error`, a_df = surface_mixed$df, a_p = surface_mixed$`Pr(>|t|)`,
                       patient_sd = sqrt(v(mixed)[1]), residual_sd = sigma(mixed)),
  truth_and_bias = list(reml = gls_of("REML"), ml = gls_of("ML")),
  negative = list(coef = unname(coef(fn)), se = unname(summary(fn)$tTable[, 2]), sigma = fn$sigma,
                  rho = unname(coef(fn$modelStruct$corStruct, unconstrained = FALSE)), loglik = as.numeric(logLik(fn))),
  icc_missing = list(two_way = v(two), one_way = v(one), loglik = as.numeric(logLik(two)), f_two = sub$`F value`, df1 = sub$Df,
                     df2 = lm(y ~ r + s, na.omit(long))$df.residual, f_one = sub1$`F value`, df2_one = lm(y ~ s, na.omit(long))$df.residual),
  icc_complete = list(icc = icc$ICC, f = icc$F, p = icc$p, lower = icc$`lower bound`, upper = icc$`upper bound`),
  kappa = list(estimate = kappa$kappa, variance = kappa$var.kappa),
  actor_partner = list(a1 = pick("a1"), p1 = pick("p1"), a2 = pick("a2"), p2 = pick("p2"), k1 = pick("k1"), k2 = pick("k2"),
                       covariance = pick("c")[1], chisq = unname(fitMeasures(equal, "chisq")), df = unname(fitMeasures(equal, "df"))))
write_json(out, "agree.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
