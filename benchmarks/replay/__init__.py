"""A recording of a run played again: its audio, and what each setting had on screen at every moment."""
