"""What follows from a run: error rates with intervals, latencies, comparisons; pure functions of what was stored.

records.py     the results as records, and how they are written
score.py       a run scored: rows, curves, gains
latency.py     how late words came, and what the boundaries of calls did
comparison.py  strategies compared: fronts, and the best within a latency budget
evaluation.py  one setting in detail: by dataset, speaker and recording
compare.py     whether two runs of the same data really differ
curves.py      the reference curve: word error rate against the window, over many runs
summary.py     results in sentences
wording.py     numbers as readers see them
exports.py     a run in the formats of other tools
"""
