"""Charts of typed rows, as Vega-Lite that altair writes; without colours, which are those of the page's theme.

marks.py       what every chart is made of: axes, colours of series, what a mark says, what is dim
spans.py       spans, rates, and both by load
times.py       latencies, service times, schedules
strategies.py  strategies compared
"""
