"""Earlier messages of the room that mean the same."""

from app.tasks import Line, Text, task
from ml_clients import likeness as model
from ml_clients.likeness import Similar


@task(history=500, lane="heavy", timeout=60)
def similar(text: Text, history: list[Line]) -> Similar:
    """Earlier messages like this one"""
    return model.similar(text, [line for line in history if line["text"] != text])
