"""How fast things are: this machine, the engine beside its rivals, the simulations, and batches on devices."""
