"""Which file may know what. Each rule has its reason; a rule that stands in the way is changed here, in the open."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from app.compare.system import ROOT
from tests.guest import WAIT

FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "wsgi.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "ml_clients").rglob("*.py")]
)

# library: where it is at home (a folder ends in /), and why nowhere else
HOMES = {
    "eventlet": (["app/concurrency/green.py"], "leaving eventlet is one file"),
    "greenlet": (["app/concurrency/green.py"], "as eventlet"),
    "gevent": ([], "there is one concurrency library, and it is eventlet"),
    "nats": (["app/queue/"], "its errors stop there, and the simple path never loads it"),
    "flask": (
        ["app/server.py", "app/process.py", "app/web/", "ml_clients/embedded/"],
        "event handlers and tasks need no web request",
    ),
    "flask_socketio": (["app/server.py"], "its decorators push a request context for every event"),
    "werkzeug": (["app/concurrency/threads.py", "app/web/errors.py", "ml_clients/embedded/"], "as flask"),
    "socketio": (
        [
            "app/transport/upstream/",
            "app/backplane/outside.py",
            "app/chat/packets.py",
            "app/server.py",
            "app/compare/",
            "app/__main__.py",
        ],
        "events arrive and leave in the chat, clients drive it",
    ),
    "engineio": (["app/transport/upstream/"], "its private names are known in one place"),
    "websockets": (["app/transport/frames.py"], "we use its mask, and no more"),
    "openfeature": (["app/flags/provider.py"], "another flag service is another provider, and nothing else"),
    "prometheus_client": (["app/metrics.py"], "every figure is declared in one place"),
    "joserfc": (["app/auth/"], "tokens are made and checked in one place"),
    "itsdangerous": (["app/links.py"], "links are signed and checked in one place"),
    "PIL": (
        ["app/pictures.py", "ml_clients/embedded/", "app/compare/driver.py"],
        "images are looked at where they come in; drivers make some to send",
    ),
    "sqlalchemy": (
        [
            "app/store/",
            "app/retention.py",
            "app/uploads.py",
            "app/flags/flags.py",
            "app/controls/controls.py",
            # they write queries that run in the store's readers
            "app/jobs/ledger.py",
            "app/jobs/search.py",
            "app/jobs/dead_letters.py",
            "app/jobs/resume.py",
            "app/callbacks/kept.py",
            "app/chat/reading.py",
            "app/chat/choices.py",
            "app/controls/controls.py",
            "app/web/api.py",
            "app/ownership/claims.py",
            "app/paths/shares.py",
        ],
        "the store is the one way to the database; others write functions that run inside its transactions",
    ),
    "alembic": (["app/store/migrations/"], "a database is brought up to date in one place"),
    "sqlite3": (["app/store/sqlite.py", "app/store/checkpoints.py"], "PostgreSQL is a sibling of one file"),
    "psycopg": (["app/store/postgres/"], "its errors stop there, and who has SQLite never loads it"),
    "httptools": (
        ["ml_clients/connection.py", "app/outgoing.py"],
        "answers of models, and of others, are parsed where they are received",
    ),
    "requests": (
        ["app/commands/", "app/compare/driver.py", "app/compare/system.py"],
        "only commands and test drivers call us over HTTP",
    ),
    "xllamacpp": (["ml_clients/small_llm/"], "the language model runs in a process of its own"),
    "waitress": (["ml_clients/embedded/"], "it serves the models"),
    "onnxruntime": (["ml_clients/embedded/"], "models run in the model server"),
    "numpy": (["ml_clients/embedded/"], "as onnxruntime"),
    "psutil": (["app/compare/"], "drivers look at the processes of a system, the system does not"),
    "aiohttp": (["ml_clients/synthetic/"], "thousands of made-up answers wait at once there"),
    "click": (["app/__main__.py", "app/commands/", "app/worker.py"], "command lines are read at the edge"),
    "jinja2": (["app/compare/report.py"], "our own pages are files that Flask sends; only the report is filled in"),
    "markupsafe": (
        ["app/compare/plots.py"],
        "what is markup and what is text is decided where it is drawn",
    ),
    "rich": (
        ["app/__main__.py", "app/commands/", "app/compare/"],
        "only commands write to a terminal; what they print never reaches the system itself",
    ),
    "asyncio": (
        [
            "app/queue/",
            "app/backplane/",
            "app/ownership/",
            "app/worker.py",
            "app/concurrency/",
            "app/transport/",
            "app/store/",
            "app/jobs/",
            "app/paths/",
            "app/chat/choices.py",
            "app/controls/controls.py",
            "app/chat/desk.py",
            "app/chat/events.py",
            "app/chat/services.py",
            "app/callbacks/callbacks.py",
            "app/chat/expiry.py",
            "app/outgoing.py",
            "app/due.py",
            "app/next_due.py",
            "app/effects.py",
            "app/loops.py",
            "app/uploads.py",
            "app/__main__.py",
            "app/commands/streams.py",
            "app/compare/",
            "ml_clients/synthetic/",
        ],
        "tasks, web and flags need no loop: they are plain functions",
    ),
}

# layer: what it may not import, directly (imports run one way: docs/architecture.md)
ABOVE = {
    "ml_clients/": ["app"],
    "app/contract.py": [
        "app.jobs",
        "app.paths",
        "app.chat",
        "app.web",
        "app.server",
        "app.store",
        "app.queue",
        "app.tasks",
    ],
    "app/payload.py": ["app."],
    "app/tasks/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.store", "app.queue"],
    "app/store/": [
        "app.jobs",
        "app.paths",
        "app.chat",
        "app.web",
        "app.server",
        "app.tasks",
        "app.queue",
        "app.effects",
    ],
    "app/jobs/": ["app.ownership", "app.chat", "app.web", "app.server", "app.queue"],
    "app/paths/": [
        "app.chat",
        "app.web",
        "app.server",
        "app.jobs.lifecycle",
        "app.jobs.transitions",
        "app.jobs.ledger",
    ],
    "app/rooms.py": ["app.chat", "app.web", "app.server", "app.queue", "app.paths", "app.store"],
    "app/effects.py": ["app.chat", "app.web", "app.server", "app.queue", "app.paths", "app.store"],
    "app/publisher.py": ["app.chat", "app.web", "app.server", "app.queue", "app.store"],
    "app/auth/": [
        "app.chat",
        "app.web",
        "app.server",
        "app.queue",
        "app.paths",
        "app.store",
        "app.jobs",
        "app.transport",
    ],
    "app/outgoing.py": ["app.chat", "app.web", "app.server", "app.queue", "app.paths", "app.jobs", "app.transport"],
    "app/chat/": ["app.ownership", "app.web", "app.server", "app.queue", "app.paths"],
    # of the chat it knows what takes messages and jobs of other programs
    "app/web/": ["app.chat.desk", "app.chat.events", "app.chat.clients", "app.server", "app.paths"],
    # it carries frames, whatever is in them
    "app/backplane/": [
        "app.chat",
        "app.web",
        "app.server",
        "app.queue",
        "app.paths",
        "app.jobs",
        "app.store",
        "app.rooms",
    ],
    "app/ownership/": ["app.web", "app.server", "app.queue", "app.paths"],
    "app/callbacks/": ["app.chat", "app.web", "app.server", "app.queue", "app.paths", "app.jobs.lifecycle"],
    "app/controls/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.queue"],
    "app/flags/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.queue"],
    "app/queue/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.store"],
    "app/documents/": [
        "app.jobs",
        "app.paths",
        "app.chat",
        "app.web",
        "app.server",
        "app.queue",
        "app.store",
        "app.auth",
    ],
    "app/answers/": [
        "app.jobs",
        "app.paths",
        "app.chat",
        "app.web",
        "app.server",
        "app.queue",
        "app.store",
        "app.tasks",
    ],
    "app/live/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.queue", "app.metrics"],
    "app/concurrency/": ["app.transport", "app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.store"],
    "app/transport/": ["app.jobs", "app.paths", "app.chat", "app.web", "app.server", "app.store", "app.tasks"],
    "app/worker.py": ["app.paths", "app.chat", "app.web", "app.server", "app.store"],
    # it measures from outside, as anybody could: what it knows of the system it has seen as a client
    "app/compare/": ["app.paths", "app.chat", "app.web", "app.server", "app.store", "app.queue", "app.jobs"],
}

ENVIRONMENT = {
    "app/settings.py": "reads it, once",
    "app/run.py": "sees whether ML_URL and NATS_URL are set",
    "app/cluster.py": "as run.py",
    "app/supervisor.py": "hands it on to its children",
    "app/compare/system.py": "hands it on to its children",
    "app/concurrency/green.py": "sets EVENTLET_HUB, which eventlet reads at its import",
}


@cache
def tree(file: str) -> ast.Module:
    """The file as it is written."""
    return ast.parse((ROOT / file).read_text())


@cache
def imports(file: str) -> set[str]:
    """Every module a file imports, at its top or inside a function; not those for type checkers only."""
    found: set[str] = set()
    for node in _running(tree(file)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found |= {node.module or "", *(f"{node.module}.{each.name}" for each in node.names)}
    return found


@cache
def _all_imports(file: str) -> set[str]:
    """Every module of a file's imports, those for type checkers and inside functions included."""
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


def _running(node: ast.AST) -> Iterable[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _running(child)


def at_home(file: str, homes: Iterable[str]) -> bool:
    """Whether the file is one of these or in one of these folders."""
    return any(file == home or (home.endswith("/") and file.startswith(home)) for home in homes)


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_known_in_its_home_only(library: str) -> None:
    homes, reason = HOMES[library]
    strays = [
        file
        for file in FILES
        if not at_home(file, homes) and any(each.split(".")[0] == library for each in imports(file))
    ]
    assert not strays, f"{library} is imported by {strays}, but {reason}"


def test_no_import_for_types_closes_a_circle_inside_a_package() -> None:
    """A circle that only the type checker sees is a circle all the same: two files that cannot be read one by one."""
    edges = {file: {each.replace(".", "/") + ".py" for each in _all_imports(file)} & set(FILES) for file in FILES}
    for file in FILES:
        reached, left = set(), list(edges[file])
        while left:
            other = left.pop()
            if other not in reached:
                reached.add(other)
                left += edges[other]
        assert file not in reached, f"{file} is reached by its own imports"


@pytest.mark.parametrize("layer", ABOVE)
def test_imports_run_one_way(layer: str) -> None:
    files = [file for file in FILES if at_home(file, [layer])]
    assert files, f"there is no {layer} any more"
    for file in files:
        for above in ABOVE[layer]:
            wrong = {each for each in imports(file) if f"{each}.".startswith(f"{above.rstrip('.')}.")}
            assert not wrong, f"{file} imports {wrong}, which is above it"


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        file
        for file in FILES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv", "environb", "putenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers <= set(ENVIRONMENT), f"{readers - set(ENVIRONMENT)} reads the environment: settings are handed in"


def test_the_package_imports_nothing_at_its_top() -> None:
    for node in tree("app/__init__.py").body:
        assert not isinstance(node, ast.Import)
        assert not (isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "typing"))


def test_only_routing_asks_the_flag_and_only_create_app_hands_it_over() -> None:
    for file in FILES:
        if at_home(file, ["app/flags/", "app/server.py", "app/queue/"]):
            continue
        calls = {ast.unparse(node.func) for node in ast.walk(tree(file)) if isinstance(node, ast.Call)}
        asking = {call for call in calls if call.endswith(("._ask", "flags.ask"))}
        assert not asking or file == "app/paths/routing.py", f"{file}: {asking}"


def test_no_handler_needs_a_web_request() -> None:
    for file in FILES:
        if at_home(file, ["app/chat/", "app/jobs/", "app/paths/", "app/tasks/"]):
            assert not {each for each in imports(file) if each.startswith("flask")}, file


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        (
            "app.worker",
            ["flask", "flask_socketio", "socketio", "eventlet", "sqlalchemy", "openfeature", "PIL", "requests"],
        ),
        ("app.run", ["flask", "eventlet", "sqlalchemy", "nats", "requests", "socketio"]),
        ("app.settings", ["flask", "eventlet", "sqlalchemy", "nats", "msgspec"]),
        ("app.server", ["nats", "psycopg"]),
        ("app.tasks", ["flask", "eventlet", "sqlalchemy", "nats"]),
        ("ml_clients", ["app", "flask", "numpy", "onnxruntime", "eventlet", "requests"]),
    ],
)
def test_what_a_module_loads_in_the_end(module: str, absent: list[str]) -> None:
    """Whatever the chain of imports: looked up in a fresh interpreter."""
    ask = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}} & set({absent!r})))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ask], cwd=ROOT, capture_output=True, text=True, timeout=WAIT, check=True
    )
    assert done.stdout.split() == []


def test_no_file_is_a_place_for_everything() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
    assert not [file for file in FILES if vague & {Path(part).stem for part in Path(file).parts}]


def test_files_and_functions_can_be_read_in_one_sitting() -> None:
    for file in FILES:
        assert len((ROOT / file).read_text().splitlines()) <= 400, f"{file} has more than 400 lines"
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                allowed = 80 if node.name in ("create_app", "api") else 45  # they only put parts together
                assert length <= allowed, f"{file}: {node.name} has {length} lines"


def test_an_exception_is_made_where_it_is_raised() -> None:
    """One that is made once and raised again and again keeps every frame that it ever passed, and so grows for ever."""
    found = [
        f"{file}:{node.lineno}"
        for file in FILES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id.isupper()
    ]
    assert found == []
