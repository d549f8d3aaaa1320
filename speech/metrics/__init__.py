"""How right and how late: word errors, intervals, boundary errors, latencies."""
