"""The script that makes features with Spark."""

import os
import sys

from .files import PLACE
from .report import REPORT, simple
from .scripts import execute


def transform():
    """Call transform in a Spark of one process, as small as it can be."""
    sys.path.insert(1, os.environ["SPARK_FILES"])
    import cluster

    os.environ.update(cluster.environment("localhost"))
    script = execute("preprocess.py", "preprocess")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]")
    for name, value in cluster.DEFAULTS.items():
        builder = builder.config(name, value)
    spark = builder.config("spark.sql.codegen.factoryMode", "NO_CODEGEN").getOrCreate()
    digits = spark.read.csv(f"{PLACE}/digits.csv", schema=script.SCHEMA)
    table = script.transform(digits)
    REPORT["columns"] = simple(getattr(table, "dtypes", None))
    REPORT["returned"] = type(table).__name__
    if REPORT["columns"] and callable(getattr(table, "collect", None)):
        REPORT["rows"] = simple([list(row) for row in table.collect()])
