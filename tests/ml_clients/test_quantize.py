from pathlib import Path

from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.models import FILES
from ml_clients.embedded.quantize import int8_copy

LINES = ["My chest hurts and I can't breathe", "hello doctor", "Could you move my visit to Friday?", "ok thx"]


def test_multiplying_in_int8_hardly_moves_an_embedding(encoder: Encoder) -> None:
    original = Encoder.of(FILES / "minilm.onnx", FILES)
    for line in LINES:
        assert original.embed(line) @ encoder.embed(line) > 0.97


def test_every_weight_is_multiplied_in_int8_and_the_copy_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").symlink_to(FILES / "minilm.onnx")
    copy = int8_copy(tmp_path / "model.onnx")
    # Six layers of six weights; the twelve other products are of two activations.
    assert copy.read_bytes().count(b"DynamicQuantizeMatMul") == 36
    made = copy.stat().st_mtime_ns
    assert int8_copy(tmp_path / "model.onnx") == copy
    assert copy.stat().st_mtime_ns == made
