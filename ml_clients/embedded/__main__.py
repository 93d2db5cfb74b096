"""`python -m ml_clients.embedded`: loads the models, then serves them until SIGTERM or Ctrl-C."""

import argparse
import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

from waitress import create_server  # type: ignore[import-untyped] # it has none

from ml_clients.embedded.endpoints import create_app
from ml_clients.embedded.models import ExtraMissingError, load_extras, load_models
from ml_clients.embedded.questions import MAX_PICTURE_BYTES
from ml_clients.priority import IDLE, niceness, step_back

THREADS = 32  # heavy work of four kinds holds at most twenty of them (endpoints.py)
# More than the clients keep; waitress leaves who comes on top in the listen queue.
CONNECTIONS = 1000


def main() -> int:
    """Runs the server; the exit code."""
    asked = _arguments()
    logging.basicConfig(format="model server: %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        # Loaded before the port opens: until then a client is refused at once and tries again.
        app = create_app(load_models(), load_extras(asked.ocr, asked.speech))
        server = create_server(
            app,
            host=asked.host,
            port=asked.port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            max_request_body_size=2 * MAX_PICTURE_BYTES,
            asyncore_use_poll=True,
            ident=None,
        )
    except (OSError, ValueError, ExtraMissingError) as error:
        print(f"model server cannot start: {error}", file=sys.stderr)
        return 1
    step_back(asked.niceness)
    print(f"model server ready http://{asked.host}:{server.effective_port}", flush=True)
    server.run()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ml_clients.embedded", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", default=5001, type=int, help="the port, 0 for any free one")
    parser.add_argument("--ocr", action="store_true", help="read text in pictures as well, where that is installed")
    parser.add_argument("--speech", action="store_true", help="write down speech as well, where that is installed")
    parser.add_argument("--niceness", default=IDLE, type=niceness, help="idle (for others), or 0 to 19")
    return parser.parse_args()


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Waitress takes this as the wish to stop: it lets running requests end for up to 5 s.
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
