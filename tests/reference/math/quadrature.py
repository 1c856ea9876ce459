"""Writes quadrature.csv: the noncentral distributions by quadrature of their definitions with scipy.integrate (tolerance
1e-13): T = (Z + delta) / S, a noncentral chi-squared as a Poisson mixture of central ones, F as a mixture of betas.
The studentized range is scipy.stats.studentized_range (R's ptukey is wrong in the fifth digit on few degrees of freedom)."""
import numpy as np
from scipy import integrate, special, stats

def noncentral_t(x, df, delta):
    def f(s):  # density of S = sqrt(chi2 / df) times P(Z < x s - delta)
        return stats.chi.pdf(s * np.sqrt(df), df) * np.sqrt(df) * special.ndtr(x * s - delta)
    top = stats.chi.isf(1e-18, df) / np.sqrt(df)
    return sum(integrate.quad(f, a, b, epsabs=1e-16, epsrel=1e-13, limit=500)[0]
               for a, b in zip(np.linspace(0, top, 21)[:-1], np.linspace(0, top, 21)[1:]))

def mixture(value, noncentrality):
    j = np.arange(0, 2000)
    return float(np.sum(stats.poisson.pmf(j, noncentrality / 2) * value(j)))

with open("quadrature.csv", "w") as out:
    out.write("name,a,b,c,d,value\n")
    for df in (3, 12.5, 80):
        for delta in (-1.0, 0.5, 4.0):
            for x in (-2.0, 0.5, 3.0, 6.0):
                out.write(f"noncentral_t_cdf,{x},{df},{delta},,{noncentral_t(x, df, delta)!r}\n")
        for lam in (0.5, 10.0, 60.0):
            for x in (1.0, 20.0, 90.0):
                v = mixture(lambda j: stats.chi2.cdf(x, df + 2 * j), lam)
                out.write(f"noncentral_chi_squared_cdf,{x},{df},{lam},,{v!r}\n")
            for x in (0.5, 2.0, 8.0):
                df2 = 15.0
                u = df * x / (df * x + df2)
                v = mixture(lambda j: special.betainc(df / 2 + j, df2 / 2, u), lam)
                out.write(f"noncentral_f_cdf,{x},{df},{df2},{lam},{v!r}\n")
    for groups in (2, 3, 5, 10, 40):
        for df in (2, 5.5, 20, 100, 2000):
            for q in (0.7, 2.0, 3.5, 5.0):
                v = stats.studentized_range.cdf(q, groups, df)
                out.write(f"studentized_range_cdf,{q},{groups},{df},,{v!r}\n")
        for df in (3, 24):
            for p in (0.1, 0.95):
                v = stats.studentized_range.ppf(p, groups, df)
                out.write(f"studentized_range_quantile,{p},{groups},{df},,{v!r}\n")
