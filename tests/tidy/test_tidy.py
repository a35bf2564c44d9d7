"""What keeps the code easy to read, checked by a test in place of a reviewer.

After TigerBeetle's tidy: https://github.com/tigerbeetle/tigerbeetle/blob/main/src/tidy.zig
A rule reports every place it is broken at, as file:line.
"""

import ast
import fnmatch
import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "catalog", "gossip", "proxy", "raft")
# A file that fits a few screens is read whole; a function that fits one screen is understood.
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager", "managers"})
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Paths of somebody's machine. Written in parts, so that this file does not break its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|root|work|Users)" + r"/\w")
# Talk about how the work was done; the history and the issue tracker are the places for it.
WORK_TALK = re.compile(
    r"\b(as requested|the brief|in this (session|task|issue)|AI assistant|language model)\b", re.I
)
SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?P<codes>[:\[][^#\-—]*)?(?P<reason>.*)")
# A count, time or size that something may reach; the size of a wire field (HEADER_BYTES) is none.
LIMIT_NAME = re.compile(r"_?[A-Z][A-Z0-9_]*_(MAX|S|MS)")
# 2**63 - 1 and the like are the range of a type and say so themselves.
TYPE_RANGE = re.compile(r"_?U?INT\d*_MAX|_NS_MAX")
# A module named in a string to be imported when used: "a.b.c", or "kv:get" of the command table.
LATER = re.compile(r"(?P<module>[a-z_]+)(\.[a-z_0-9]+)*(:[a-z_]+)?")

# Source files without a test file of their own, each with what tests them instead.
WITHOUT_MIRROR = {
    "agent/cli/rows/*.py": "declarations; the tests of agent/cli/commands print them",
    "agent/http/routes/*.py": "declarations; replayed, documented and fuzzed",
    "agent/rpc/endpoints/*.py": "each answer is replayed by tests/compat/test_conformance.py",
    "agent/mesh/xds/source.py": "a protocol; the tests of claims and of streams",
    "catalog/rows/*.py": "declarations; tests/catalog/test_shape.py and test_schema.py read them",
    "proxy/__main__.py": "tests/proxy/test_main.py starts it",
    "proxy/api/*.py": "values; tests/proxy/test_messages.py sends them",
    "proxy/connection.py": "protocols; the tests of what drives and what handles connections",
    "proxy/http.py": "protocols; the tests of the codecs and of the exchange",
    "proxy/serving.py": "protocols; the tests of the runtime and of the handlers",
}
# Modules that no other one imports, each with who runs it.
NOT_IMPORTED = {
    "agent.main": "the entry point",
    "proxy.__main__": "the worker's entry point",
    "proxy.messages": "the feed's vocabulary",
    "proxy.serving": "the vocabulary of the worker's parts",
    "*.docs": "a test keeps the reference page that it makes current",
    "catalog.acl.*": "the vocabulary of access control; its enforcement comes next",
    "agent.acl.*": "reads rules for the vocabulary of access control",
    "agent.http.openapi": "tests/system/test_fuzz.py generates requests from it",
}


@cache
def tracked_files() -> tuple[Path, ...]:
    """The project's own files: all but what .gitignore names, by its plain folder patterns."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()] + [".git"]
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not matches_any(name, ignored)]
        found += [Path(folder, name) for name in names if not matches_any(name, ignored)]
    return tuple(sorted(found))


def matches_any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, glob) for glob in globs)


def python_files(*folders: str) -> list[Path]:
    """Python files, of the named top folders or of all."""
    found = [path for path in tracked_files() if path.suffix == ".py" or is_python_script(path)]
    return [path for path in found if not folders or path.relative_to(ROOT).parts[0] in folders]


def is_python_script(path: Path) -> bool:
    """Whether an executable without an extension runs Python."""
    if path.suffix or path.parent != ROOT / "scripts":
        return False
    return "python" in path.read_text().partition("\n")[0]


def text_files() -> list[Path]:
    """Files that people read: code, scripts and documents."""
    kinds = {".py", ".md", ".toml", ".txt", ".mjs", ".js", ".html", ".css", ".sh", ""}
    return [path for path in tracked_files() if path.suffix in kinds and path.name != "LICENSE"]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def comments(path: Path) -> tuple[tuple[int, str], ...]:
    """(line, text) of each comment."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return tuple((t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT)


def place(path: Path, line: int, what: str = "") -> str:
    return f"{path.relative_to(ROOT)}:{line} {what}".rstrip()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators and docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def words_of(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def names_given(path: Path) -> Iterator[tuple[int, str]]:
    """(line, name) of everything a file names: itself, classes, functions, arguments, variables."""
    yield 1, path.stem
    for node in ast.walk(tree(path)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id


def limit_constants(path: Path) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, name) of each undocumented module-level constant that is a limit."""
    for node, following in pairwise([*tree(path).body, None]):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                is_limit = LIMIT_NAME.fullmatch(name) and not TYPE_RANGE.fullmatch(name)
                if is_limit and not is_docstring(following):
                    assert node.end_lineno is not None
                    yield node.lineno, node.end_lineno, name


def is_docstring(node: ast.stmt | None) -> bool:
    """Whether a statement is the text that documents the constant above it."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case _:
            return False


def has_comment(path: Path, first: int, last: int) -> bool:
    """Whether a comment stands beside an assignment or above, in the block it belongs to."""
    commented = {line for line, _ in comments(path)}
    commented |= {node.lineno for node in tree(path).body if is_docstring(node)}
    if commented & set(range(first, last + 1)):
        return True
    lines = path.read_text().splitlines()
    above = first - 1
    while above > 0 and lines[above - 1].strip():
        if above in commented:
            return True
        above -= 1
    return False


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names a file imports, or names in a string to import later."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Constant(value=str(text)):
                if later := LATER.fullmatch(text):
                    yield text
                    yield f"agent.cli.commands.{later['module']}"


def modules() -> dict[str, Path]:
    """Dotted name of each product module that is not a package's `__init__`."""
    found = [path for path in python_files(*PACKAGES) if path.stem != "__init__"]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in found}


def assert_none(broken: list[str]) -> None:
    """Fail with every place a rule is broken at, one a line."""
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)


def test_file_fits_a_few_screens() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}

    assert_none([place(p, n) for p, n in lengths.items() if n > FILE_LINES_MAX])


def test_function_fits_one_screen() -> None:
    too_long = [
        place(path, function.lineno, f"{function.name}: {body_lines(function)} lines")
        for path in python_files()
        for function in functions(path)
        if body_lines(function) > FUNCTION_LINES_MAX
    ]

    assert_none(too_long)


def test_source_file_has_its_test_file() -> None:
    missing = [
        f"{name} needs {mirror_of(path).relative_to(ROOT)}"
        for name, path in modules().items()
        if not mirror_of(path).exists()
        and not matches_any(path.relative_to(ROOT).as_posix(), WITHOUT_MIRROR)
    ]

    assert_none(missing)


def mirror_of(path: Path) -> Path:
    relative = path.relative_to(ROOT)
    return ROOT / "tests" / relative.parent / f"test_{relative.name}"


@pytest.mark.parametrize("glob", WITHOUT_MIRROR)
def test_exception_of_the_mirror_rule_is_still_needed(glob: str) -> None:
    covered = [p for p in modules().values() if matches_any(p.relative_to(ROOT).as_posix(), [glob])]

    assert any(not mirror_of(path).exists() for path in covered)


def test_name_says_what_the_thing_is() -> None:
    banned = [
        place(path, line, name)
        for path in python_files()
        for line, name in names_given(path)
        if words_of(name) & BANNED_WORDS
    ]

    assert_none(banned)


def test_nothing_is_left_for_later() -> None:
    unfinished = [
        place(path, line, text)
        for path in python_files()
        for line, text in comments(path)
        if UNFINISHED.search(text)
    ]

    assert_none(unfinished)


def test_limit_says_why() -> None:
    silent = [
        place(path, first, name)
        for path in python_files(*PACKAGES)
        for first, last, name in limit_constants(path)
        if not has_comment(path, first, last)
    ]

    assert_none(silent)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, WORK_TALK], ids=["machine path", "work talk"])
def test_text_is_about_the_program_alone(pattern: re.Pattern[str]) -> None:
    found = [
        place(path, number, line.strip())
        for path in text_files()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]

    assert_none(found)


def test_suppression_names_its_rule_and_its_reason() -> None:
    bare = []
    for path in python_files():
        for line, text in comments(path):
            found = SUPPRESSION.search(text)
            if found and not (found["codes"] and re.search(r"\w{3}", found["reason"])):
                bare.append(place(path, line, text))

    assert_none(bare)


def test_module_is_used() -> None:
    imported = {name for path in python_files(*PACKAGES) for name in imports_of(path)}

    unused = set(modules()) - imported
    assert_none(sorted(name for name in unused if not matches_any(name, NOT_IMPORTED)))
