"""Device models held against measurements: kernels are measured, read, fitted, written, and held out.

measure.py     Whisper on this machine's GPU, timed
tasks.py       what is timed: phases, kernels, the host's work, as functions
read.py        public tables of measured kernels, as features and seconds
fit.py         kernel constants fitted to them
here.py        Whisper's phases on this machine, by batch and length: the profile of the backend `here`
stopwatch.py   where the time of an engine goes
ceilings.py    this machine piece by piece, and the simulated device that follows
validate_here.py  the same calls simulated and measured
verdict.py     VALID or INVALID, and why
neighbours.py  whether anything else used the processor meanwhile
write.py       all kernels of a GPU fitted, scored on shapes held out, and written into its device file
validation.py  how far predictions are off kernels held out, published GPU runs and LPU figures
"""
