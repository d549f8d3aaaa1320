"""How long a Groq-style LPU takes: every cycle is planned.

lpu       the backend: chooses a plan, serves streams with it
plan      deals out the layers of a model to stages of chips
passes    the passes of calls through the stages, and how long they take
compile   makes the schedule of each piece of a model, such as a layer
schedule  books the units of a chip, cycle by cycle
chip      the units of a chip, their latencies, and tiles of a matmul
"""
