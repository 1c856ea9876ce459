"""Times scipy on the work of bench/correlate_bench.cpp: prints case,peer,CPU milliseconds (the least of several runs)."""
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
import numpy as np
import scipy.stats as st


def clock(case, work, runs=5):
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    print(f"{case},scipy {__import__('scipy').__version__},{1000 * best:.4g}", flush=True)


random = np.random.default_rng(1)
n = 1_000_000
x = random.standard_normal(n)
y = 0.5 * x + random.standard_normal(n)
xt, yt = np.round(2 * x), np.round(2 * y)
clock("kendall_test/1000000", lambda: st.kendalltau(x, y, method="asymptotic"))
with np.errstate(over="ignore"):
    clock("kendall_test_15_values/1000000", lambda: st.kendalltau(xt, yt, method="asymptotic"))
clock("spearman_test/1000000", lambda: st.spearmanr(x, y))
clock("spearman_test_ties/100000", lambda: st.spearmanr(xt[:100_000], yt[:100_000]))
clock("weighted_tau_both/1000000", lambda: st.weightedtau(x, y), 2)
a, b = xt[:10_000].astype(int), yt[:10_000].astype(int)
clock("somers_d_ties/10000", lambda: st.somersd(a, b), 20)
data = random.standard_normal((10_000, 200)) + random.standard_normal((10_000, 1))
clock("spearman_matrix/200", lambda: st.spearmanr(data), 3)
