"""Spark job: digits as lines of text in, a table of numbers for training and validation out.

Spark reads and writes S3 by itself, each machine its part. So this script, unlike the others, gets
places in S3, and no folders.
"""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SCHEMA = "image INT, label STRING, pixels STRING"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ROWS, COLUMNS = 28, 28


def ink(pixels, row):
    """Return a column: the mean ink in one row of the image, from 0 to 1.

    pixels: the name of a column of arrays, 784 numbers from 0 to 255; row: 0 to 27
    """
    of_this_row = F.slice(pixels, COLUMNS * row + 1, COLUMNS)
    total = F.aggregate(of_this_row, F.lit(0), lambda so_far, pixel: so_far + pixel)
    return total / (COLUMNS * 255)


def transform(digits):
    """Return a table with the columns image, label (0 to 9) and ink0 ... ink27.

    digits: image (a number), label (a word), pixels (784 numbers in one text, with spaces)
    """
    numbers = {word: str(number) for number, word in enumerate(WORDS)}
    digits = digits.replace(numbers, subset="label")
    digits = digits.withColumn("pixels", F.split("pixels", " ").cast("array<int>"))
    label = F.col("label").cast("int").alias("label")
    features = [ink("pixels", row).alias(f"ink{row}") for row in range(ROWS)]
    return digits.select("image", label, *features)


def split(table):
    """Return two tables, for training and for validation, without the number of the image.

    The number of the image alone decides, however many machines there are.
    """
    validation = F.pmod(F.xxhash64("image"), F.lit(5)) == 0
    return table.where(~validation).drop("image"), table.where(validation).drop("image")


def main():
    # Names and values take turns: s3_input_bucket BUCKET s3_input_key_prefix PREFIX ...
    args = {sys.argv[i]: sys.argv[i + 1] for i in range(1, len(sys.argv), 2)}
    source = f"s3a://{args['s3_input_bucket']}/{args['s3_input_key_prefix']}"
    target = f"s3a://{args['s3_output_bucket']}/{args['s3_output_key_prefix']}"

    spark = SparkSession.builder.appName("digits").getOrCreate()
    digits = spark.read.csv(source, schema=SCHEMA)
    training, validation = split(transform(digits))
    training.write.mode("overwrite").csv(f"{target}/train")
    validation.write.mode("overwrite").csv(f"{target}/validation")
    spark.stop()


if __name__ == "__main__":
    main()
