"""What the workshop patches in other packages, or leans on, is there in the versions it pins.

The names are read from the code itself: what is imported, what is wrapped or replaced when a module
is imported, and what a docstring or comment cites as (``sagemaker/local/image.py``, ``_cleanup``).
Nothing is imported for it: the packages' source is read.
"""

from __future__ import annotations

import ast
import functools
import re
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

from workshop.paths import ROOT

#: Packages whose insides the workshop knows.
PACKAGES = (
    *("sagemaker", "sagemaker_core", "sagemaker_training", "botocore", "boto3"),
    *("moto", "werkzeug", "pip", "IPython", "rich", "jupyter_server"),
)
_CITED = re.compile(r"`+(\w+(?:/\w+)+\.py)`+((?:(?:, | and )`+[\w.*]+`+)*)")


class Need(NamedTuple):
    """A name of another package: a dotted one, or a word in a file of its source."""

    name: str
    user: str  # our file, the function there, and what that is for
    file: str = ""  # where the word must stand, as sagemaker/local/image.py


# --- what the code needs --------------------------------------------------------------------------


def needs(source: str, file: str, patched: dict[str, str]) -> Iterator[Need]:
    """Yield what one file of ours needs.

    ``patched`` has the modules that functions of this file are given when a process imports them.
    """
    tree = ast.parse(source)
    for function, nodes in functions(tree):
        name = getattr(function, "name", "")
        doc = ast.get_docstring(function) or ast.get_docstring(tree) or ""
        user = f"{file}{f', {name},' if name else ''} needs: {doc.splitlines()[0] if doc else '?'}"
        modules = imported(tree) | imported(function)
        if name in patched:
            modules |= {function.args.args[0].arg: patched[name]}
        for node in nodes:
            for dotted in named(node, modules):
                yield Need(dotted, user)
    text = re.sub(r"\s+(#:? )?", " ", source)
    for cited in _CITED.finditer(text):
        path, words = cited[1], re.findall(r"`+([\w.*]+)`+", cited[2])
        if path.partition("/")[0] in PACKAGES:
            for word in words or [""]:
                other = word.endswith(".py")
                place = f"{path.rpartition('/')[0]}/{word}" if other else path
                yield Need("" if other else word, f"{file} leans on", place)


def functions(tree: ast.Module) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    """Yield the functions and methods of a module, and itself, each with the nodes inside."""
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node not in inside:
            nodes = list(ast.walk(node))
            inside |= set(nodes)
            yield node, nodes
    yield tree, [node for node in ast.walk(tree) if node not in inside]


def imported(scope: ast.AST) -> dict[str, str]:
    """Return what the names mean that are imported here, by their dotted names."""
    found = {}
    body = scope.body if isinstance(scope, ast.Module) else ast.walk(scope)
    for node in body:
        if isinstance(node, ast.ImportFrom) and not node.level:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            for one in node.names:
                top = one.name.partition(".")[0]
                found |= {one.asname: one.name} if one.asname else {top: top}
    return {name: dotted for name, dotted in found.items() if dotted.partition(".")[0] in PACKAGES}


def named(node: ast.AST, modules: dict[str, str]) -> Iterator[str]:
    """Yield the dotted names of other packages that a piece of code names outright."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from imported(ast.Module([node], [])).values()
    if isinstance(node, ast.Attribute):
        top, *rest = chain(node) or [""]
        if top in modules:
            yield ".".join([modules[top], *rest])
    if isinstance(node, ast.Call) and chain(node.func) == ["wrapt", "wrap_function_wrapper"]:
        module, name = chain(node.args[0]), node.args[1]
        assert isinstance(name, ast.Constant), f"line {node.lineno}: name outright what is wrapped"
        assert module[0] in modules, (
            f"line {node.lineno}: which module {module[0]} is, is not known"
        )
        yield f"{modules[module[0]]}.{name.value}"


def chain(node: ast.AST) -> list[str]:
    """Return ["a", "b"] for the code ``a.b``, [] for what is no such name."""
    if isinstance(node, ast.Name):
        return [node.id]
    before = chain(node.value) if isinstance(node, ast.Attribute) else []
    return [*before, node.attr] if before else []


def late(source: str, file: str) -> Iterator[tuple[str, str, str]]:
    """Yield the functions that are called when a process imports a module.

    Each with its file, and the module. (wrapt, ``register_post_import_hook``)
    """
    tree = ast.parse(source)
    texts = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and chain(node.func)[1:] == ["register_post_import_hook"]:
            function, module = (
                one.value
                if isinstance(one, ast.Constant)
                else texts.get(chain(one)[-1], chain(one)[-1])
                for one in node.args
            )
            place, _, name = function.rpartition(":")
            yield f"{place.replace('.', '/')}.py" if place else file, name, module


@functools.cache
def all_needs() -> list[Need]:
    """Return what all files of the workshop need."""
    sources = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "workshop").rglob("*.py"))
    }
    patched: dict[str, dict[str, str]] = {}
    for source, text in sources.items():
        for file, function, module in late(text, source):
            patched.setdefault(file, {})[function] = module
    found = [need for file in sources for need in needs(sources[file], file, patched.get(file, {}))]
    return list(dict.fromkeys(found))


# --- what the packages have -----------------------------------------------------------------------


@functools.cache
def source_of(module: str) -> Path | None:
    """Return the source file of an installed module, or its folder, if there is one."""
    path = Path(sysconfig.get_path("purelib"), *module.split("."))
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"), path)
    return next((file for file in files if file.exists()), None)


@functools.cache
def top_level(module: str) -> dict[str, ast.AST]:
    """Return what a module defines, by its names, under conditions too; "*" is such an import."""
    found: dict[str, ast.AST] = {}
    file = source_of(module)
    todo = [] if file.is_dir() else list(ast.parse(file.read_text(encoding="utf-8")).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {one.asname or one.name.partition(".")[0]: node for one in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (one for target in targets for one in ast.walk(target))
            found |= {one.id: node for one in names if isinstance(one, ast.Name)}
        else:
            todo += [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)]
            todo += [one for handler in getattr(node, "handlers", ()) for one in handler.body]
    return found


def has(module: str, names: list[str]) -> bool:
    """Tell whether a module has a name, and that one the next, as far as source can tell."""
    if source_of(module) is None:
        return not names  # of Python itself: only its own name is known
    if not names:
        return True
    first, *rest = names
    if source_of(f"{module}.{first}"):
        return has(f"{module}.{first}", rest)
    node = top_level(module).get(first) or top_level(module).get("*")
    if isinstance(node, ast.ImportFrom):
        name = next((one.name for one in node.names if first == one.asname), first)
        place = origin(module, node)
        return has(place, [name, *rest]) if source_of(place) else not rest
    if isinstance(node, ast.ClassDef) and rest:
        own = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
        own |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        own |= {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
        bases = filter(None, map(chain, node.bases))
        own |= set(dir(object))
        return rest[0] in own or any(has(module, [*base, rest[0]]) for base in bases)
    return node is not None


def origin(module: str, node: ast.ImportFrom) -> str:
    """Return the module that a ``from … import`` in ``module`` takes from."""
    if not node.level:
        return node.module
    parts = module.split(".")
    up = node.level - (source_of(module).name == "__init__.py")
    return ".".join([*parts[: len(parts) - up], *filter(None, [node.module])])


def lacking(need: Need) -> str:
    """Say what is not there, and who needs it; "" where all is well."""
    top = (need.file or need.name).partition("/" if need.file else ".")[0]
    if source_of(top) is None and top == "pip":
        return ""  # an environment that uv has made
    what = f"{top} {version(top)} has no "
    if not need.file:
        return "" if has(top, need.name.split(".")[1:]) else f"{what}{need.name}, which {need.user}"
    path = Path(sysconfig.get_path("purelib"), need.file)
    if not path.is_file():
        return f"{what}{need.file}, which {need.user}"
    text = path.read_text(encoding="utf-8")
    words = [word.replace("*", r"\w*") for word in need.name.split(".")]
    there = all(re.search(rf"\b{word}\b", text) for word in words)
    return "" if there else f"{what}{need.name} in {need.file}, which {need.user}"


def version(top: str) -> str:
    return metadata.version(top.replace("_", "-"))


# --- tests ----------------------------------------------------------------------------------------


def test_all_that_is_patched_or_leaned_on_is_there():
    assert [line for need in all_needs() if (line := lacking(need))] == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("emulator/client/hook.py", "botocore.handlers.BUILTIN_HANDLERS"),
        ("emulator/client/hook.py", "botocore.configloader.load_config"),
        (
            "emulator/client/local_jobs.py",
            "sagemaker.local.local_session.LocalSagemakerClient.create_training_job",
        ),
        ("emulator/client/hook.py", "sagemaker.session.time"),
        ("emulator/client/hook.py", "sagemaker.telemetry.telemetry_logging._telemetry_emitter"),
        ("emulator/client/hook.py", "rich.traceback.install"),
        (
            "emulator/client/local_serving.py",
            "sagemaker.local.local_session.LocalSagemakerClient.create_transform_job",
        ),
        ("emulator/client/screen.py", "_showtraceback"),
        (
            "emulator/client/outputs.py",
            "sagemaker.processing.Processor._normalize_outputs",
        ),
        ("emulator/client/local_jobs.py", "sagemaker.local.utils.move_to_destination"),
        ("account/hook.py", "sagemaker.session.Session.get_caller_identity_arn"),
        ("account/hook.py", "sagemaker.session.generate_default_sagemaker_bucket_name"),
        ("pins.py", "pip._internal.commands.install.InstallCommand.get_requirements"),
        ("emulator/service/journal.py", "moto.core.utils.utcnow"),
        ("emulator/service/app.py", "moto.moto_server.werkzeug_app.RegexConverter"),
        ("emulator/service/app.py", "moto.sts.models.sts_backends"),
        (
            "emulator/containers/container/train.py",
            "sagemaker_training.process.get_tensorflow_exception_classes",
        ),
        ("emulator/containers/docker.py", "_prepare_*_volumes"),
        ("emulator/containers/outputs.py", "move_to_destination"),
    ],
)
def test_it_is_found_in_the_code(file, name):
    users = [need.user for need in all_needs() if need.name == name]
    assert any(user.startswith(f"workshop/{file}") for user in users), users


MADE_UP = '''
"""Watches the SDK (``sagemaker/local/image.py``, ``_stream_output`` and ``_no_such_word``)."""
import wrapt
from moto.core import utils, no_such_module  # (``sagemaker/no/such.py``)

def record(local_session):
    """Keep what each local job was asked for.

    More of it.
    """
    wrapt.wrap_function_wrapper(local_session, "LocalSagemakerClient.create_no_job", print)
    wrapt.wrap_function_wrapper(local_session, "LocalSagemakerClient.create_training_job", print)
    local_session.no_such_name = local_session.LocalSession
    utils.utcnow, utils.no_such_function

wrapt.register_post_import_hook(record, "sagemaker.local.local_session")
'''


def test_a_made_up_name_is_told_with_who_needs_it_and_why():
    patched = {function: module for _, function, module in late(MADE_UP, "x.py")}
    found = sorted(filter(None, map(lacking, needs(MADE_UP, "x.py", patched))))
    moto, sdk = f"moto {version('moto')}", f"sagemaker {version('sagemaker')}"
    why = "which x.py, record, needs: Keep what each local job was asked for."
    client = "sagemaker.local.local_session.LocalSagemakerClient"
    assert found == [
        f"{moto} has no moto.core.no_such_module, which x.py needs: Watches the SDK "
        "(``sagemaker/local/image.py``, ``_stream_output`` and ``_no_such_word``).",
        f"{moto} has no moto.core.utils.no_such_function, {why}",
        f"{sdk} has no _no_such_word in sagemaker/local/image.py, which x.py leans on",
        f"{sdk} has no {client}.create_no_job, {why}",
        f"{sdk} has no sagemaker.local.local_session.no_such_name, {why}",
        f"{sdk} has no sagemaker/no/such.py, which x.py leans on",
    ]


def test_what_is_inherited_or_imported_is_there():
    assert has("pip", ["_internal", "commands", "install", "InstallCommand", "get_requirements"])
    assert not has("pip", ["_internal", "commands", "install", "InstallCommand", "no_such_method"])
    assert has("moto", ["moto_api", "_internal", "mock_random"])
    assert has("sagemaker", ["session", "time"])
    assert not has("sagemaker", ["session", "no_such_name"])
