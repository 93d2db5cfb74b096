"""Taking the masks off websocket frames, against the byte-by-byte way of RFC 6455.

In a process of its own: importing app.concurrency.green imports eventlet, which tests must not run on.
"""

from __future__ import annotations

import subprocess
import sys

from app.compare.system import ROOT
from tests.guest import WAIT

COMPARE = """
from hypothesis import given, settings, strategies as st
from app.concurrency.green import unmask

def naive(data, mask, length=None, offset=0):
    size = len(data) if length is None else length
    return bytes(byte ^ mask[(offset + i) % 4] for i, byte in enumerate(data[:size]))

masks = st.tuples(*[st.integers(0, 255)] * 4)

@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), masks, st.integers(0, 9), st.data())
def compare(data, mask, offset, more):
    assert unmask(data, mask) == naive(data, mask)
    length = more.draw(st.integers(0, len(data)))
    assert unmask(data, mask, length, offset) == naive(data, mask, length, offset)
    whole = unmask(data, mask)
    assert unmask(data[:length], mask) + unmask(data[length:], mask, None, length) == whole

compare()
assert unmask(b"", (1, 2, 3, 4)) == b""
assert naive(unmask(b"x" * 300_000, (7, 0, 255, 1)), (7, 0, 255, 1)) == b"x" * 300_000
"""


def test_unmasking_in_one_step_is_the_same_as_byte_by_byte() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPARE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
