# Three versions of alliance/simulated_panel.csv, a model fitted to each by lme4 1.1-31 and pooled
# by mitml 0.4-4. Writes pooled.csv.
suppressMessages({library(lme4); library(mitml)})
d <- read.csv("../alliance/simulated_panel.csv")
row <- seq_len(nrow(d)) - 1
data <- lapply(1:3, function(i) { d$phq9 <- d$phq9 + ifelse(row %% 4 == 0, ((row * i) %% 7 - 3) * 1.5, 0); d$left <- as.integer((d$dropped + (row %% (40 + i) == 0)) > 0); d })
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))
fit <- function(f) lapply(data, function(x) eval(bquote(lmer(.(f), .(x), REML = TRUE, control = control))))
large <- fit(phq9 ~ session * treatment + wai_client + (1 + session | patient))
small <- fit(phq9 ~ session + wai_client + (1 + session | patient))
out <- data.frame()
add <- function(quantity, value) out <<- rbind(out, data.frame(quantity, value = trimws(formatC(value, digits = 12, format = "g"))))
e <- testEstimates(large, extra.pars = TRUE)
for (k in seq_len(nrow(e$estimates))) for (j in colnames(e$estimates)) add(paste(rownames(e$estimates)[k], j), e$estimates[k, j])
for (k in rownames(e$extra.pars)) add(k, e$extra.pars[k, 1])
D1 <- testModels(large, small, method = "D1")$test
D3 <- testModels(large, small, method = "D3")$test
for (j in 1:5) { add(paste("D1", j), D1[j]); add(paste("D3", j), D3[j]) }
g <- lapply(data, function(x) glm(left ~ session + treatment, binomial, x, control = glm.control(epsilon = 1e-14)))
g0 <- lapply(data, function(x) glm(left ~ 1, binomial, x))
e <- testEstimates(g)$estimates
for (k in 1:3) for (j in colnames(e)) add(paste("glm", rownames(e)[k], j), e[k, j])
D2 <- testModels(g, g0, method = "D2", use = "likelihood")$test
for (j in 1:5) add(paste("glm D2", j), D2[j])
write.csv(out, "pooled.csv", row.names = FALSE, quote = FALSE)
