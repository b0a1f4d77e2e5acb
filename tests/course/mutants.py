"""Mutants: the solution of a task with one thing changed, as a learner's slip may change it.

An argument is dropped or swapped with its neighbour, a constant is another one, a statement is
missing or in another place, an expression is replaced by one of its kind, the code raises at its
end. Where a region is too short for enough of them, two things are changed.
"""

from __future__ import annotations

import ast
import builtins
import copy
import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: How many of a task are tried when all are.
ENOUGH = 25

_OTHER = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.In: ast.NotIn,
    ast.LtE: ast.Lt, ast.GtE: ast.Gt, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


#: Modules of the solutions whose functions are called.
_MODULES = ("json", "np", "os", "shutil", "tarfile", "tempfile")


@dataclass(frozen=True)
class Mutant:
    """`change` says what was changed and where; `code` is the region with the change."""

    change: str
    code: str


#: Changes a copy of the tree, whose nodes come in the order of ast.walk.
Edit = Callable[[list[ast.AST]], None]


@functools.cache
def mutants(code: str, seed: str, count: int = ENOUGH) -> tuple[Mutant, ...]:
    """Return different mutants of a region, the same ones each time."""
    chance = random.Random(seed)
    first = list(_mutants(code, chance))
    chance.shuffle(first)
    chosen, known = [], {_plain(code)}
    by_kind: dict[str, list[Mutant]] = {}
    for one in first:
        by_kind.setdefault(one.change.partition(":")[0], []).append(one)
    while by_kind and len(chosen) < count:  # of each kind some
        for kind in sorted(by_kind):
            one = by_kind[kind].pop()
            if not by_kind[kind]:
                del by_kind[kind]
            if one.code not in known and len(chosen) < count:
                known.add(one.code)
                chosen.append(one)
    for _ in range(1000):
        if len(chosen) >= count:
            break
        one = chance.choice(first)
        two = chance.choice(list(_mutants(one.code, chance)) or [one])
        if two.code not in known:
            known.add(two.code)
            chosen.append(Mutant(f"{one.change}; {two.change}", two.code))
    return tuple(chosen)


def _plain(code: str) -> str:
    return ast.unparse(ast.parse(code)) + "\n"


def _mutants(code: str, chance: random.Random) -> Iterator[Mutant]:
    tree = ast.parse(code)
    nodes = list(ast.walk(tree))
    places = _places(tree)
    original = _plain(code)
    for change, edit in _edits(nodes, places, chance):
        other = copy.deepcopy(tree)
        edit(list(ast.walk(other)))
        ast.fix_missing_locations(other)
        try:
            text = ast.unparse(other) + "\n"
            ast.parse(text)
        except (SyntaxError, ValueError, AttributeError):
            continue
        if text != original:
            yield Mutant(change, text)


def _places(tree: ast.AST) -> dict[ast.AST, str]:
    """Return where each node is, for people: "ProcessingInput source"."""
    found: dict[ast.AST, str] = {}

    def visit(node: ast.AST, where: str) -> None:
        found[node] = where
        if isinstance(node, ast.Call):
            where = ast.unparse(node.func)[:40]
        elif isinstance(node, ast.keyword):
            where = f"{where} {node.arg}="
        elif isinstance(node, ast.Assign):
            where = f"{ast.unparse(node.targets[0])[:40]} ="
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    visit(key, where)
                visit(value, f"{where} {ast.unparse(key) if key else '**'}:")
            return
        for child in ast.iter_child_nodes(node):
            visit(child, where)

    visit(tree, "")
    return found


def _edits(
    nodes: list[ast.AST], places: dict[ast.AST, str], chance: random.Random
) -> Iterator[tuple[str, Edit]]:
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    names = sorted({
        n.id for n in nodes
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and not hasattr(builtins, n.id)
    })  # fmt: skip
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    said = _said(nodes[0])
    for at, node in enumerate(nodes):
        where = places.get(node, "")
        if node in said:
            continue
        old = ast.unparse(node)[:60] if isinstance(node, (ast.expr, ast.stmt)) else ""

        def told(kind: str, new: object = "", where=where, old=old) -> str:
            return f"{kind}: {where}: {old} -> {new}"

        if isinstance(node, ast.Constant):
            for new in _constants(node.value, texts, chance):
                yield told("constant", repr(new)), _set(at, value=new)
        elif isinstance(node, ast.JoinedStr):
            # The f in front is forgotten.
            plain = ast.unparse(node)[1:].strip("'\"")
            yield told("no f-string", repr(plain)), _become(at, ast.Constant(plain))
            for place in range(len(node.values)):
                yield told("part", f"without part {place}"), _drop(at, "values", place)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            others = [name for name in names if name != node.id]
            if others and id(node) not in called and not hasattr(builtins, node.id):
                for new in chance.sample(others, min(2, len(others))):
                    yield told("name", new), _set(at, id=new)
        elif isinstance(node, ast.Call):
            for place in range(len(node.args)):
                yield told("argument", f"without argument {place}"), _drop(at, "args", place)
            for place, keyword in enumerate(node.keywords):
                what = f"without {keyword.arg}="
                yield told("argument", what), _drop(at, "keywords", place)
            for place in range(len(node.args) - 1):
                yield told("swap", f"arguments {place} and {place + 1}"), _swap(at, "args", place)
            for place in range(len(node.keywords) - 1):
                one, two = node.keywords[place : place + 2]
                what = f"values of {one.arg}= and {two.arg}="
                yield told("swap", what), _swap_values(at, place)
        elif isinstance(node, ast.Dict):
            for place, key in enumerate(node.keys):
                what = f"without {ast.unparse(key) if key else '**'}"
                yield told("pair", what), _drop_pair(at, place)
            for place in range(len(node.values) - 1):
                what = f"values {place} and {place + 1}"
                yield told("swap", what), _swap(at, "values", place)
        elif isinstance(node, (ast.List, ast.Tuple)) and isinstance(node.ctx, ast.Load):
            for place in range(len(node.elts)):
                yield told("element", f"without element {place}"), _drop(at, "elts", place)
            for place in range(len(node.elts) - 1):
                yield told("swap", f"elements {place} and {place + 1}"), _swap(at, "elts", place)
        elif isinstance(node, (ast.BinOp, ast.BoolOp)):
            if type(node.op) in _OTHER:
                other = _OTHER[type(node.op)]
                yield told("operator", other.__name__), _set(at, op=other())
            if isinstance(node, ast.BinOp):
                yield told("operand", "the left alone"), _become(at, node.left)
                yield told("operand", "the right alone"), _become(at, node.right)
        elif isinstance(node, ast.UnaryOp):
            yield told("operand", "without operator"), _become(at, node.operand)
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHER:
            other = _OTHER[type(node.ops[0])]
            yield told("operator", other.__name__), _set(at, ops=[other(), *node.ops[1:]])
        elif isinstance(node, (ast.If, ast.IfExp)):
            yield told("condition", "not"), _set(at, test=ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.comprehension) and node.ifs:
            yield told("condition", "none"), _set(at, ifs=[])
        elif isinstance(node, ast.Return) and node.value is not None:
            yield told("return", "None"), _set(at, value=ast.Constant(None))
        if isinstance(getattr(node, "body", None), list):
            yield from _statements(node, at, where, said)


def _statements(
    node: ast.AST, at: int, where: str, said: set[ast.AST]
) -> Iterator[tuple[str, Edit]]:
    body = node.body
    for place, statement in enumerate(body):
        if statement in said:
            continue
        old = ast.unparse(statement)[:60].replace("\n", " ")
        yield f"statement: {where}: {old} -> none", _drop_statement(at, place)
        if place + 1 < len(body) and _order_counts(statement, body[place + 1]):
            after = ast.unparse(body[place + 1])[:40].replace("\n", " ")
            yield f"order: {where}: {old} <-> {after}", _swap(at, "body", place)
    if isinstance(node, (ast.Module, ast.FunctionDef)):
        # What comes behind a `return` would never run.
        end = len(body) - _returns(body[-1])
        where = getattr(node, "name", "the end")
        yield (
            f"raise: {where}: -> raise RuntimeError",
            _insert(at, end, "raise RuntimeError('end')"),
        )
    if isinstance(node, ast.For):
        yield f"loop: {where}: -> the first time alone", _insert(at, len(body), "break")


def _returns(statement: ast.stmt) -> bool:
    """Tell whether nothing behind a statement is ever reached."""
    if isinstance(statement, ast.With):
        return _returns(statement.body[-1])
    return isinstance(statement, ast.Return)


def _order_counts(one: ast.stmt, two: ast.stmt) -> bool:
    """Tell whether the second of two statements may need what the first does, or undo it."""

    def names(node: ast.stmt, kind: type) -> set[str]:
        found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)
                 and isinstance(n.ctx, kind)}  # fmt: skip
        return found | ({node.name} if kind is ast.Store and hasattr(node, "name") else set())

    def touched(node: ast.stmt) -> set[str]:
        # What is called for its value alone (np.load) changes nothing, nor does a module.
        calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
        calls = calls if isinstance(node, ast.Expr) else []
        owners = (f.value for f in calls if isinstance(f, ast.Attribute))
        return names(node, ast.Store) | {
            n.id for n in owners if isinstance(n, ast.Name) and n.id not in _MODULES
        }

    same = isinstance(one, ast.Expr) and isinstance(two, ast.Expr) and all(
        isinstance(n.value, ast.Call) for n in (one, two)
    ) and ast.unparse(one.value.func) == ast.unparse(two.value.func)  # fmt: skip
    if same:
        return False
    loaded = names(two, ast.Load) | names(two, ast.Store)
    back = names(two, ast.Store) & names(one, ast.Load)
    control = (ast.Return, ast.Raise, ast.Break, ast.Continue)
    return bool(touched(one) & loaded or back) or isinstance(two, control)


def _said(tree: ast.AST) -> set[ast.AST]:
    """Return all that is inside a print of a text, and docstrings: what a script says is free."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        prints = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        if prints and node.args and isinstance(node.args[0], (ast.JoinedStr, ast.Constant)):
            found |= {*ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (
            node.value in found or isinstance(node.value, ast.Constant)
        ):
            found |= {*ast.walk(node)}
    return found


def _constants(value: object, texts: list[str], chance: random.Random) -> list[object]:
    """Return other constants of the same type."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        others = [text for text in texts if text != value]
        found = [f"{value}x", ""]
        if others:
            found.append(chance.choice(others))
        if "/" in value.strip("/"):
            found.append(value.rstrip("/").rpartition("/")[0])
        if value.endswith("/"):
            found.append(value[:-1])
        return found
    if isinstance(value, (int, float)):
        return [value + 1, value * 2 if value else value - 1, 0]
    return []


# --- edits ------------------------------------------------------------------------------------


def _set(at: int, **fields: object) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        for name, value in fields.items():
            setattr(nodes[at], name, copy.deepcopy(value))

    return edit


def _become(at: int, new: ast.AST) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        for parent in nodes:
            for name, value in ast.iter_fields(parent):
                if value is nodes[at]:
                    setattr(parent, name, copy.deepcopy(new))
                elif isinstance(value, list) and any(one is nodes[at] for one in value):
                    value[:] = [copy.deepcopy(new) if one is nodes[at] else one for one in value]

    return edit


def _drop(at: int, field: str, place: int) -> Edit:
    return lambda nodes: getattr(nodes[at], field).pop(place) and None


def _swap(at: int, field: str, place: int) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        values = getattr(nodes[at], field)
        values[place], values[place + 1] = values[place + 1], values[place]

    return edit


def _swap_values(at: int, place: int) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        one, two = nodes[at].keywords[place : place + 2]
        one.value, two.value = two.value, one.value

    return edit


def _drop_pair(at: int, place: int) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        del nodes[at].keys[place], nodes[at].values[place]

    return edit


def _drop_statement(at: int, place: int) -> Edit:
    def edit(nodes: list[ast.AST]) -> None:
        body = nodes[at].body
        body[place : place + 1] = [] if len(body) > 1 else [ast.Pass()]

    return edit


def _insert(at: int, place: int, code: str) -> Edit:
    return lambda nodes: nodes[at].body.insert(place, ast.parse(code).body[0])
