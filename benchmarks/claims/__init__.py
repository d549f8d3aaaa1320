"""The claims of the interview that this project starts from, each held against the models and the measured curve.

records.py   a claim's finding: cases, figures, verdict
ground.py    what claims are held against, and how far its models may be off
hearing.py   1, 2: spans, windows and word errors
speeds.py    3, 13: speed factors, kinds of operations
prices.py    4, 9, 10, 14: what an hour of audio costs at each latency
queues.py    5, 6: batches, waiting, jitter
decoders.py  7, 8, 12: decoders that do not exist
splits.py    11: projections on LPUs, attention on the GPU
demand.py    15, 16: demand that grows
check.py     all sixteen
page.py      findings as a table, in full, and as a page
"""
