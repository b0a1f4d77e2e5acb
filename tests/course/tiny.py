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

#: A ladder for any task.
LADDER = """\
## Rung 1: Which number?

What comes after 2?

## Rung 2: The shape

```python
x = ...
```

## Rung 3: The code

Now you see it.

{{solution}}
"""

#: A notebook and a script with a task each, 1.1 and 1.2.
WITH_TASK = """\
# %% [markdown]
# # One

# %% [markdown] tags=["starter-only"]
# Go on.

# %% tags=["solution-only"]
print("solved")

# %%
# task 1.1 begin
three = 1 + 2
# task 1.1 end

# %% tags=["key-figure"]
print("accuracy 0.987654")
"""
SCRIPT_WITH_TASK = """\
def f():
    # task 1.2 begin
    x = 3
    # task 1.2 end
    return x
"""
