# Writes type3.json: the space of each type III hypothesis of lmerTest for models on model_matrix.csv (with a group g), as the
# projection L'(LL')^-1 L, and L'L, on which Satterthwaite's df of several rows depend. Left out: a / b, x + x:a, a * b - a, where lmerTest overlooks that a term with a variable coded by
# all its levels contains the other (it compares terms() codes with 1), and so tests at a reference level.
# Rscript type3.R, in this folder.
suppressMessages({library(lmerTest); library(jsonlite)})
d <- read.csv("model_matrix.csv", stringsAsFactors = TRUE)
d$g <- factor(rep(1:5, 4)); d$a <- factor(d$a); d$b <- factor(d$b)
set.seed(1); d$y <- rnorm(20)
formulas <- c("a", "a * x", "a * b", "a + b + x", "x * z", "a * b * x", "a + x:a", "poly(x, 2) * b", "a:b", "0 + a", "0 + a + b", "0 + a * x",
              "a + a:x + z", "(a + b + x)^2")
one <- function(f, contrast) {
  options(contrasts = c(contrast, "contr.poly"))
  m <- suppressMessages(lmer(as.formula(paste("y ~", f, "+ (1 | g)")), d, control = lmerControl(calc.derivs = FALSE)))
  L <- lmerTest:::get_contrasts_type3(m)
  L <- Filter(function(l) length(l) > 0, L)
  list(formula = f, contrasts = sub("contr.", "", contrast), terms = lapply(names(L), function(t) {
    l <- L[[t]]; if (is.null(dim(l))) l <- matrix(l, 1)
    s <- svd(l); r <- sum(s$d > 1e-9); P <- s$v[, 1:r, drop = FALSE] %*% t(s$v[, 1:r, drop = FALSE])
    list(term = t, rank = r, names = I(names(fixef(m))), projection = lapply(seq_len(ncol(P)), function(j) I(P[, j])),
         gram = lapply(seq_len(ncol(l)), function(j) I(crossprod(l)[, j])))}))
}
out <- c(lapply(formulas, one, "contr.treatment"), lapply(c("a * b", "a * x"), one, "contr.sum"), lapply(c("a * b", "a * b * x"), one, "contr.helmert"))
# empty_cell.csv: no row has a = r and b = no.
d <- read.csv("empty_cell.csv", stringsAsFactors = TRUE); d$g <- factor(rep(1:5, 4)); set.seed(1); d$y <- rnorm(20)
empty <- suppressMessages(lapply(c("a * b", "a * b + x", "a * x + a * b", "a:b + x", "x + I(2 * x) + a"), one, "contr.treatment"))
writeLines(toJSON(empty, digits = NA, auto_unbox = TRUE), "type3_empty_cell.json")
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE), "type3.json")
