"""Answers of 40 simulated clients to a 12-item questionnaire over 4 sessions: python3 simulate_items.py > ../../../examples/data/simulated_wai_s.csv

No real person answered. One factor (client level .7, session .3), cut to 1 … 7; items 4 and 10 are worded the other way round;
one answer in sixty is missing. `bdi` falls with the alliance."""
import random

random.seed(20240601)
print("patient,session," + ",".join(f"wai_s_{i}" for i in range(1, 13)) + ",bdi")
for patient in range(1, 41):
    level = random.gauss(0, 0.9)
    severity = random.gauss(26, 6)
    for session in range(1, 5):
        state = level + random.gauss(0.15 * session, 0.5)
        answers = []
        for item in range(1, 13):
            value = min(7, max(1, round(4.6 + state + random.gauss(0, 0.8))))
            value = 8 - value if item in (4, 10) else value
            answers.append("" if random.random() < 1 / 60 else str(value))
        severity -= 1.2 + 0.9 * state + random.gauss(0, 1.5)
        print(f"P{patient:02d},{session}," + ",".join(answers) + f",{max(0, round(severity))}")
