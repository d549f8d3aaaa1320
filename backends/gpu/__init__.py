"""How long a GPU takes.

gpu       the backend: adds up kernels and the host's costs; also a sweep over many workloads at once
features  the operations of a workload as arrays
launches  which operations become kernels
runtimes  the software that drives a GPU, by name: graph, trtllm, vllm, ct2, ...
"""
