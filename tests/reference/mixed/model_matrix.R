# Writes model_matrix.json: the model matrices of R's stats::model.matrix and splines::ns for model_matrix.csv.
# Rscript model_matrix.R, in this folder.
library(jsonlite)
library(splines)
d <- read.csv("model_matrix.csv", stringsAsFactors = TRUE)
cases <- c(
  "~ x", "~ a", "~ 0 + a", "~ a - 1", "~ a + x", "~ a * x", "~ a:x", "~ x + a:x", "~ 0 + a:x", "~ a * b", "~ a:b", "~ a + a:b",
  "~ a / b", "~ 0 + a * b", "~ b:a + a", "~ x * a - x", "~ (a + b + x)^2", "~ a * b * x", "~ a * b - a", "~ x + z + x:z",
  "~ I(x^2)", "~ log(z)", "~ poly(x, 2)", "~ poly(x, 3) * a", "~ poly(z, 2, raw = TRUE)", "~ ns(x, df = 3)", "~ ns(z, 4)", "~ ns(x, df = 1)", "~ ns(z, df = 2):a",
  "~ factor(k)", "~ factor(k) * x", "~ scale(x) + z", "~ I(x - 2 * z) + a", "~ (x + z) * a - a:z", "~ a:b:x", "~ a + b:x", "~ 1", "~ I(x > 0) + b")
cases <- cases[!grepl("x > 0", cases)]
one <- function(f, contrast) {
  options(contrasts = c(contrast, "contr.poly"))
  m <- model.matrix(as.formula(f), d)
  list(formula = f, contrasts = sub("contr.", "", contrast), names = I(colnames(m)), columns = lapply(seq_len(ncol(m)), function(j) I(unname(m[, j]))))
}
out <- c(lapply(cases, one, "contr.treatment"),
         lapply(c("~ a", "~ a * x", "~ a * b", "~ 0 + a"), one, "contr.sum"),
         lapply(c("~ a", "~ a * b"), one, "contr.helmert"),
         lapply(c("~ k5", "~ a * x"), one, "contr.poly"))
new <- data.frame(x = c(-4, -0.3, 5), z = c(0.01, 2, 9))
fit_new <- function(f) {
  terms_of <- terms(model.frame(as.formula(f), d))
  m <- model.matrix(terms_of, model.frame(terms_of, new))
  list(formula = f, names = I(colnames(m)), columns = lapply(seq_len(ncol(m)), function(j) I(unname(m[, j]))))
}
writeLines(toJSON(list(cases = out, new = lapply(c("~ poly(x, 3)", "~ ns(x, df = 3)", "~ ns(z, 4)", "~ scale(x)"), fit_new)),
                  digits = NA, auto_unbox = TRUE), "model_matrix.json")
