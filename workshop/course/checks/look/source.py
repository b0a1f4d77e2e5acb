"""Python source as a tree: what stands in a cell or a script, not how it is written."""

from __future__ import annotations

import ast
import re


def without_magics(source: str) -> str:
    """Return a cell's source as Python can read it: magics and shell commands do nothing."""
    return re.sub(r"(?m)^(\s*)[!%].*", r"\1pass", source)


def sets(source: str, name: str) -> bool:
    """Tell whether a cell's source assigns a variable, or makes a function."""
    try:
        nodes = list(ast.walk(ast.parse(without_magics(source))))
    except SyntaxError:
        return re.search(rf"^\s*(def\s+)?{name}\s*[=(]", source, re.M) is not None
    if any(isinstance(node, ast.FunctionDef) and node.name == name for node in nodes):
        return True
    stored = (node for node in nodes if isinstance(node, ast.Name) and node.id == name)
    return any(isinstance(node.ctx, ast.Store) for node in stored)


def calls(node: ast.AST, *names: str) -> bool:
    """Tell whether a node calls a function, or a method, of one of these names."""
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", getattr(node.func, "id", None)) in names


def first_text(call: ast.Call) -> str:
    """Return the first argument of a call; nothing when it is no text."""
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
