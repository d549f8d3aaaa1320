"""Backends say how long a workload takes: GPUs, LPUs and hybrids as models, other devices by bounds, or your own.

A backend answers two questions, `time(batch)` and `serve(call, streams)`; the planner makes a span of the answers:

    span(get_backend("h100"), DIMENSIONS["large-v3"], streams=16, step_s=0.25)

Nothing here imports torch. An arrow goes only down this list, as `make check` sees to.

    validation/  predictions held against published measurements
    registry     get_backend: backends by name
    span         the planner: the largest window a backend sustains, and what limits it
    schedules    the static schedule of a call on LPUs, to be drawn
    footing      the hardware that a row of results stands on: cards, memory, price, power
    serving/     many live streams on one server: queues, capacity, cost, fleets
    hybrid/      a GPU and LPUs that share each call
    roofline     a device of which only peak and bandwidth are known
    measured/    this machine, measured: profiles, and times between their points
    own          backends that are not part of Earspan, by import path or entry point
    gpu/         a GPU, kernel by kernel, as a runtime drives it
    lpu/         an LPU, cycle by cycle, as its compiler plans it
    host         the work of the host for every call
    scatter      how lengths and times differ from batch to batch
    timing       the protocol `Backend` and the record `Timing`
    devices/     device files: figures with unit, source and basis
    workload/    the operations of one call
    errors       the one error for wrong input
"""
