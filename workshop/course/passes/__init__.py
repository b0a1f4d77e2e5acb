"""Passes: each one takes a notebook and changes one thing of it. `build.py` has their order."""
