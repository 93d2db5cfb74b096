"""`python -m ml_clients.small_llm --port 5002`: serves the small language model until SIGTERM."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from ml_clients.priority import niceness, step_back
from ml_clients.small_llm import CONTEXT_TOKENS, NAME

WEIGHTS = Path(__file__).parent / "models" / "smollm2.gguf"
CALLS = 4  # answered at a time; others wait
QUIET = -1  # llama.cpp's verbosity: its log is long, and nobody reads it


def main() -> int:
    """Serve until told to stop; 1 when it is not installed, or cannot start."""
    parser = argparse.ArgumentParser(prog="python -m ml_clients.small_llm", description=__doc__)
    parser.add_argument("--port", default=5002, type=int, help="the port")
    parser.add_argument(
        "--niceness", default="idle", type=niceness, help="how far it stands back for others: idle, or 0 to 19"
    )
    asked = parser.parse_args()
    try:
        import xllamacpp
    except ImportError:
        print("the small language model is not installed: `LLM=1 make run` installs it", file=sys.stderr)
        return 1
    if not WEIGHTS.is_file():
        print(f"{WEIGHTS} is missing: `LLM=1 make run` fetches it", file=sys.stderr)
        return 1
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before its threads are made, which inherit it
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, asked.port))
    except RuntimeError as error:
        print(f"the small language model cannot start: {error}", file=sys.stderr)
        return 1
    step_back(asked.niceness)
    print(f"language model server ready {server.listening_address}/v1 ({NAME})", flush=True)
    signal.sigwait(stop)
    return 0


def _parameters(xllamacpp: Any, port: int) -> Any:
    wanted = xllamacpp.CommonParams()
    wanted.model.path, wanted.model_alias = str(WEIGHTS), {NAME}
    wanted.hostnames, wanted.port = ["127.0.0.1"], port
    wanted.n_ctx, wanted.n_parallel = CONTEXT_TOKENS * CALLS, CALLS
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.verbosity, wanted.ui, wanted.offline = QUIET, False, True
    return wanted


if __name__ == "__main__":
    sys.exit(main())
