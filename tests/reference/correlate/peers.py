# Writes peers_python.csv (quantity,value) from simulated.csv: scipy 1.10.1.
import csv
import numpy as np
import scipy.stats as st

rows = list(csv.DictReader(open("simulated.csv")))
column = lambda name: np.array([float(r[name]) for r in rows])
x, y, xt, yt = (column(c) for c in ("x", "y", "xt", "yt"))
out = [("quantity", "value")]
put = lambda quantity, value: out.append((quantity, repr(float(value))))
for name, (a, b) in {"untied": (x, y), "tied": (xt, yt)}.items():
    for rank_name, rank in {"both": True, "order": False, "x": None}.items():
        for additive in (True, False):
            r = rank
            put(f"weighted_tau.{name}.{rank_name}.{'add' if additive else 'multiply'}", st.weightedtau(a, b, rank=r, additive=additive)[0])
d = st.somersd(xt, yt)
put("somers_d", d.statistic)
put("somers_d.p", d.pvalue)
put("somers_d.other", st.somersd(yt, xt).statistic)
put("tau_c", st.kendalltau(xt, yt, variant="c")[0])
# Chatterjee (2021), equation (1) and the version for ties, by definition.
def xi(a, b):
    b = b[np.argsort(a, kind="stable")]
    n = len(b)
    r = np.array([(b <= v).sum() for v in b])
    l = np.array([(b >= v).sum() for v in b])
    return 1 - n * np.abs(np.diff(r)).sum() / (2 * (l * (n - l)).sum())
put("xi.untied", xi(x, y))
put("xi.y_tied", xi(x, yt))
rng = np.random.default_rng(1)
put("xi.x_tied.mean_of_random_breaks", np.mean([xi(xt + 1e-6 * rng.permutation(len(xt)), yt) for _ in range(40000)]))
put("winsorized", np.corrcoef(np.asarray(st.mstats.winsorize(x, (0.2, 0.2))), np.asarray(st.mstats.winsorize(y, (0.2, 0.2))))[0, 1])
# Wilcox (1994): omega is the m-th smallest |x - median|, m = floor((1 - beta) n + .5); psi cuts at 1.
def bent(v, beta):
    centre = np.median(v)
    omega = np.sort(np.abs(v - centre))[int(np.floor((1 - beta) * len(v) + 0.5)) - 1]
    score = (v - centre) / omega
    i1, i2 = (score < -1).sum(), (score > 1).sum()
    phi = (omega * (i2 - i1) + v[np.abs(score) <= 1].sum()) / (len(v) - i1 - i2)
    return np.clip((v - phi) / omega, -1, 1)
for beta in (0.1, 0.2):
    a, b = bent(x, beta), bent(y, beta)
    put(f"percentage_bend.{beta}", (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
# Inversions of all permutations, counted in whole numbers: P(S >= s) at 62 % concordant pairs.
from fractions import Fraction
from itertools import accumulate
from math import factorial
for n in (4, 7, 10, 20, 30, 60, 100, 170):
    counts = [1]
    for k in range(2, n + 1):
        sums = [0] + list(accumulate(counts + [0] * (k - 1)))
        counts = [sums[i + 1] - sums[max(0, i + 1 - k)] for i in range(len(sums) - 1)]
    discordant = n * (n - 1) // 2 - n * (n - 1) * 62 // 200
    put(f"kendall.recurrence.{n}", Fraction(sum(counts[: discordant + 1]), factorial(n)))
csv.writer(open("peers_python.csv", "w"), lineterminator="\n").writerows(out)
