"""The HTTP side of the servers here: where they listen, and one thread for each request.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import hmac
import os
from collections.abc import Callable

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

#: Two hosts may use the same port, since each has an address of its own (``engine.py``).
ADDRESS = os.environ.get("JOB_ADDRESS", "0.0.0.0")
PORT = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
#: What a request has in a header, or at the beginning of its path, where nobody else may ask: other
#: users of this machine, and pages in a browser. The SDK's local mode asks without.
SECRET = os.environ.pop("JOB_SECRET", "")


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if not (self.path == "/ping" and str(code) == "200"):  # there are many
            super().log_request(code, size)


def run(answer: Callable[[Request], Response]) -> None:
    """Answer requests until this process is told to end.

    The model has been loaded: ``GET /ping`` is answered at once.
    """

    @Request.application
    def application(request: Request) -> Response:
        given = request.headers.get("X-Job-Secret", request.path.split("/")[1])
        if SECRET and not hmac.compare_digest(given.encode(), SECRET.encode()):
            return Response(status=403)
        if (request.method, request.path) == ("GET", "/ping"):
            return Response(status=200)
        return answer(request)

    server = make_server(ADDRESS, PORT, application, threaded=True, request_handler=_Handler)
    print("The model is loaded.", flush=True)
    server.serve_forever()
