"""Models held against published measurements."""
