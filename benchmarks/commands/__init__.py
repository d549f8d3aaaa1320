"""The commands: each turns what was typed into a call, and prints what comes back. `cli.py` knows them all.

experiments.py  bench, strategies, study, evaluate, curve
runs.py         score, compare, report
live.py         live
capacity.py     capacity
planning.py     time, devices
datasets.py     datasets
models.py       weights, convert, cache
speed.py        speed
calibrate.py    calibrate
options.py      options that several share
progress.py     progress on a terminal
"""
