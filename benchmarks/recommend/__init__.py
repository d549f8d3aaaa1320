"""Which hardware for which demand: the cheapest servers that keep an SLO and a word error rate.

demand.py   what is asked, checked as a whole
records.py  what is answered
search.py   the search: bounds first, then the simulation of servers
weigh.py    strategy against hardware, for the same streams and latency
words.py    the answer in sentences and tables
"""
