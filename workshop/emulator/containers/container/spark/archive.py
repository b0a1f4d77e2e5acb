"""Makes Spark start quicker: an archive of its classes, which Java maps instead of loading them.

Run once, where Spark is installed. Java's part of a job then takes little more than half the time
(https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html, application class data).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cluster

#: Uses what most jobs use, so that its classes are loaded.
SCRIPT = """
import sys
from pyspark.sql import SparkSession

folder = sys.argv[1]
spark = SparkSession.builder.getOrCreate()
table = spark.createDataFrame([(1, "a"), (2, "b")], ["x", "y"]).repartition(2)
table.write.parquet(f"{folder}/parquet")
table.write.csv(f"{folder}/csv", header=True)
spark.read.parquet(f"{folder}/parquet").groupBy("y").count().orderBy("y").collect()
spark.read.csv(f"{folder}/csv", header=True, inferSchema=True).rdd.map(len).collect()
spark.stop()
"""


def main() -> None:
    """Run a small cluster to see which classes are loaded, and write them to the archive.

    Raises CalledProcessError, or cluster.Stop where there is no Java.
    """
    os.environ.update(cluster.programs())
    options = " ".join(["-Xshare:off", *cluster.JAVA_OPTIONS, "-XX:DumpLoadedClassList="])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "script.py").write_text(SCRIPT)
        settings = {
            "spark.master": "local-cluster[1,1,768]",
            "spark.executor.memory": "768m",
            "spark.executor.extraJavaOptions": f"{options}{place}/executor.classes",
            "spark.ui.enabled": "false",
        }
        words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
        submit = f"{os.environ['SPARK_HOME']}/bin/spark-submit"
        local = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        local["SPARK_SUBMIT_OPTS"] = f"{options}{place}/driver.classes"
        command = [submit, *words, str(place / "script.py"), folder]
        subprocess.run(command, env=os.environ | local, cwd=folder, check=True)

        lists = [(place / f"{name}.classes").read_text() for name in ("driver", "executor")]
        (place / "classes").write_text("\n".join(sorted(set("\n".join(lists).splitlines()))))
        java = [f"{os.environ['JAVA_HOME']}/bin/java", "-cp", cluster.classes()]
        made = cluster.archive().with_suffix(".incoming")
        dump = [f"-XX:SharedClassListFile={place}/classes", f"-XX:SharedArchiveFile={made}"]
        subprocess.run(
            [*java, "-XX:+UseSerialGC", "-Xlog:disable", "-Xshare:dump", *dump], check=True
        )
        made.replace(cluster.archive())


if __name__ == "__main__":
    main()
