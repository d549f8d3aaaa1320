"""Results as pages, charts and tables: one HTML file that asks for nothing from outside, and text on the terminal.

page.py        one HTML file: escaped text, tables, charts that Vega draws
tables.py      the figures of records as rows of text, for pages and the terminal alike
charts.py      charts of typed rows
render.py      which page shows which results
spans.py       the page of spans, and the sections that other pages share
comparison.py  the page of strategies compared
evaluation.py  the page of one setting in detail
capacity.py    the page of what demand costs; capacity_tables.py: its tables
curve.py       the reference curve as a picture and in Markdown
series.py      the reference curve in words
terminal.py    results on the terminal
"""
