"""Tries a learner's scripts, or cells of a notebook, in a job's sandbox, and reports what they did.

`look/trials.py` packs this folder into one file, which Python runs there: `python inside.zip
preprocessing.whole` calls the function `whole` of `preprocessing.py`. The working directory holds
the scripts. The sandbox has no `workshop`: so the modules import each other by `from .`, and
besides only what Python brings, and numpy. TensorFlow is started by the functions that import it;
for all others it is replaced by something that takes every call. What Lab 3 needs beyond the other
labs, its own functions import.

    program      calls the function, and writes the report
    preprocessing, training, resuming, tuning, evaluation, annotations, augmentation, spark,
    handlers     try the scripts that do this
    cells        tries cells of notebooks
    report       what is reported
    files        where the host has things
    scripts      executes a script, with some of its functions replaced
    stand_ins    what takes the place of a package, or of a model
    networks     small networks that tell how often they were trained
"""
