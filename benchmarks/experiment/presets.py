"""The experiments behind the commands: each differs from another in settings alone."""

from .experiment import Experiment

GRID_S = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0)  # windows that curves are reported at
_STRATEGY_WINDOWS_S = (2.0, 5.0, 10.0, 20.0, 30.0)
_ALL = ("disjoint", "overlap", "sliding", "prompted", "vad", "alignatt", "sequential", "offline")

# From one live caption stream to services. The first is played: one backend keeps up with no window, one with a short
# one, the others with all. At the last, which is for the model that is heard, timed as itself, backends differ too.
# Steps of 2 s are not of them: errors are heard at a step of 1 s, and 3 s heard every 2 s make 6 points more.
LOADS = ("10x1", "1x0.25", "16x0.25", "1x1", "64x1", "128x1", "3600x1")

# Spans of several backends under these loads, and the word error rate that follows: 3 minutes on two cores.
BENCH = Experiment(
    recordings=4,
    head_s=32.0,
    backends=("t4", "l4", "a100", "h100", "b200", "groq-v1x16"),
    loads=LOADS,
    windows_s={"disjoint": (2.0, 5.0, 10.0, 30.0), "sliding": (2.0, 3.0, 8.0, 20.0, 30.0)},
    time_heard=True,
)

# Every way of cutting live audio, in several windows, on the clock of a backend.
STRATEGIES = Experiment(head_s=60.0, backends=("l4",), play="grid", windows_s=dict.fromkeys(_ALL, _STRATEGY_WINDOWS_S))

# The same on a slow, a middling and a fast backend: a quarter of an hour on two cores.
STUDY = Experiment(
    head_s=32.0, backends=("t4", "l4", "h100"), play="grid", windows_s=dict.fromkeys(_ALL, _STRATEGY_WINDOWS_S)
)

# One backend in one window over whole datasets.
EVALUATE = Experiment(backends=("h100",))

# Word error rate against the window, on infinitely fast hardware.
CURVE = Experiment(windows_s={"offline": GRID_S, "disjoint": GRID_S, "sliding": GRID_S}, step_s=1.0)
