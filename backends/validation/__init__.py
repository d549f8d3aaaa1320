"""Predictions held against published measurements.

gpu          GPUs against end-to-end runs of Whisper, class by class
anchors      these published runs, with their settings and sources
lpu          LPUs against published figures: chip, networks, links
served       many LPU chips against published services
check        one prediction beside its published figure
sensitivity  how much a time depends on the assumptions in device files
"""
