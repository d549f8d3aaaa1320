"""How many live streams each backend carries at which window and latency, and at what cost: all of it simulated.

settings.py     what is asked
records.py      what is found; read and written
scenario.py     the most streams of each backend under one set of assumptions
claims.py       which kind of backend wins, and what overturns that
study.py        the whole study: SLOs, claims, spans, fleets
words.py        its conclusions in sentences
other_users.py  who else asks: speech synthesis, an agent's nested calls
"""
