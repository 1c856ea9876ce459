# nlme on the work of residual_bench.cpp: CPU seconds of one fit (least of three, the panels once). The argument is the folder of the data.
suppressMessages(library(nlme))
data <- commandArgs(TRUE)[1]
show <- function(name, runs, f) cat(sprintf("%-28s %10.4f s\n", name, min(replicate(runs, { t <- proc.time(); f(); sum((proc.time() - t)[1:2]) }))))
panel <- function(dropout) {
  set.seed(42)
  m <- 1000
  length <- if (dropout) sample(3:17, m, TRUE) else rep(10, m)
  id <- factor(rep(1:m, length)); t <- unlist(lapply(length, seq_len)); session <- t - 5.5
  arm <- rep(rep(0:1, length.out = m), length); x <- rnorm(sum(length))
  e <- unlist(lapply(length, function(n) as.numeric(arima.sim(list(ar = .5), n))))
  data.frame(id, t, session, arm, x, y = 0.1 * session + 0.3 * arm + 0.5 * x + rnorm(m)[id] + rnorm(m, sd = .3)[id] * session + e)
}
for (dropout in c(FALSE, TRUE)) {
  d <- panel(dropout)
  show(paste0("ar1_slope/dropout:", as.integer(dropout)), 1,
       function() lme(y ~ session + arm + x, d, ~ session | id, correlation = corAR1(form = ~ t | id)))
}
a <- read.csv(file.path(data, "alliance", "simulated_panel.csv"), stringsAsFactors = TRUE)
a <- a[!is.na(a$phq9) & !is.na(a$wai_client), ]
a$between <- ave(a$wai_client, a$patient); a$within <- a$wai_client - a$between
model <- phq9 ~ session * within + between + treatment
show("ar1_two_levels", 3, function() lme(model, a, ~ session | patient, correlation = corAR1(form = ~ session | patient)))
show("ar1_three_levels", 3, function() lme(model, a, list(therapist = ~ 1, patient = ~ session), correlation = corAR1(form = ~ session | therapist/patient)))
b <- read.csv(file.path(data, "mixed", "btheb_long.csv"), stringsAsFactors = TRUE)
b <- b[!is.na(b$bdi), ]
b$pos <- match(b$month, sort(unique(b$month)))
show("unstructured", 3, function() gls(bdi ~ bdi_pre + factor(month) * treatment + drug + length, b, corSymm(form = ~ pos | subject), varIdent(form = ~ 1 | pos)))
if (requireNamespace("glmmTMB", quietly = TRUE)) {  # no release here has random effects in dispformula
  d <- panel(FALSE)
  show("scale_fixed", 1, function() glmmTMB::glmmTMB(y ~ session + arm + x + (session | id), d, dispformula = ~ session + arm, REML = TRUE))
}
