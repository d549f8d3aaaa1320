"""Which hardware for which demand: the cheapest servers that keep an SLO and a word error rate.

demand.py   what is asked, checked as a whole
records.py  what is answered
answer.py   a demand is answered
search.py   the search: bounds first, then the simulation of servers
settle.py   whether the first choice stays the first with the models off, and over every range of prices
change.py   what would change it: prices, streams, latency, errors
refuse.py   why there is no answer, and the nearest demand that has one
summary.py  the answer in sentences and tables
page.py     the page of it
weigh.py    strategy against hardware, for the same streams and latency
words.py    that in sentences and tables
"""
