"""Recordings as live streams: the virtual clock, service times, and captions in real time."""
