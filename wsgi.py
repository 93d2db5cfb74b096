"""The web process alone: patch first, then serve."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app import streams
from app.lean import without
from app.settings import SettingInvalid, Settings, from_env

if TYPE_CHECKING:
    from app.concurrency import Concurrency
    from app.process import Server


def main() -> int:
    """Serve until told to stop; 0 after a graceful end, 2 when the start fails (1: the database was away), with one sentence."""
    streams.never_block()
    parser = argparse.ArgumentParser(prog="python wsgi.py", description=__doc__)
    parser.add_argument("--ready-file", type=Path, help="gets its process ID once it listens")
    asked = parser.parse_args()
    try:
        settings = from_env()
    except SettingInvalid as error:
        print(error, file=sys.stderr)
        return 2
    with without("rich"):  # structlog would format tracebacks with it, had app/logs.py not done so before
        from app.concurrency import patch

        concurrency = patch(settings.async_mode)  # before anything else is imported
        from app import create_app, logs
    from app.auth.keys import KeysInvalid
    from app.store.store import StoreRefused, StoreUnavailable, StoreUnreachable
    from app.tasks import TaskDeclarationInvalid

    logs.set_up(settings.log_format, settings.log_level)
    try:
        server = create_app(settings, concurrency)
        server.start()
    except (StoreRefused, SettingInvalid, TaskDeclarationInvalid, KeysInvalid) as error:
        print(error, file=sys.stderr)
        return 2
    except StoreUnreachable as error:  # it may be back when a supervisor starts this again
        print(error, file=sys.stderr)
        return 1
    except StoreUnavailable as error:  # it could be opened and not be read: damaged inside, or gone
        print(f"the database {settings.database_name} cannot be used: {error}", file=sys.stderr)
        return 1 if settings.is_shared else 2
    return _serve(server, settings, concurrency, asked.ready_file)


def _serve(server: Server, settings: Settings, concurrency: Concurrency, ready_file: Path | None) -> int:
    from app.data_dir import say_ready

    def ready(port: int) -> None:
        print(f"web ready http://{settings.host}:{port}", flush=True)
        say_ready(ready_file)

    try:
        concurrency.serve(
            server.flask,
            server.transport.listener,
            settings.host,
            settings.port,
            settings.max_clients + 256,
            ready,
            server.drain,
        )
    except OSError as error:
        print(f"PORT={settings.port} cannot be listened on: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
