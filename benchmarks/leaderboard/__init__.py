"""Rows of results that others can check, a file each, and the page that lists them."""
