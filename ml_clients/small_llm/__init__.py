"""A small language model on this machine: SmolLM2-135M behind llama.cpp's own server, which is OpenAI-compatible.

Alone in knowing xllamacpp. It writes fluently and is often wrong: good for trying, never for people.
"""

NAME = "smollm2-135m"
CONTEXT_TOKENS = 2048  # of one call, question and answer together
