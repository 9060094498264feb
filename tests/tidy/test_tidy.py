"""The laws of the house as tests: each message says where, what is banned, and what to use.

What ruff, mypy and import-linter hold is not repeated here.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import callctl
from callctl import errors

ROOT = Path(callctl.__file__).resolve().parent.parent
GENERATED = {"callctl/ari/models.py"}  # from Asterisk's api-docs
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FLOW_LINES_MAX = 40
LINE_CHARACTERS_MAX = 100
NAMES_FORBIDDEN = {"util", "utils", "helpers", "common", "misc", "base", "manager", "handler"}

# Attribute calls that ask for the time or wait: name -> what to use.
CLOCK_CALLS = {
    "datetime.now": "clock.now()",
    "datetime.utcnow": "clock.now()",
    "datetime.today": "clock.now()",
    "date.today": "clock.now().date()",
    "time.time": "clock.now()",
    "time.monotonic": "clock.monotonic()",
    "time.perf_counter": "clock.monotonic()",
    "time.sleep": "await clock.sleep()",
    "asyncio.sleep": "await clock.sleep()",
}
MONEY_PACKAGES = ("callctl/values/money.py", "callctl/rating/", "callctl/ledger/")
TASK_PACKAGES = ("app/", "ari/", "calls/", "db/", "exchange/", "stack/")
PRINT_PACKAGES = ("callctl/cli/", "callctl/stack/")
SQL_VERB = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s"
    r"|WITH\s+\w+\s+AS\s|CREATE\s+(TABLE|INDEX|FUNCTION|VIEW)|ALTER\s+TABLE|DROP\s+TABLE)",
    re.DOTALL,
)
LATER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
DEVELOPERS_PATH = re.compile(r"(?<![\w.])/(home|Users|root|work)/\w+|(?<![\w.])/tmp/w\b")


@dataclass(frozen=True)
class Module:
    """One Python file, read and parsed once."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        """The file's lines without their ends."""
        return self.text.splitlines()

    def at(self, node: ast.AST, message: str) -> str:
        """One finding, in the form that editors jump to."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {message}"


@cache
def modules() -> list[Module]:
    """Every Python file that we write, product and tests."""
    paths = [path for top in ("callctl", "tests", "deploy") for path in (ROOT / top).rglob("*.py")]
    found = []
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if name not in GENERATED:
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, text, ast.parse(text)))
    return found


def product() -> list[Module]:
    """The modules of callctl, without the tests."""
    return [module for module in modules() if module.path.startswith("callctl/")]


def _dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression's last two names: "b.c"; "" for anything else."""
    if isinstance(node, ast.Attribute):
        value = node.value
        owner = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
        return f"{owner}.{node.attr}"
    return getattr(node, "id", "")


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _docstrings(tree: ast.Module) -> set[int]:
    """The ids of the constants that are docstrings."""
    found = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            found.add(id(body[0].value))
    return found


def test_tidy_finds_the_files() -> None:
    """The walk sees the product and the tests: an empty walk would pass everything."""
    names = {module.path for module in modules()}
    assert {"callctl/clock.py", "tests/tidy/test_tidy.py"} <= names


def test_modules_are_short() -> None:
    """A module has at most 400 lines."""
    findings = [
        f"{module.path}: {len(module.lines)} lines, at most {MODULE_LINES_MAX}: "
        "move one subject into a module named after it"
        for module in modules()
        if len(module.lines) > MODULE_LINES_MAX
    ]
    assert not findings, "\n".join(findings)


def test_functions_are_short() -> None:
    """A function has at most 60 lines, one of a flow at most 40."""
    findings = []
    for module in modules():
        most = FLOW_LINES_MAX if module.path.startswith("callctl/flows/") else FUNCTION_LINES_MAX
        for function in _functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > most:
                message = f"{function.name} has {lines} lines, at most {most}: name its parts"
                findings.append(module.at(function, message))
    assert not findings, "\n".join(findings)


def test_lines_are_short() -> None:
    """A line has at most 100 characters."""
    findings = [
        f"{module.path}:{number}: {len(line)} characters, at most {LINE_CHARACTERS_MAX}"
        for module in modules()
        for number, line in enumerate(module.lines, 1)
        if len(line) > LINE_CHARACTERS_MAX
    ]
    assert not findings, "\n".join(findings)


def test_only_the_clock_asks_for_the_time() -> None:
    """The product asks callctl.clock, so that a test can answer."""
    findings = []
    for module in product():
        if module.path == "callctl/clock.py":
            continue
        for node in ast.walk(module.tree):
            instead = CLOCK_CALLS.get(_dotted(node)) if isinstance(node, ast.Attribute) else None
            if instead:
                findings.append(module.at(node, f"banned {_dotted(node)}, use {instead}"))
            if isinstance(node, ast.Import) and "time" in {alias.name for alias in node.names}:
                findings.append(module.at(node, "banned import time, use callctl.clock"))
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                findings.append(module.at(node, "banned import from time, use callctl.clock"))
    assert not findings, "\n".join(findings)


def test_tests_do_not_sleep() -> None:
    """A test waits for what it wants to see; asyncio.sleep(0) only turns the loop."""
    findings = []
    for module in modules():
        if not module.path.rpartition("/")[2].startswith("test_"):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            name = _dotted(node.func)
            is_turn = bool(node.args) and getattr(node.args[0], "value", None) == 0
            if name == "time.sleep" or (name == "asyncio.sleep" and not is_turn):
                findings.append(module.at(node, f"banned {name}, wait for the event itself"))
    assert not findings, "\n".join(findings)


def test_no_float_touches_money() -> None:
    """Money and rating are whole micro-units: no float, no division that makes one."""
    findings = []
    for module in product():
        if not module.path.startswith(MONEY_PACKAGES):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                findings.append(module.at(node, f"banned {node.value}, use integer micro-units"))
            if isinstance(node, ast.Name) and node.id == "float":
                findings.append(module.at(node, "banned float, use int (micro-units)"))
            if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
                findings.append(module.at(node, "banned /, use // and say how it rounds"))
    assert not findings, "\n".join(findings)


def test_sql_lives_in_sql_files() -> None:
    """Queries are in sql/queries, where a test prepares them; never in Python strings."""
    findings = []
    for module in product():
        prose = _docstrings(module.tree)
        for node in ast.walk(module.tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and id(node) not in prose and SQL_VERB.match(text):
                message = f"banned SQL {text[:30]!r}, put it into sql/queries"
                findings.append(module.at(node, message))
    assert not findings, "\n".join(findings)


def test_only_the_terminal_prints() -> None:
    """What runs unattended logs; only cli and stack speak to a terminal."""
    findings = [
        module.at(node, "banned print, use structlog")
        for module in product()
        if not module.path.startswith(PRINT_PACKAGES)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _dotted(node.func) == "print"
    ]
    assert not findings, "\n".join(findings)


def test_tasks_begin_in_few_places() -> None:
    """Pages, prices, scripts and money start no tasks: somebody else owns the call's life."""
    findings = [
        module.at(node, f"banned {_dotted(node.func)}, let exchange or app own the task")
        for module in product()
        if not module.path.removeprefix("callctl/").startswith(TASK_PACKAGES)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and _dotted(node.func).rpartition(".")[2] in {"create_task", "ensure_future"}
    ]
    assert not findings, "\n".join(findings)


def test_broad_except_gives_its_reason() -> None:
    """`except Exception` says on its line why so much is caught, unless it raises again."""
    findings = []
    for module in product():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node):
                comment = module.lines[node.lineno - 1].partition("#")[2]
                if not re.sub(r"noqa: [A-Z0-9, ]+", "", comment).strip(" -"):
                    findings.append(module.at(node, "broad except without a comment: say why"))
    assert not findings, "\n".join(findings)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything and keeps it."""
    last = handler.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    names = {_dotted(node) for node in ast.walk(handler.type)} if handler.type else {"Exception"}
    return bool(names & {"Exception", "BaseException"}) and not raises_again


def test_module_names_say_what_is_in_them() -> None:
    """No module or folder is named after nothing."""
    findings = [
        f"{module.path}: name it after what it holds, not {part!r}"
        for module in modules()
        for part in Path(module.path).with_suffix("").parts
        if part.removeprefix("_").removesuffix("_") in NAMES_FORBIDDEN
    ]
    assert not findings, "\n".join(findings)


def test_every_module_is_used() -> None:
    """A module of the product is imported by another, or is named as an entry point."""
    imported = set()
    for module in product():
        imported |= set(_imports(module))
    named = (ROOT / "pyproject.toml").read_text() + "".join(module.text for module in product())
    findings = []
    for module in product():
        name = module.path.removesuffix(".py").replace("/", ".")
        if name.endswith(("__init__", "__main__")) or name in imported:
            continue
        if not re.search(rf'"{re.escape(name)}[:"]', named):
            findings.append(f"{module.path}: imported by no module of callctl: delete it")
    assert not findings, "\n".join(findings)


def _imports(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_is_left_for_later() -> None:
    """What is to be done is an issue, not a note in a file."""
    findings = [
        f"{module.path}:{number}: {match[0]}: do it, or file an issue and delete the note"
        for module in modules()
        for number, line in enumerate(module.lines, 1)
        if (match := LATER.search(line))
    ]
    assert not findings, "\n".join(findings)


def test_error_tree_drawn_is_the_real_one() -> None:
    """The tree in the docstring of callctl.errors is the tree of its classes."""
    drawn = [
        line.strip() and line.removeprefix("    ")
        for line in (errors.__doc__ or "").splitlines()
        if re.match(r"^    [│├└ ]*(── )?[A-Z]\w+$", line)
    ]
    assert drawn == ["CallctlError", *_drawn_below(errors.CallctlError, "")]


def _drawn_below(parent: type[errors.CallctlError], indent: str) -> Iterator[str]:
    children = [child for child in parent.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        is_last = child is children[-1]
        yield f"{indent}{'└' if is_last else '├'}── {child.__name__}"
        yield from _drawn_below(child, indent + ("    " if is_last else "│   "))


def test_errors_are_told_apart_by_their_codes() -> None:
    """Each error has a kebab-case code of its own and a sentence for its default message."""
    classes = [
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type) and issubclass(thing, errors.CallctlError)
    ]
    assert len({error.code for error in classes}) == len(classes)
    for error in classes:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.code)
        assert str(error()).rstrip(".") == (error.__doc__ or "").strip().rstrip(".")


def test_no_file_names_a_developers_machine() -> None:
    """Paths are found from the project's folder; nobody else has yours."""
    suffixes = {".py", ".md", ".sh", ".sql", ".conf", ".toml", ".yaml", ".txt", ".html", ""}
    tops = ["callctl", "tests", "deploy", "docs", "sql", "dialplan", "asterisk-conf", ".ci"]
    paths = [path for top in tops for path in (ROOT / top).rglob("*") if path.suffix in suffixes]
    paths += [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml")]
    findings = []
    for path in paths:
        if path.is_file() and path != Path(__file__).resolve():
            text = path.read_text(encoding="utf-8", errors="replace")
            findings += [f"{path}: {match[0]}" for match in DEVELOPERS_PATH.finditer(text)]
    assert not findings, "\n".join(findings)
