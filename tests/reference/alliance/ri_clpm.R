# The random-intercept cross-lagged panel model of alliance (x) and symptoms (y) by lavaan:
#   Rscript ri_clpm.R simulated_panel.csv free|equal
suppressMessages(library(lavaan))
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1])
equal <- arguments[2] == "equal"
waves <- 1:5
patients <- unique(data$patient)
wide <- data.frame(id = patients)
for (t in waves) {
  at <- data[data$session == t, ]
  wide[[paste0("x", t)]] <- at$wai_client[match(patients, at$patient)]
  wide[[paste0("y", t)]] <- at$phq9[match(patients, at$patient)]
}
x <- paste0("x", waves)
y <- paste0("y", waves)
model <- c(paste("kx =~", paste0("1*", x, collapse = " + ")), paste("ky =~", paste0("1*", y, collapse = " + ")),
           paste0("w", c(x, y), " =~ 1*", c(x, y)), paste0(c(x, y), " ~~ 0*", c(x, y)), "kx ~~ kx + ky", "ky ~~ ky",
           paste0("w", c(x, y), " ~~ w", c(x, y)), paste0("w", x, " ~~ w", y), paste0(c(x, y), " ~ 1"))
label <- if (equal) c("a*", "b*", "c*", "d*") else rep("", 4)
for (t in waves[-1])
  model <- c(model, paste0("wx", t, " ~ ", label[1], "wx", t - 1, " + ", label[2], "wy", t - 1),
             paste0("wy", t, " ~ ", label[3], "wx", t - 1, " + ", label[4], "wy", t - 1))
fit <- lavaan(paste(model, collapse = "\n"), data = wide, missing = "fiml")
print(fitMeasures(fit), digits = 15)
print(parameterEstimates(fit), digits = 15)
print(standardizedSolution(fit), digits = 15)
