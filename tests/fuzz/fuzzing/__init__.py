"""Damaged and hostile inputs, run through the command line in a child process of bounded memory, and judged.

`mutations` damages bytes and structures; `kinds` makes cases of them; `server` runs and judges cases. The tests here
run a few of fixed seeds, `benchmarks/fuzz.py` as many as one likes.
"""
