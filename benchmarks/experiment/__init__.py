"""The one pipeline: an experiment is planned, its recordings are heard, and every call is stored.

experiment.py  what is to be heard, cut, timed and scored, checked as a whole
presets.py     the experiments behind the commands
planning.py    the span of each backend under each load
source.py      recordings as an experiment hears them: chosen, joined, shortened, with word times
run.py         plan, hear, store
records.py     what a run holds: provenance, plans, references, calls
store.py       records as JSON, written whole or not at all, and read back
progress.py    what long work says while it goes on
"""
