"""What other systems said, read from the records that other programs write, as runs that are scored like any other.

A format is a module: it reads a file into streams of answers. `formats` names them, `load` makes a run of a file.
"""
