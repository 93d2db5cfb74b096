"""Sentence embeddings with MiniLM: texts that mean alike get vectors that point alike."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_clients.embedded.cache import Cache
from ml_clients.embedded.quantize import int8_copy
from ml_clients.embedded.tokenizer import Tokenizer

Vector = npt.NDArray[np.float32]

# What the model was trained to take in; longer text is cut by the callers where it makes sense.
MAX_TOKENS = 128
# 1.5 KB each: 30 MB.
CACHED = 20_000


class Encoder:
    """Turns a text into a vector of 384 numbers and length 1; safe to use from many threads."""

    def __init__(self, session: onnxruntime.InferenceSession, tokenizer: Tokenizer) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._cache: Cache[bytes, Vector] = Cache(CACHED)

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """The encoder of the files that deploy/assets.py puts in this folder, made quicker."""
        return cls.of(int8_copy(folder / "minilm.onnx"), folder)

    @classmethod
    def of(cls, model: Path, folder: Path) -> "Encoder":
        """The encoder of this model, with the vocabulary of the folder."""
        options = onnxruntime.SessionOptions()
        # One thread a call: calls run beside each other, and leave the other cores to the chat.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return cls(session, Tokenizer.from_file(folder / "vocabulary.json"))

    def embed(self, text: str) -> Vector:
        """The vector of the first 128 word pieces of a text."""
        key = hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()
        vector = self._cache.get(key)
        if vector is None:
            vector = self._compute(text)
            self._cache.put(key, vector)
        return vector

    def _compute(self, text: str) -> Vector:
        # One text at a time: a batch gains nothing on one thread, and would pad the short ones.
        tokens = np.array([self._tokenizer.encode(text, MAX_TOKENS)], dtype=np.int64)
        inputs = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": np.zeros_like(tokens),
        }
        states = self._session.run(["last_hidden_state"], inputs)[0]
        mean: Vector = np.asarray(states, dtype=np.float32)[0].mean(axis=0)
        mean /= np.linalg.norm(mean)
        # Handed to many callers by the cache: nobody may change it.
        mean.setflags(write=False)
        return mean
