# Prints the values that residual_test.cpp compares with: nlme 3.1-162 under R 4.2.2, on orthodont.csv (nlme::Orthodont).
suppressMessages(library(nlme)); options(digits=12)
d<-as.data.frame(Orthodont); d$Sex<-factor(as.character(d$Sex),levels=c("Male","Female")); d$pos<-(d$age-8)/2+1
ctl<-lmeControl(msTol=1e-12,tolerance=1e-10,msMaxIter=500,opt="nlminb"); gctl<-glsControl(msTol=1e-12,tolerance=1e-10,msMaxIter=500)
show<-function(m){cat(deparse(m$call$correlation),deparse(m$call$weights),"\n  -2logL",-2*c(logLik(m)),"\n  beta",if(inherits(m,"gls")) coef(m) else fixef(m),"\n  se",sqrt(diag(vcov(m))),"\n  sigma",sigma(m),"\n  struct",coef(m$modelStruct,unconstrained=FALSE),"\n")}
show(gls(distance~age*Sex,d,correlation=corAR1(form=~pos|Subject),method="ML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corCAR1(form=~age|Subject),weights=varPower(form=~age),method="REML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corARMA(form=~pos|Subject,p=1,q=1),method="ML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corExp(form=~age|Subject,nugget=TRUE),method="ML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corSymm(form=~1|Subject),weights=varIdent(form=~1|age),method="REML",control=gctl))
show(lme(distance~age*Sex,d,random=~1|Subject,correlation=corAR1(form=~pos|Subject),weights=varIdent(form=~1|Sex),method="REML",control=ctl))
# Combinations with variance functions, by gls and lme.
show(gls(distance~age*Sex,d,correlation=corAR1(form=~pos|Subject),weights=varComb(varIdent(form=~1|Sex),varPower(form=~age)),method="REML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corARMA(form=~pos|Subject,p=1,q=1),weights=varIdent(form=~1|Sex),method="REML",control=gctl))
show(gls(distance~age*Sex,d,correlation=corExp(form=~age|Subject,nugget=TRUE),weights=varIdent(form=~1|Sex),method="REML",control=gctl))
# AR(3) over four times is any Toeplitz matrix.
show(gls(distance~age*Sex,d,correlation=corARMA(form=~pos|Subject,p=3,q=0),weights=varExp(form=~age),method="REML",control=gctl))
show(lme(distance~age*Sex,d,random=~1|Subject,correlation=corAR1(form=~pos|Subject),weights=varComb(varIdent(form=~1|Sex),varExp(form=~age)),method="REML",control=ctl))
# Constant plus power, on values that residual_variance_test.cpp makes alike.
i<-1:400; x<-0.2+5*((i*0.7548776662466927)%%1); made<-data.frame(x=x,y=3+0.5*x+0.5*(2+x^1.5)*qnorm((i*0.5698402909980532)%%1))
for (method in c("ML","REML")) show(gls(y~x,made,weights=varConstPower(form=~x),method=method,control=gctl))
# Each structure by itself, for the program.
one<-function(...) show(gls(distance~age,d,control=gctl,...))
one(correlation=corAR1(form=~pos|Subject)); one(correlation=corCAR1(form=~age|Subject)); one(correlation=corExp(form=~age|Subject,nugget=TRUE))
one(correlation=corARMA(form=~pos|Subject,p=1,q=1)); one(correlation=corARMA(form=~pos|Subject,p=3,q=0)); one(correlation=corCompSymm(form=~1|Subject))
one(correlation=corSymm(form=~1|Subject),weights=varIdent(form=~1|age)); one(weights=varIdent(form=~1|Sex)); one(weights=varPower(form=~age)); one(weights=varExp(form=~age))
one(correlation=corAR1(form=~pos|Subject),weights=varComb(varIdent(form=~1|Sex),varExp(form=~age)))
