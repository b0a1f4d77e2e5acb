"""Preprocessing on several instances: the shards that this host got in, one scaled part out."""

import argparse
import glob
import json
import os

import numpy as np

SHARDS = "/opt/ml/processing/shards"
OUTPUT = "/opt/ml/processing/sharded"
RESOURCE_CONFIG = "/opt/ml/config/resourceconfig.json"  # SageMaker writes it on each host


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", default=SHARDS)
    parser.add_argument("--output", default=OUTPUT)
    parser.add_argument("--resource-config", default=RESOURCE_CONFIG)
    args = parser.parse_args()

    names, images, labels = [], [], []
    for path in sorted(glob.glob(os.path.join(args.shards, "*.npz"))):
        with np.load(path) as shard:
            names.append(os.path.basename(path))
            images.append(np.divide(shard["images"], 255, dtype=np.float32)[..., np.newaxis])
            labels.append(shard["labels"])
    images, labels = np.concatenate(images), np.concatenate(labels)
    os.makedirs(args.output, exist_ok=True)

    with open(args.resource_config) as file:
        host = json.load(file)["current_host"]
    np.savez(os.path.join(args.output, f"part-{host}.npz"), images=images, labels=labels)
    with open(os.path.join(args.output, f"seen-{host}.json"), "w") as file:
        json.dump({"host": host, "files": names, "images": len(labels)}, file)
    print(f"{len(labels)} images from {', '.join(names)}")


if __name__ == "__main__":
    main()
