"""Results as pages, charts and tables: one HTML file that asks for nothing from outside, and text on the terminal.

page.py        one HTML file: escaped text, tables, charts that Vega draws; assets/: its style and its script
tables/        the figures of records as rows of text, for pages and the terminal alike, and as comma-separated values
charts/        charts of typed rows
explorer.py    any two measures of rows against each other, chosen on the page
render.py      which page shows which results
spans.py       the page of spans, and the sections that other pages share
comparison.py  the page of strategies compared
evaluation.py  the page of one setting in detail
curve.py       the reference curve as a picture and in Markdown
schema.py      the page that describes what a run stores
terminal.py    results on the terminal
"""
