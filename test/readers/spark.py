"""Runs recipes of docs/readers.md by Spark. Reads {"endpoint", "jars" or "packages", "ignoreEmptySplits", "recipes":
[{"name", "language", "text"}]} from stdin, and writes one JSON object to stdout in its last line: what each recipe found, as
{"ids"} or {"error"}."""

import json
import os
import sys
import tempfile

from pyspark.sql import SparkSession

asked = json.load(sys.stdin)
work = tempfile.mkdtemp(prefix="readers-spark-")
os.chdir(work)
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
if asked.get("packages"):
    builder = builder.config("spark.jars.packages", asked["packages"])
else:
    builder = builder.config("spark.jars", ",".join(asked["jars"]))
spark = (
    builder.config("spark.hadoop.fs.s3a.endpoint", asked["endpoint"])
    .config("spark.hadoop.fs.s3a.path.style.access", "true")
    .config("spark.hadoop.fs.s3a.connection.ssl.enabled", "false")
    .config("spark.hadoop.fs.s3a.access.key", os.environ["AWS_ACCESS_KEY_ID"])
    .config("spark.hadoop.fs.s3a.secret.key", os.environ["AWS_SECRET_ACCESS_KEY"])
    .config("spark.hadoop.fs.s3a.endpoint.region", "us-east-1")
    .config("spark.hadoop.fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem")
    .config("spark.sql.warehouse.dir", work)
    .config("spark.hadoopRDD.ignoreEmptySplits", asked["ignoreEmptySplits"])
    .config("spark.sql.variable.substitute", "false")
    .enableHiveSupport()
    .getOrCreate()
)
spark.sparkContext.setLogLevel("FATAL")
found = {}
for recipe in asked["recipes"]:
    try:
        names = {"spark": spark}
        if recipe["language"] == "sql":
            spark.sql("DROP TABLE IF EXISTS checkout_lines")
            for statement in recipe["text"].split(";"):
                if statement.strip():
                    names["logs"] = spark.sql(statement)
        else:
            exec(recipe["text"], names)
        logs = names["logs"]
        # Rows of garbage have other columns.
        ids = [row["id"] for row in logs.select("id").collect()] if "id" in logs.columns else [-1] * logs.count()
        found[recipe["name"]] = {"ids": ids}
    except Exception as error:  # the answer is what Spark says
        found[recipe["name"]] = {"error": str(error).strip().splitlines()[0][:300]}
spark.stop()
print(json.dumps({"version": spark.version, "found": found}))
