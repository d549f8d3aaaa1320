"""A GPU and LPUs that share one call."""
