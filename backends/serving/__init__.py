"""Many live streams on one server, call by call.

capacity    how many streams a server carries, and how long a window for a given number
fleet       the cheapest fleet for streams of several tiers
cost        what an hour of audio costs, in dollars and joules
simulate    runs calls through a server and judges the outcome
server      a backend as a server: its stations
station     a queue and the servers that take batches from it
continuous  a station whose batches calls join and leave between decode steps
arrivals    when the calls of live streams arrive
"""
