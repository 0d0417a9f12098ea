"""The house's budgets: sizes of files and functions, broad excepts, texts without their encoding,
what leaves import.

`python -m scripts.budgets` prints the figures and every breach.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "main.py",
    "flags.py",
    "settings.py",
    "guard.py",
    "ending.py",
    "lookups.py",
    "mistakes.py",
    "pattern_size.py",
    "printable.py",
    "private_files.py",
    "workspaces.py",
    "hardware",
    "tools",
    "swarm",
    "federation",
    "api",
    "scripts",
)

FILE_LINES = 400
FUNCTION_LINES = 60
FUNCTION_MEDIAN = 10
FUNCTION_P90 = 30

# The process edges, where whatever comes must be caught: file:function.
EDGES = frozenset({"api/app.py:_report", "federation/discovery.py:_tell"})

# Several floors use these, so they stand on nothing.
LEAVES = (
    "ending.py",
    "guard.py",
    "lookups.py",
    "mistakes.py",
    "pattern_size.py",
    "printable.py",
    "private_files.py",
)


@dataclass(frozen=True)
class Function:
    """A function and its length in lines, its docstring not counted."""

    name: str
    lines: int


def main() -> int:
    paths = [path for room in ROOMS for path in _files(ROOT / room)]
    sources = {str(path.relative_to(ROOT).as_posix()): path.read_text("utf-8") for path in paths}
    found = [breach for name, text in sources.items() for breach in breaches(name, text)]
    lengths = [function.lines for text in sources.values() for function in functions(text)]
    found += spread_breaches(lengths)
    for breach in found:
        print(breach)
    print(f"{len(sources)} files, {len(lengths)} functions, {spread(lengths)}")
    return bool(found)


def breaches(name: str, text: str) -> list[str]:
    """Every breach of the budgets in one file; `name` is its path from the root."""
    tree = ast.parse(text)
    length = text.count("\n")
    found = [f"{name}: {length} lines, at most {FILE_LINES}"] if length > FILE_LINES else []
    found += [
        f"{name}: {function.name} has {function.lines} lines, at most {FUNCTION_LINES}"
        for function in functions(text)
        if function.lines > FUNCTION_LINES
    ]
    found += [
        f"{name}: broad except in {function}; only the edges may: see scripts/budgets.py"
        for function in sorted(_broad_excepts(tree))
        if f"{name}:{function}" not in EDGES
    ]
    found += [
        f"{name}: line {line} names no encoding; Windows would take its code page"
        for line in _unnamed_encodings(tree)
    ]
    if name in LEAVES:
        found += [f"{name}: imports {module}" for module in sorted(_foreign_imports(tree))]
    return found


def functions(text: str) -> list[Function]:
    """The functions of a file, nested ones too."""
    nodes = ast.walk(ast.parse(text))
    return [
        Function(node.name, _length(node))
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def spread(lengths: Sequence[int]) -> str:
    """Median and ninetieth percentile of function lengths, as a line."""
    return f"function median {median(lengths):g}, p90 {_p90(lengths):g} lines"


def spread_breaches(lengths: Sequence[int]) -> list[str]:
    """What is wrong with the lengths of all functions together."""
    if median(lengths) <= FUNCTION_MEDIAN and _p90(lengths) <= FUNCTION_P90:
        return []
    return [f"{spread(lengths)}, at most {FUNCTION_MEDIAN} and {FUNCTION_P90}"]


def _p90(lengths: Sequence[int]) -> float:
    return quantiles(lengths, n=10, method="inclusive")[8]


def _files(room: Path) -> Iterator[Path]:
    yield from [room] if room.is_file() else sorted(room.rglob("*.py"))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return length
    docstring = node.body[0]
    return length - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def _broad_excepts(tree: ast.AST, inside: str = "the module") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        name = node.name if is_function else inside
        if _is_broad(node):
            yield name
        yield from _broad_excepts(node, name)


def _is_broad(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        raises_again = isinstance(node.body[-1], ast.Raise)
        return not raises_again and (node.type is None or _names_exception(node.type))
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return any(_names_exception(argument) for argument in node.args)
    return False


def _names_exception(node: ast.expr) -> bool:
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def _unnamed_encodings(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write a text file and leave its encoding to the system."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            before = {"read_text": 0, "write_text": 1}.get(name)
            if name == "open" and any(_is_text_mode(argument) for argument in node.args):
                before = len(node.args)
            named = any(keyword.arg == "encoding" for keyword in node.keywords)
            if before is not None and len(node.args) <= before and not named:
                yield node.lineno


def _is_text_mode(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("r", "w", "a", "x", "r+", "w+", "a+")


def _foreign_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or "."]
        for module in modules:
            if module.partition(".")[0] not in sys.stdlib_module_names:
                yield module


if __name__ == "__main__":
    sys.exit(main())
