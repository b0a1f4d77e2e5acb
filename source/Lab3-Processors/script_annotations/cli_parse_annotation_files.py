"""Processing job: frames and a Pascal VOC file for each of them in, one COCO file out.

    python3 cli_parse_annotation_files.py
        --images_dir DIR --annotations_dir DIR --annotation_out FILE.json

COCO's layout: https://cocodataset.org/#format-data
"""

# task 8.2 begin
import sys

sys.path.insert(0, "/opt/ml/processing/code_dependencies")
# task 8.2 end

import argparse
import glob
import json
import os

import voc


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images_dir", required=True)
    parser.add_argument("--annotations_dir", required=True)
    parser.add_argument("--annotation_out", required=True)
    args = parser.parse_args()

    frames = read_frames(args.images_dir, args.annotations_dir)
    coco = to_coco(frames)
    os.makedirs(os.path.dirname(args.annotation_out) or ".", exist_ok=True)
    with open(args.annotation_out, "w") as file:
        json.dump(coco, file, indent=1)
    print(f"{len(coco['images'])} frames, {len(coco['annotations'])} boxes: {args.annotation_out}")


def read_frames(images_dir, annotations_dir):
    """Return what voc.read says of each annotation file, in the order of their names.

    Raises FileNotFoundError when there is none, or when the image of one is missing.
    """
    paths = sorted(glob.glob(os.path.join(annotations_dir, "*.xml")))
    if not paths:
        raise FileNotFoundError(f"There is no .xml file in {annotations_dir}.")
    frames = []
    for path in paths:
        frame = voc.read(path)
        image = os.path.join(images_dir, frame["filename"])
        if not os.path.isfile(image):
            raise FileNotFoundError(f"{path} is about {image}, which is not there.")
        frames.append(frame)
    return frames


def to_coco(frames):
    """Return all frames as one COCO data set: a dict with three lists of dicts.

    images       id, file_name, width, height
    categories   id, name
    annotations  id, image_id, category_id, bbox, area, iscrowd

    Ids are counted from 1. A bbox is [x, y, width, height], and COCO counts pixels from 0. The
    categories are the names of all objects, each one once and sorted.
    """
    # task 8.3 begin
    names = sorted({box["name"] for frame in frames for box in frame["objects"]})
    category_ids = {name: number for number, name in enumerate(names, 1)}
    images, annotations = [], []
    for image_id, frame in enumerate(frames, 1):
        images.append(
            {
                "id": image_id,
                "file_name": frame["filename"],
                "width": frame["width"],
                "height": frame["height"],
            }
        )
        for box in frame["objects"]:
            x, y = box["xmin"] - 1, box["ymin"] - 1
            width, height = box["xmax"] - x, box["ymax"] - y
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_ids[box["name"]],
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,  # one object, and not a crowd
                }
            )
    categories = [{"id": number, "name": name} for name, number in category_ids.items()]
    return {"images": images, "categories": categories, "annotations": annotations}
    # task 8.3 end


if __name__ == "__main__":
    main()
