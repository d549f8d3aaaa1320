"""Device models held against measurements: kernels are measured, read, fitted, written, and held out.

measure.py     Whisper on this machine's GPU, timed
tasks.py       what is timed: phases, kernels, the host's work, as functions
read.py        public tables of measured kernels, as features and seconds
fit.py         kernel constants fitted to them
write.py       all kernels of a GPU fitted, scored on shapes held out, and written into its device file
validation.py  how far predictions are off kernels held out, published GPU runs and LPU figures
here/          this machine without a GPU: its profile, the simulated machine, and both side by side
"""
