"""Says where an output of a processing job goes when its destination is no address in S3.

The SDK puts an address of its own in its place, and says nothing of it
(``sagemaker/processing.py``, ``_normalize_outputs``): the job ends well, and its output is not
where it is looked for.
"""

from __future__ import annotations

import sys

import wrapt


def watch(processing) -> None:
    """Wrap what the SDK does with outputs. Called when a process imports that module."""

    def normalize(wrapped, _processor, arguments, options):
        given = [*arguments, *options.values()][0] if arguments or options else None
        before = [getattr(output, "destination", None) for output in given or ()]
        outputs = wrapped(*arguments, **options)
        pairs = zip(before, outputs, strict=False)
        astray = [pair for pair in pairs if _is_no_address(pair[0], pair[1].source)]
        if astray:
            print(_words(*astray[0], len(astray) - 1), file=sys.stderr, flush=True)
        return outputs

    wrapt.wrap_function_wrapper(processing, "Processor._normalize_outputs", normalize)


def _is_no_address(destination: object, source: object) -> bool:
    # Where the source is an address in S3, the two are swapped: that is told as AWS's refusal.
    swapped = isinstance(source, str) and source.startswith("s3://")
    return isinstance(destination, str) and not destination.startswith("s3://") and not swapped


def _words(destination: str, output, more: int) -> str:
    others = f" So it is with {more} more." if more else ""
    return (
        f"Warning: the destination of the output {output.output_name!r} is {destination!r}, which "
        f"does not begin with s3://. So the SDK sends it to {output.destination} instead. "
        f'Write destination=f"s3://{{bucket}}/{destination.strip("./")}/".{others}'
    )
