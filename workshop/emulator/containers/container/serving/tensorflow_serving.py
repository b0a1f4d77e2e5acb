"""Serves SavedModels as AWS's TensorFlow image does: TensorFlow Serving with a proxy before it.

TensorFlow Serving is a program in C++ that no package index has; here TensorFlow itself runs the
model's signatures. Its paths below ``/v1/models`` are on the same port, for ``inference.py``.

https://www.tensorflow.org/tfx/serving/api_rest
https://github.com/aws/sagemaker-tensorflow-serving-container (``tensorflowServing.js`` for the
content types, ``python_service.py`` and ``tfs_utils.py`` for ``inference.py``)
"""

import importlib.util
import json
import os
import re
import sys
import traceback
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import _signatures
from _http import ADDRESS, PORT, SECRET, run
from werkzeug.wrappers import Request, Response

MODEL = Path("/opt/ml/model")
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?(/(?P<metadata>metadata)|:(?P<method>\w+))?"
)
_JSON = ("application/json", "application/jsonlines", "application/jsons")

Context = namedtuple(
    "Context",
    "model_name, model_version, method, rest_uri, grpc_port, channel, "
    "custom_attributes, request_content_type, accept_header, content_length",
)


class Refused(Exception):
    """A request that is answered with an error of TensorFlow Serving's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def find_models() -> dict[str, dict[int, Path]]:
    """Return the folders of the SavedModels below ``/opt/ml/model``, by name and version."""
    found: dict[str, dict[int, Path]] = {}
    for file in sorted(MODEL.rglob("saved_model.pb")):
        version = file.parent
        if version.name.isdigit():
            found.setdefault(version.parent.name, {})[int(version.name)] = version
    return found


class Models:
    """The models, loaded, and what TensorFlow Serving answers about them."""

    def __init__(self) -> None:
        """Load all models. Raises ValueError when there is none."""
        found = find_models()
        if not found:
            held = ", ".join(sorted(str(one.relative_to(MODEL)) for one in MODEL.rglob("*.*")))
            raise ValueError(
                f"no SavedModel bundles found! {MODEL} holds: {held or 'nothing'}. Save the model "
                f"where the training ends with model.export('{MODEL}/1'): a folder whose name is "
                "a number, with saved_model.pb in it."
            )
        self.default = os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME") or next(iter(found))
        self._models = {
            name: {number: _signatures.load(folder) for number, folder in versions.items()}
            for name, versions in found.items()
        }

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """Return the status and the JSON that TensorFlow Serving answers."""
        try:
            parts = _PATH.fullmatch(path)
            if not parts or (method == "GET") == bool(parts["method"]):
                raise Refused(400, f"Malformed request: {method} {path}")
            version = int(parts["version"]) if parts["version"] else None
            versions = self._versions(parts["name"], version)
            if method == "GET":
                return 200, _text(_about(parts["name"], versions, bool(parts["metadata"])))
            if parts["method"] != "predict":
                raise Refused(
                    400, f"{parts['method']} is not played by the workshop's emulator: use predict"
                )
            return 200, _text(_predict(versions[max(versions)], body))
        except Refused as error:
            return error.status, _text({"error": str(error)})

    def _versions(self, name: str, version: int | None) -> dict:
        versions = self._models.get(name, {})
        if version is not None:
            versions = {number: one for number, one in versions.items() if number == version}
        if not versions:
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused(404, f"Servable not found for request: {which}")
        return versions


def _about(name: str, versions: dict, metadata: bool) -> dict:
    if metadata:
        number = max(versions)
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(number)},
            "metadata": {"signature_def": sorted(versions[number])},
        }
    fine = {"error_code": "OK", "error_message": ""}
    numbers = sorted(versions, reverse=True)
    return {
        "model_version_status": [
            {"version": str(number), "state": "AVAILABLE", "status": fine} for number in numbers
        ]
    }


def _predict(model: dict, body: bytes) -> dict:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise Refused(400, "Request is not a JSON object")
    name = request.get("signature_name", "serving_default")
    if name not in model:
        raise Refused(400, f'Serving signature name: "{name}" not found in signature def')
    if ("instances" in request) == ("inputs" in request):
        both = "instances" in request
        words = "Not formatted correctly: both 'inputs' and 'instances' keys"
        raise Refused(400, words if both else "Missing 'inputs' or 'instances' key")
    try:
        if "instances" in request:
            return {"predictions": model[name].rows(request["instances"])}
        return {"outputs": model[name].columns(request["inputs"])}
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _text(content: dict) -> str:
    return json.dumps(content) + "\n"


# --- the proxy --------------------------------------------------------------------------------


def body_of(content_type: str, data: str) -> str:
    """Return a request as TensorFlow Serving takes it: JSON with ``instances`` or ``inputs``.

    Raises Refused for a content type that the image does not take.
    """
    if content_type in _JSON:
        if re.search(r'"(instances|inputs|examples)"\s*:', data):
            return data
        if re.search(r"[}\]]\s*[\[{]", data):  # one object or list after the other
            lines = [line.strip() for line in data.strip().splitlines() if line.strip()]
            return _instances(",".join(lines), one=len(lines) == 1)
        return _instances(data, one=bool(re.match(r"\s*\[\s*\[", data)))
    if content_type == "text/csv":
        return _instances(",".join(_csv_lines(data)))
    raise Refused(415, f"Unsupported Media Type: {content_type or 'Unknown'}")


def _instances(values: str, one: bool = False) -> str:
    return '{"instances":' + (values if one else f"[{values}]") + "}"


def _csv_lines(data: str) -> Iterator[str]:
    # What does not begin with a quote or a number is text, without quotes.
    is_text = not re.match(r'\s*("|[\d.Ee+\-]+.*)', data)
    for line in filter(None, map(str.strip, data.strip().splitlines())):
        if is_text:
            line = ",".join(json.dumps(cell) for cell in line.split(","))
        yield f"[{line}]" if "," in line else line


def attributes_of(header: str) -> dict[str, str]:
    """Return what a request's custom attributes say to the proxy, such as ``tfs-model-name``."""
    return dict(re.findall(r"(tfs-[a-z\-]+)=([^,=]+)", header))


def path_of(attributes: dict[str, str], default: str) -> str:
    """Return the path of TensorFlow Serving that a request is for."""
    version = attributes.get("tfs-model-version")
    return (
        f"/v1/models/{attributes.get('tfs-model-name', default)}"
        f"{f'/versions/{version}' if version else ''}:{attributes.get('tfs-method', 'predict')}"
    )


def by_proxy(models: Models, request: Request) -> Response:
    """Answer an invocation where there is no ``inference.py``."""
    path = path_of(attributes_of(request.headers.get(_ATTRIBUTES, "")), models.default)
    try:
        body = body_of(request.headers.get("Content-Type", ""), request.get_data(as_text=True))
    except Refused as error:
        return Response(_text({"error": str(error)}), error.status, content_type="application/json")
    status, text = models.answer("POST", path, body.encode())
    accepted = request.headers.get("Accept", "").replace(" ", "").split(",")
    is_json = {"application/json", "application/jsonlines"} & {*accepted}
    if is_json:
        text = text.replace("\n", "")
    return Response(text, status, content_type=accepted[0] if is_json else "application/json")


def by_script(models: Models, script: Path) -> Callable[[Request], Response]:
    """Return what answers invocations with the functions of ``inference.py``.

    Raises NotImplementedError when it has none of them.
    """
    import requests

    spec = importlib.util.spec_from_file_location("inference", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler = getattr(module, "handler", None)
    into, out = (getattr(module, f"{name}_handler", None) for name in ("input", "output"))
    if not handler and not (into and out):
        raise NotImplementedError(
            "Handlers are not implemented correctly in user script: inference.py has handler, or "
            "input_handler and output_handler."
        )
    session = requests.Session()
    own = f"http://{ADDRESS}:{PORT}" + (f"/{SECRET}" if SECRET else "")

    def both(data, context):
        return out(session.post(context.rest_uri, data=into(data, context)), context)

    def answer(request: Request) -> Response:
        attributes = attributes_of(request.headers.get(_ATTRIBUTES, ""))
        context = Context(
            model_name=attributes.get("tfs-model-name"),
            model_version=attributes.get("tfs-model-version"),
            method=attributes.get("tfs-method"),
            rest_uri=f"{own}{path_of(attributes, models.default)}",
            grpc_port=None,
            channel=None,
            custom_attributes=request.headers.get(_ATTRIBUTES),
            request_content_type=request.headers.get("Content-Type") or "application/json",
            accept_header=request.headers.get("Accept") or "application/json",
            content_length=request.content_length,
        )
        try:
            body, content_type = (handler or both)(request.stream, context)
            return Response(body, 200, content_type=content_type)
        except Exception as error:
            traceback.print_exc()
            return Response(_text({"error": str(error)}), 500, content_type="application/json")

    return answer


def main() -> None:
    sys.path.pop(0)  # this folder: its modules are none of the script's
    models = Models()
    script = MODEL / "code" / "inference.py"
    invocations = by_script(models, script) if script.exists() else None

    def answer(request: Request) -> Response:
        path = request.path.removeprefix(f"/{SECRET}") if SECRET else request.path
        if path.startswith("/v1/"):
            status, text = models.answer(request.method, path, request.get_data())
            return Response(text, status, content_type="application/json")
        if (request.method, request.path) != ("POST", "/invocations"):
            return Response('{"error": "Not Found"}', 404, content_type="application/json")
        return invocations(request) if invocations else by_proxy(models, request)

    run(answer)


if __name__ == "__main__":
    main()
