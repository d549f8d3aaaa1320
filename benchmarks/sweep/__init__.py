"""Many experiments as one study: planned into tasks, spread over workers, kept in a store that loses nothing.

grid.py      a sweep file: one experiment with lists in the place of values
tasks.py     what has to be heard for all of them, each call once, cut into independent tasks
worker.py    does a task: the part that runs in processes of this machine, or on a cluster
pool.py      what all workers have in common, wherever they are
schedule.py  hands tasks to workers: tasks that are lost go out again, the last ones twice
local.py     workers on this machine
cluster.py   workers on a Ray cluster
estimate.py  what a sweep will take
run.py       the whole: hear what is missing, then write every run
"""
