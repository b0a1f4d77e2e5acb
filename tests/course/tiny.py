"""Two notebooks of a few lines."""

ONE = """\
# %% [markdown]
# # One

# %% tags=["parameters"]
LOCAL = True
RAW_DATA = "data/raw"

# %%
import os
import sys

print("noise", file=sys.stderr)
print("here:", os.getcwd(), RAW_DATA)

# %% tags=["key-figure"]
print("accuracy 0.987654")
"""

TWO = """\
# %%
1 + 1

# %% tags=["key-figure"]
print("3 files")
"""
