# Writes peers_r.csv (quantity,value) from simulated.csv: R 4.2.2, psych 2.2.9, polycor 0.8.1, Hmisc.
suppressMessages({library(psych); library(polycor)})
d <- read.csv("simulated.csv", na.strings = "")
out <- data.frame(quantity = character(), value = character())
put <- function(quantity, value) out[nrow(out) + 1, ] <<- list(quantity, sprintf("%.17g", value))
put_test <- function(name, t, df = TRUE) {
  put(paste0(name, ".estimate"), t$estimate); put(paste0(name, ".p"), t$p.value)
  if (!is.null(t$conf.int)) { put(paste0(name, ".lower"), t$conf.int[1]); put(paste0(name, ".upper"), t$conf.int[2]) }
  if (df) put(paste0(name, ".statistic"), t$statistic)
}
small <- d[1:8, ]; nine <- d[1:9, ]; forty <- d[1:40, ]
for (side in c("two.sided", "less", "greater")) {
  put_test(paste0("pearson.", side), cor.test(d$x, d$y, alternative = side, conf.level = 0.9))
  put_test(paste0("spearman.t.", side), cor.test(d$xt, d$yt, method = "spearman", exact = FALSE, alternative = side), FALSE)
  put_test(paste0("spearman.exact9.", side), cor.test(nine$x, nine$y, method = "spearman", exact = TRUE, alternative = side), FALSE)
  put_test(paste0("kendall.z.", side), cor.test(d$xt, d$yt, method = "kendall", exact = FALSE, alternative = side))
  put_test(paste0("kendall.z.continuity.", side),
           cor.test(d$xt, d$yt, method = "kendall", exact = FALSE, continuity = TRUE, alternative = side))
  put_test(paste0("kendall.exact40.", side), cor.test(forty$x, forty$y, method = "kendall", exact = TRUE, alternative = side), FALSE)
  a <- d$yt[d$group == "a"]; b <- d$yt[d$group == "b"]
  put(paste0("wilcoxon.z.p.", side), wilcox.test(a, b, exact = FALSE, correct = FALSE, alternative = side)$p.value)
  put(paste0("wilcoxon.zc.p.", side), wilcox.test(a, b, exact = FALSE, correct = TRUE, alternative = side)$p.value)
  put(paste0("wilcoxon.exact.p.", side),
      wilcox.test(forty$y[forty$group == "a"], forty$y[forty$group == "b"], exact = TRUE, alternative = side)$p.value)
  put(paste0("signed.z.p.", side), wilcox.test(d$xt, d$yt, paired = TRUE, exact = FALSE, correct = FALSE, alternative = side)$p.value)
  put(paste0("signed.exact.p.", side), wilcox.test(forty$x, forty$y, paired = TRUE, exact = TRUE, alternative = side)$p.value)
}
put("wilcoxon.u", unname(wilcox.test(a, b, exact = FALSE)$statistic))
put("signed.v", unname(wilcox.test(d$xt, d$yt, paired = TRUE, exact = FALSE)$statistic))
put("pearson.missing", cor(d$xm, d$ym, use = "complete.obs"))
r1 <- function(a, b) cor(a, b)
put("partial.both", r1(resid(lm(x ~ z, d)), resid(lm(y ~ z, d))))
put("partial.y", r1(d$x, resid(lm(y ~ z, d)))); put("partial.x", r1(resid(lm(x ~ z, d)), d$y))
ranks <- data.frame(x = rank(d$xt), y = rank(d$yt), z = rank(d$z))
put("partial.spearman", r1(resid(lm(x ~ z, ranks)), resid(lm(y ~ z, ranks))))
k <- cor(d[c("xt", "yt", "z")], method = "kendall"); i <- solve(k)
put("partial.kendall", -i[1, 2] / sqrt(i[1, 1] * i[2, 2]))
put("partial.p", summary(lm(y ~ x + z, d))$coefficients["x", "Pr(>|t|)"])
p <- polychor(d$xt, d$yt, ML = FALSE, std.err = TRUE)
put("polychoric.two_step", p$rho); put("polychoric.two_step.se", sqrt(p$var[1, 1]))
p <- polychor(d$xt, d$yt, ML = TRUE, std.err = TRUE, control = list(reltol = 1e-15, maxit = 10000))
put("polychoric.ml", p$rho); put("polychoric.ml.se", sqrt(p$var[1, 1]))
p <- polyserial(d$x, d$yt, ML = TRUE, std.err = TRUE, control = list(reltol = 1e-15, maxit = 10000))
put("polyserial.ml", p$rho); put("polyserial.ml.se", sqrt(p$var[1, 1]))
w <- statsBy(d[c("id", "x", "y")], "id")
put("within", w$rwg["x.wg", "y.wg"]); put("between", w$rbg["x.bg", "y.bg"]); put("icc.x", w$ICC1["x"])
m <- lm(y ~ factor(id) + x, d); a <- anova(m)
put("rm.r", sign(coef(m)["x"]) * sqrt(a["x", "Sum Sq"] / (a["x", "Sum Sq"] + a["Residuals", "Sum Sq"])))
put("rm.slope", coef(m)["x"]); put("rm.p", a["x", "Pr(>F)"])
h <- Hmisc::hoeffd(d$x, d$y); put("hoeffding", h$D[1, 2]); h <- Hmisc::hoeffd(d$xt, d$yt); put("hoeffding.ties", h$D[1, 2])
c5 <- corr.test(d[c("x", "y", "z", "xt", "yt")], adjust = "holm")
put("matrix.holm.x.yt", c5$p["x", "yt"]); put("matrix.p.x.yt", c5$p["yt", "x"])
v <- suppressWarnings(chisq.test(d$xt, d$yt, correct = FALSE)); put("chisq", v$statistic); put("chisq.p", v$p.value)
put("weighted.pearson", cov.wt(d[c("x", "y")], d$weight, cor = TRUE)$cor[1, 2])
e <- d[rep(seq_len(nrow(d)), d$weight), ]
put_test("expanded.spearman", cor.test(e$xt, e$yt, method = "spearman", exact = FALSE), FALSE)
put_test("expanded.kendall", cor.test(e$xt, e$yt, method = "kendall", exact = FALSE))
st <- r.test(n = 60, r12 = cor(d$y, d$x), r13 = cor(d$y, d$z), r23 = cor(d$x, d$z)); put("williams.t", st$t); put("williams.p", st$p)
write.csv(out, "peers_r.csv", row.names = FALSE, quote = FALSE)
