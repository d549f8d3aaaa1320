"""How long a GPU takes: kernels, launches, runtimes."""
