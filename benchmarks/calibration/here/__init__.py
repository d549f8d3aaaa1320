"""This machine without a GPU: measured as a backend, simulated from its pieces, and one held against the other.

profile.py     Whisper's phases on this machine, by batch and length: the profile of the backend `here`
stopwatch.py   where the time of an engine goes
ceilings.py    this machine piece by piece, and the simulated device that follows
validate.py    the same calls simulated and measured
verdict.py     VALID or INVALID, and why
neighbours.py  whether anything else used the processor meanwhile
"""
