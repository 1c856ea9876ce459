# Reference values for meta-analysis: metafor 3.8.1 under R 4.2.2, iterative estimators run to 1e-12.
# Writes metafor.csv (key, value) and the simulated data sets; run in this folder.
suppressMessages(library(metafor))
tight <- list(threshold = 1e-13, maxiter = 100000)
out <- data.frame(key = character(), value = character())
put <- function(key, values) {
  values <- as.numeric(values)
  keys <- if (length(values) == 1) key else paste0(key, "[", seq_along(values) - 1, "]")
  out <<- rbind(out, data.frame(key = keys, value = formatC(values, digits = 17, format = "g")))
}
fit <- function(key, res) {
  put(paste0(key, ".b"), res$beta); put(paste0(key, ".se"), res$se); put(paste0(key, ".stat"), res$zval)
  put(paste0(key, ".p"), res$pval); put(paste0(key, ".lower"), res$ci.lb); put(paste0(key, ".upper"), res$ci.ub)
  put(paste0(key, ".loglik"), as.numeric(logLik(res)))
  put(paste0(key, ".q"), res$QE)
  if (!is.null(res$tau2) && inherits(res, "rma.uni")) {
    put(paste0(key, ".tau2"), res$tau2); put(paste0(key, ".i2"), res$I2); put(paste0(key, ".h2"), res$H2)
  }
  put(paste0(key, ".qm"), res$QM); put(paste0(key, ".qmp"), res$QMp)
}
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = read.csv("bcg.csv"))
molloy <- escalc("ZCOR", ri = ri, ni = ni, data = read.csv("molloy2014.csv"))
for (name in c("bcg", "molloy")) {
  d <- get(name)
  for (method in c("REML", "ML", "DL", "PM", "SJ", "HS", "HE", "EB", "FE"))
    for (test in c("z", "knha")) {
      key <- paste(name, method, test, sep = ".")
      control <- if (method == "PM") list(tol = 1e-13, maxiter = 1e5) else if (method %in% c("REML", "ML", "EB")) tight else list()
      res <- rma(yi, vi, data = d, method = method, test = test, control = control)
      fit(key, res)
      if (method != "FE") { p <- predict(res); put(paste0(key, ".pi"), c(p$pi.lb, p$pi.ub)) }
      if (method %in% c("REML", "ML")) put(paste0(key, ".se_tau2"), res$se.tau2)
    }
  res <- rma(yi, vi, data = d, control = tight)
  put(paste0(name, ".qprofile"), confint(res, control = list(tol = 1e-14))$random["tau^2", 2:3])
  ml <- rma(yi, vi, data = d, method = "ML", control = tight)
  put(paste0(name, ".profile"), confint(ml, type = "PL", control = list(tol = 1e-12))$random["tau^2", 2:3])
  put(paste0(name, ".qprofile90"), confint(res, level = 90, control = list(tol = 1e-14))$random["tau^2", 2:3])
  b <- blup(res); put(paste0(name, ".blup"), b$pred); put(paste0(name, ".blup_se"), b$se)
  i <- influence(res)
  put(paste0(name, ".rstudent"), i$inf$rstudent); put(paste0(name, ".dffits"), i$inf$dffits)
  put(paste0(name, ".cook"), i$inf$cook.d); put(paste0(name, ".hat"), i$inf$hat); put(paste0(name, ".weight"), i$inf$weight)
  l <- leave1out(res); put(paste0(name, ".l1o"), l$estimate); put(paste0(name, ".l1o_se"), l$se)
  put(paste0(name, ".l1o_tau2"), l$tau2); put(paste0(name, ".l1o_q"), l$Q); put(paste0(name, ".l1o_p"), l$pval)
  e <- regtest(yi, vi, data = d, model = "lm"); put(paste0(name, ".egger"), c(e$zval, e$pval, e$est))
  r <- regtest(res); put(paste0(name, ".regtest"), c(r$zval, r$pval, r$est))
  k <- ranktest(res); put(paste0(name, ".ranktest"), c(k$tau, k$pval))
  t <- trimfill(res); put(paste0(name, ".trimfill"), c(t$k0, t$side == "right"))
  t <- rma(t$yi, t$vi, control = tight); put(paste0(name, ".trimfill_fit"), c(t$beta, t$se, t$tau2))
  t <- trimfill(rma(yi, vi, data = d, method = "FE"))
  put(paste0(name, ".trimfill_fe"), c(t$k0, t$side == "right", t$beta, t$se))
  put(paste0(name, ".fsn"), fsn(d$yi, d$vi)$fsnum)
  w <- lm(yi ~ sqrt(vi), weights = 1 / vi, data = d); put(paste0(name, ".pet"), summary(w)$coefficients[1, ])
  w <- lm(yi ~ vi, weights = 1 / vi, data = d); put(paste0(name, ".peese"), summary(w)$coefficients[1, ])
}
s <- selmodel(rma(yi, vi, data = molloy, method = "ML", control = tight), type = "stepfun", steps = 0.025,
              control = list(optimizer = "BFGS", reltol = 1e-14, maxit = 5000))
put("molloy.selection", c(s$beta, s$se, s$tau2, s$delta[2], s$se.delta[2], s$LRT, s$LRTp, logLik(s)))
for (method in c("REML", "ML", "SJ", "HS", "HE", "EB", "DL", "PM"))
  fit(paste0("bcg.mods.", method), rma(yi, vi, mods = ~ ablat + year, data = bcg, method = method,
    control = if (method %in% c("REML", "ML", "EB")) tight else if (method == "PM") list(tol = 1e-13, maxiter = 1e5) else list()))
res <- rma(yi, vi, mods = ~ ablat + alloc, data = bcg, control = tight, test = "knha")
fit("bcg.factor", res)
put("bcg.factor.ablat", anova(res, btt = 2)$QM); put("bcg.factor.alloc", c(anova(res, btt = 3:4)$QM, anova(res, btt = 3:4)$QMp))
res2 <- rma(yi, vi, mods = ~ alloc * ablat + splines::ns(year, 2), data = bcg, control = tight)
put("bcg.terms.q", res2$QE); put("bcg.terms.qm", res2$QM)
p <- predict(res, newmods = c(40, 1, 0)); put("bcg.factor.predict", c(p$pred, p$se, p$ci.lb, p$ci.ub, p$pi.lb, p$pi.ub))
for (method in c("REML", "ML")) {
  res <- rma(yi, vi, scale = ~ ablat, data = bcg, method = method, control = list(optimizer = "BFGS", reltol = 1e-14, maxit = 5000))
  put(paste0("bcg.scale.", method), c(res$beta, res$se, res$alpha, res$se.alpha, logLik(res)))
  res <- rma(yi, vi, mods = ~ ablat, scale = ~ year, data = bcg, method = method, control = list(optimizer = "BFGS", reltol = 1e-14, maxit = 5000))
  put(paste0("bcg.scale2.", method), c(res$beta, res$se, res$alpha, res$se.alpha, logLik(res)))
}
assink <- read.csv("assink2016.csv")
polished <- list(optimizer = "BFGS", reltol = 1e-14, maxit = 5000)
res <- rma.mv(yi, vi, random = ~ 1 | study / esid, data = assink, control = polished)
ci <- confint(res, control = list(tol = 1e-12)); put("assink.profile", sapply(1:2, function(i) ci[[i]]$random[1, 2:3]))
b <- ranef(res); put("assink.loglik", logLik(res))
u <- b[["study"]]; put("assink.study_blup", u$intrcpt)
res <- rma.mv(yi, vi, mods = ~ deltype + year, random = ~ 1 | study / esid, data = assink, test = "t", control = polished)
fit("assink.mods", res); put("assink.mods.sigma2", res$sigma2)
V <- vcalc(vi, cluster = study, obs = esid, rho = 0.6, data = assink)
res <- rma.mv(yi, V, random = ~ 1 | study / esid, data = assink, control = polished)
fit("assink.correlated", res); put("assink.correlated.sigma2", res$sigma2)

set.seed(20); n <- 40                                   # two outcomes, 10 studies with one of them
T <- matrix(c(.09, .05, .05, .06), 2); rows <- list()
for (i in 1:n) {
  v <- runif(2, .01, .06); S <- matrix(c(v[1], .5 * sqrt(prod(v)), .5 * sqrt(prod(v)), v[2]), 2)
  y <- c(.3, .45) + drop(t(chol(T + S)) %*% rnorm(2))
  keep <- if (i <= 30) 1:2 else if (i <= 35) 1 else 2
  rows[[i]] <- data.frame(study = i, outcome = c("alliance", "symptoms")[keep], yi = round(y[keep], 4), vi = round(v[keep], 4))
}
two <- do.call(rbind, rows); write.csv(two, "two_outcomes.csv", row.names = FALSE, quote = FALSE)
V <- vcalc(vi, cluster = study, type = outcome, rho = 0.5, data = two)
for (method in c("REML", "ML")) for (struct in c("UN", "DIAG")) {
  res <- rma.mv(yi, V, mods = ~ 0 + outcome, random = ~ outcome | study, struct = struct, data = two, method = method, control = polished)
  put(paste("two", method, struct, sep = "."), c(res$beta, res$se, res$tau2, res$rho[1], logLik(res), res$QE))
}
e <- function(key, x) put(key, c(x$yi, x$vi))
e("es.ucor", escalc("UCOR", ri = .45, ni = 23)); e("es.cor", escalc("COR", ri = .45, ni = 23)); e("es.zcor", escalc("ZCOR", ri = .45, ni = 23))
e("es.smd", escalc("SMD", m1i = 10.2, sd1i = 3.1, n1i = 24, m2i = 8.4, sd2i = 2.7, n2i = 31))
e("es.smcr", escalc("SMCR", m1i = 8, m2i = 11.5, sd1i = 4.2, ni = 37, ri = .6))
e("es.or", escalc("OR", ai = 12, bi = 20, ci = 7, di = 30)); e("es.or0", escalc("OR", ai = 0, bi = 20, ci = 7, di = 30))
e("es.plo", escalc("PLO", xi = 8, ni = 33))
R <- matrix(c(1, .4, .3, .2, .4, 1, .5, .25, .3, .5, 1, .35, .2, .25, .35, 1), 4)
put("rcalc.z", t(rcalc(R, ni = 60)$V)); put("rcalc.r", t(rcalc(R, ni = 60, rtoz = FALSE)$V))
z <- rcalc(R, ni = 60, rtoz = TRUE); put("rcalc.rtoz", t(z$V))
write.csv(out, "metafor.csv", row.names = FALSE, quote = FALSE)
