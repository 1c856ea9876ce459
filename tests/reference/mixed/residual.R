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
