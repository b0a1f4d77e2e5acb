"""Reads Pascal VOC files: an XML file for each image says what is in it, and where."""

import xml.etree.ElementTree as ElementTree


def read(path):
    """Return what a Pascal VOC file says, as a dict:

    {"filename": "frame_000.png", "width": 128, "height": 128, "objects": [
        {"name": "7", "xmin": 35, "ymin": 4, "xmax": 52, "ymax": 23}, ...]}

    All but the names are whole numbers. Pixels are counted from 1; xmax and ymax are the last
    ones inside the box.
    """
    root = ElementTree.parse(path).getroot()
    objects = []
    for one in root.iter("object"):
        box = {edge: int(one.findtext(f"bndbox/{edge}")) for edge in _EDGES}
        objects.append({"name": one.findtext("name"), **box})
    return {
        "filename": root.findtext("filename"),
        "width": int(root.findtext("size/width")),
        "height": int(root.findtext("size/height")),
        "objects": objects,
    }


_EDGES = ("xmin", "ymin", "xmax", "ymax")
