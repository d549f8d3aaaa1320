"""Device models held against measurements: kernels are measured, read, fitted, written, and held out.

measure.py     Whisper on this machine's GPU: phases, kernels, and what `host` adds
host.py        the host's work for a call, and how much equal calls scatter
read.py        public tables of measured kernels, as features and seconds
fit.py         kernel constants fitted to them
write.py       all kernels of a GPU fitted, scored on shapes held out, and written into its device file
validation.py  how far predictions are off kernels held out, published GPU runs and LPU figures
"""
