"""Looking at a run from outside, while it goes on or later: status, tail, export. Nothing here writes a run directory.

What these modules need at once is light, so that a status is there at once; the rest is imported when it is used.
"""
