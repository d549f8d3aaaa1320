"""Live streams on real servers, at the pace of speech: how late words come, and how many streams a server carries.

settings.py what is measured, checked as a whole
records.py  what is stored of it, and what follows
sessions.py streams to the server
search.py   which numbers of streams to try, to find the most that keep an SLO
measure.py  the measurement, load by load, resumable
score.py    measures of one load
beside.py   simulated servers under the same load
words.py    tables and sentences
page.py     the page, with the measured curve beside the simulated ones
"""
