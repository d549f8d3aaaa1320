"""The figures of records as rows of text: the same tables on the terminal and on pages.

table.py       what a table is
cells.py       what its cells say
spans.py       spans, curves, latencies, errors at cuts
strategies.py  strategies compared
evaluation.py  one setting in detail
endpoints.py   how endpoints answered
series.py      the reference curve
figures.py     all figures of records as comma-separated values, and tables in Markdown
"""
