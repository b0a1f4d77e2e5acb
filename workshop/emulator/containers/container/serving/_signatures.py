"""The signatures of a SavedModel, called with values of JSON as TensorFlow Serving does it.

https://www.tensorflow.org/tfx/serving/api_rest ("Encoding binary values", "JSON mapping")
"""

import base64
from pathlib import Path

import numpy as np
import tensorflow as tf


class Signature:
    """One signature. Its values are lists, numbers, texts, booleans and ``{"b64": …}``."""

    def __init__(self, loaded: object, function: object) -> None:
        self._model = loaded  # it holds the variables that the function reads
        self._function = function
        self._inputs = function.structured_input_signature[1]

    def rows(self, instances: object) -> list:
        """Answer ``instances``: one for each prediction, all outputs beside one another.

        Raises ValueError where the values do not fit.
        """
        if not isinstance(instances, list) or not instances:
            raise ValueError("Expecting 'instances' value to be a non-empty list")
        if all(isinstance(one, dict) and one.keys() != {"b64"} for one in instances):
            names = instances[0].keys()
            if any(one.keys() != names for one in instances):
                raise ValueError("Each element of 'instances' must have the same keys")
            values = {name: [one[name] for one in instances] for name in names}
        else:
            values = {self._only_input(): instances}
        outputs = self._call(values)
        sizes = {len(output) if output.ndim else None for output in outputs.values()}
        if sizes != {len(instances)}:
            raise ValueError(
                "Tensors have no 0-th dimension of the size of the batch: ask with 'inputs'"
            )
        plain = {name: _plain(name, output) for name, output in outputs.items()}
        if len(plain) == 1:
            return next(iter(plain.values()))
        return [dict(zip(plain, one, strict=True)) for one in zip(*plain.values(), strict=True)]

    def columns(self, inputs: object) -> object:
        """Answer ``inputs``: the whole tensors, by their names where there are several."""
        named = isinstance(inputs, dict) and inputs.keys() != {"b64"}
        outputs = self._call(inputs if named else {self._only_input(): inputs})
        plain = {name: _plain(name, output) for name, output in outputs.items()}
        return next(iter(plain.values())) if len(plain) == 1 else plain

    def _only_input(self) -> str:
        if len(self._inputs) != 1:
            names = ", ".join(sorted(self._inputs))
            raise ValueError(f"The signature has {len(self._inputs)} inputs, give names: {names}")
        return next(iter(self._inputs))

    def _call(self, values: dict) -> dict[str, np.ndarray]:
        if values.keys() != self._inputs.keys():
            has, given = ", ".join(sorted(self._inputs)), ", ".join(sorted(values))
            raise ValueError(f"The inputs of the signature are {has}, and not {given}")
        tensors = {}
        for name, spec in self._inputs.items():
            value = values[name]
            try:
                # Bytes are for texts alone, and to look for them in many numbers takes long.
                value = _binary(value) if spec.dtype == tf.string else value
                tensor = tf.constant(value, dtype=spec.dtype)
            except (ValueError, TypeError, OverflowError) as error:
                words = f"Failed to convert input {name!r} to {spec.dtype.name}: {error}"
                raise ValueError(words) from error
            if not spec.shape.is_compatible_with(tensor.shape):
                raise ValueError(
                    f"Input {name!r} has shape {tuple(tensor.shape)}; the signature wants "
                    f"{tuple(spec.shape)}"
                )
            tensors[name] = tensor
        try:
            found = self._function(**tensors)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise ValueError(str(error)) from error
        return {name: one.numpy() for name, one in sorted(found.items())}


def load(folder: Path) -> dict[str, Signature]:
    """Return the signatures of the SavedModel in a folder, by their names."""
    loaded = tf.saved_model.load(str(folder))
    return {name: Signature(loaded, one) for name, one in loaded.signatures.items()}


def _binary(value: object) -> object:
    if isinstance(value, dict) and value.keys() == {"b64"}:
        return base64.b64decode(value["b64"])
    return [_binary(one) for one in value] if isinstance(value, list) else value


def _plain(name: str, array: object) -> object:
    """Return an output as JSON has it: numbers as short as their type allows."""
    array = np.asarray(array)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return array.astype(str).astype(np.float64).tolist()
    if array.dtype.kind in "OS":
        return _texts(name.endswith("_bytes"), array.tolist())
    return array.tolist()


def _texts(binary: bool, value: object) -> object:
    if isinstance(value, list):
        return [_texts(binary, one) for one in value]
    if binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")
