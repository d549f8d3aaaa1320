"""A GPU and LPUs that share each call.

hybrid  the backend, with three ways to split a call
part    the part of a workload that one of the devices runs
"""
