"""Totals of made-up respondents by the manuals' rules: python3 hand_worked.py > hand_worked.csv

The keys below were typed from the published sources a second time, apart from the library's tables, and are scored here
by a few lines that share nothing with it. A minus marks a reversed item. `limit` is how many items may be missing
(total, then each subscale); 0 where the manual has no rule."""
import math

KEYS = {
    # name: (items, low, high, rule of the total, {subscale: (rule, items)}, reversed, missing: (kind, total limit, {subscale: limit}))
    "wai-36": (36, 1, 7, "sum", {"task": "2 4 -7 -11 13 -15 16 18 24 -31 -33 35", "bond": "-1 5 8 17 19 -20 21 23 26 28 -29 36",
                                 "goal": "-3 6 -9 -10 -12 14 22 25 -27 30 32 -34"}, "prorate", 7, 2),
    "wai-s": (12, 1, 7, "sum", {"task": "1 2 8 12", "bond": "3 5 7 9", "goal": "-4 6 -10 11"}, "prorate", 2, 0),
    "wai-sr": (12, 1, 5, "sum", {"task": "1 2 10 12", "goal": "4 6 8 11", "bond": "3 5 7 9"}, "prorate", 2, 0),
    "sai": (6, 0, 5, "sum", {}, "strict", 0, 0),
    "haq-ii": (19, 1, 6, "sum", {"": "-4 -8 -11 -16 -19"}, "strict", 0, 0),
    "haq-i": (11, 1, 6, "sum", {}, "strict", 0, 0),
    "srs": (4, 0, 10, "sum", {}, "strict", 0, 0),
    "gsrs": (4, 0, 10, "sum", {}, "strict", 0, 0),
    "rri-c": (24, 1, 5, "sum", {"genuineness": "1 -3 4 7 10 11 -12 15 17 19 -22 -24", "realism": "2 5 -6 -8 9 13 -14 16 18 20 -21 23"},
              "strict", 0, 0),
    "star-p": (12, 0, 4, "sum", {}, "strict", 0, 0),
    "star-c": (12, 0, 4, "sum", {}, "strict", 0, 0),
    "arm-5": (5, 1, 7, "mean", {"": "-3"}, "strict", 0, 0),
    "tasc-r": (12, 1, 4, "sum", {"": "-2 -5 -7 -8 -11"}, "strict", 0, 0),
    "phq-9": (9, 0, 3, "sum", {}, "strict", 0, 0),
    "gad-7": (7, 0, 3, "sum", {}, "strict", 0, 0),
    "bdi-ii": (21, 0, 3, "sum", {}, "strict", 0, 0),
    "oq-45": (45, 0, 4, "oq", {"interpersonal-relations": "-1 7 16 17 18 19 -20 26 30 -37 -43", "social-role": "4 -12 14 -21 28 32 38 39 44",
                               "symptom-distress": "2 3 5 6 8 9 10 11 -13 15 22 23 -24 25 27 29 -31 33 34 35 36 40 41 42 45"},
              "oq", 0, {"interpersonal-relations": 5, "social-role": 4, "symptom-distress": 12}),
    "core-om": (34, 0, 4, "mean10", {"well-being": "-4 14 17 -31", "problems": "2 5 8 11 13 15 18 20 23 27 28 30",
                                     "functioning": "1 -3 -7 10 -12 -19 -21 25 26 29 -32 33", "risk": "6 9 16 22 24 34"},
                "prorate", 3, {"well-being": 0, "problems": 1, "functioning": 1, "risk": 0}),
    "core-10": (10, 0, 4, "mean10", {"": "-2 -3"}, "prorate", 1, 0),
    "ors": (4, 0, 10, "sum", {}, "strict", 0, 0),
    "scl-90-r": (90, 0, 4, "mean", {"somatization": "1 4 12 27 40 42 48 49 52 53 56 58", "obsessive-compulsive": "3 9 10 28 38 45 46 51 55 65",
                                    "interpersonal-sensitivity": "6 21 34 36 37 41 61 69 73", "depression": "5 14 15 20 22 26 29 30 31 32 54 71 79",
                                    "anxiety": "2 17 23 33 39 57 72 78 80 86", "hostility": "11 24 63 67 74 81",
                                    "phobic-anxiety": "13 25 47 50 70 75 82", "paranoid-ideation": "8 18 43 68 76 83",
                                    "psychoticism": "7 16 35 62 77 84 85 87 88 90"}, "available", 44, "half"),
    "bsi-53": (53, 0, 4, "mean", {"somatization": "2 7 23 29 30 33 37", "obsessive-compulsive": "5 15 26 27 32 36",
                                  "interpersonal-sensitivity": "20 21 22 42", "depression": "9 16 17 18 35 50", "anxiety": "1 12 19 38 45 49",
                                  "hostility": "6 13 40 41 46", "phobic-anxiety": "8 28 31 43 47", "paranoid-ideation": "4 10 24 48 51",
                                  "psychoticism": "3 14 34 44 53"}, "available", 26, "half"),
    "bsi-18": (18, 0, 4, "sum", {"somatization": "1 4 7 10 13 16", "depression": "2 5 8 11 14 17", "anxiety": "3 6 9 12 15 18"}, "strict", 0, 0),
    "k10": (10, 1, 5, "sum", {}, "strict", 0, 0),
    "k10-crufad": (10, 1, 5, "sum", {}, "strict", 0, 0),
    "k6": (6, 0, 4, "sum", {}, "strict", 0, 0),
    "who-5": (5, 0, 5, "sum4", {}, "strict", 0, 0),
    "swls": (5, 1, 7, "sum", {}, "strict", 0, 0),
    "flourishing-scale": (8, 1, 7, "sum", {}, "strict", 0, 0),
    "perma": (23, 0, 10, "mean:1 2 3 5 7 8 9 10 13 15 17 19 20 21 22 23",
              {"accomplishment": "mean 1 5 15", "engagement": "mean 2 10 17", "positive-emotion": "mean 3 13 22", "meaning": "mean 7 9 20",
               "relationships": "mean 8 19 21", "negative-emotion": "mean 4 14 16", "health": "mean 6 12 18", "loneliness": "mean 11",
               "happiness": "mean 23"}, "strict", 0, 0),
    "panas": (20, 1, 5, "none", {"positive-affect": "1 3 5 9 10 12 14 16 17 19", "negative-affect": "2 4 6 7 8 11 13 15 18 20"}, "strict", 0, 0),
    "panas-de": (20, 1, 5, "none", {"positive-affect": "1 3 4 6 10 11 13 15 17 18", "negative-affect": "2 5 7 8 9 12 14 16 19 20"}, "strict", 0, 0),
    "wemwbs": (14, 1, 5, "sum", {}, "strict", 0, 0),
    "mhc-sf": (14, 0, 5, "sum", {"emotional": "1 2 3", "social": "4 5 6 7 8", "psychological": "9 10 11 12 13 14"}, "strict", 0, 0),
    "dass-21": (21, 0, 3, "sum", {"depression": "3 5 10 13 16 17 21", "anxiety": "2 4 7 9 15 19 20", "stress": "1 6 8 11 12 14 18"}, "strict", 0, 0),
    "rses-a": (10, 0, 3, "sum", {"": "-3 -5 -8 -9 -10"}, "strict", 0, 0),
    "rses-b": (10, 0, 3, "sum", {"": "-2 -5 -6 -8 -9"}, "strict", 0, 0),
    "pcl-5": (20, 0, 4, "sum", {"intrusion": "1 2 3 4 5", "avoidance": "6 7", "cognition-and-mood": "8 9 10 11 12 13 14",
                                "arousal": "15 16 17 18 19 20"}, "strict", 0, 0),
    "audit": (10, 0, 4, "sum", {"consumption": "1 2 3", "dependence": "4 5 6", "harm": "7 8 9 10"}, "strict", 0, 0),
    "wsas": (5, 0, 8, "sum", {}, "strict", 0, 0),
    "shs": (4, 1, 7, "mean", {"": "-4"}, "strict", 0, 0),
}


def value(answers, numbers, low, high, rule, missing, limit):
    scored = [None if answers[abs(i) - 1] is None else low + high - answers[-i - 1] if i < 0 else answers[i - 1] for i in numbers]
    present = [x for x in scored if x is not None]
    absent = len(scored) - len(present)
    if absent > (limit if missing != "strict" else 0) or not present:
        return None
    mean = sum(present) / len(present)
    fill = math.floor(mean + 0.5) if missing == "oq" else mean
    whole = sum(present) + absent * fill
    return {"sum": whole, "sum4": 4 * whole, "mean": mean, "mean10": 10 * mean}[rule]


def respondents(key):
    items, low, high, missing = key[0], key[1], key[2], key[5]
    coarse = items == 10 and key[4].get("harm")  # AUDIT 9 and 10: 0, 2, 4
    middle = (low + high) // 2
    signed = [int(i) for text in key[4].values() for i in text.replace("mean", "").split()]
    turned = next((-i for i in signed if i < 0), 1)
    pattern = [low + (i * i + 2 * i + 2) % (high - low + 1) for i in range(items)]
    if coarse:
        pattern[8:] = [2, 4]
    one = [middle] * items
    one[turned - 1] = high
    yield "lowest", [low] * items
    yield "highest", [high] * items
    yield "middle", [middle] * items
    yield "one_item", one
    yield "pattern", pattern
    yield "one_missing", pattern[:-1] + [None]
    if missing != "strict":
        limit = key[6] or 4
        yield "at_limit", [None] * limit + pattern[limit:]
        yield "beyond", [None] * (limit + 1) + pattern[limit + 1:]


def score(key, answers):
    items, low, high, rule, subscales, missing, limit, limits = key
    signs = {abs(int(i)): int(i) for text in subscales.values() for i in text.replace("mean", "").split()}
    everything = [signs.get(i, i) for i in range(1, items + 1)]
    found = {}
    for name, text in subscales.items():
        if not name:
            continue
        own = "mean" if text.startswith("mean") else rule if rule in ("sum", "mean", "mean10") else "sum"
        numbers = [int(i) for i in text.replace("mean", "").split()]
        most = limits[name] if isinstance(limits, dict) else (len(numbers) - 1) // 2 if limits == "half" else limits
        found[name] = value(answers, numbers, low, high, own, missing, most)
    if rule == "none":
        total = None
    elif rule == "oq":
        total = None if None in found.values() else sum(found.values())
    elif rule.startswith("mean:"):
        total = value(answers, [int(i) for i in rule[5:].split()], low, high, "mean", missing, limit)
    else:
        total = value(answers, everything, low, high, rule, missing, limit)
    return total, found


def text(number):
    return "" if number is None else repr(round(number, 12))


print("instrument,respondent,answers,score,value")
for name, key in KEYS.items():
    for who, answers in respondents(key):
        total, subscales = score(key, answers)
        row = " ".join("." if a is None else str(a) for a in answers)
        for label, number in [("total", total), *subscales.items()]:
            print(f"{name},{who},{row},{label},{text(number)}")
