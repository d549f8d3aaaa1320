"""Which hardware for which demand: the cheapest servers that keep an SLO and a word error rate.

demand.py   what is asked, checked as a whole
accuracy.py word error rate by strategy and window, as a run or the reference curve has measured it
records.py  what is answered
search.py   the search: bounds first, then the simulation of servers
words.py    the answer in sentences and tables
"""
