"""AsyncAPI 3.0 of every event of Socket.IO and every message on the queue: https://www.asyncapi.com/docs/reference/specification/v3.0.0

A document is written from the application's side: it receives what clients send, and sends what they see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.answers.answer import ErrorView
from app.answers.events import ACKS, SENT, Accepted, Refusal
from app.contract import Auth, DeltaMessage, JobMessage, JobRequest, ResultMessage, TextRequest
from app.documents.schemas import Schema, Schemas
from app.documents.words import ABOUT, VERSION
from app.tasks import Task

CLIENTS, CONNECTING = "clients", "connecting"
QUEUE = (JobMessage, ResultMessage, DeltaMessage, TextRequest)
PARAMETERS = {"job": "its ID", "room": "its name", "task": "its name"}  # of addresses


class EventNotDeclared(Exception):
    """An event has no types; the message names it."""


def asyncapi(events: Mapping[str, Any], bearer: Any, tasks: Mapping[str, Task], codes: Iterable[str]) -> Schema:
    """The document of these events of clients, with the type of each one's data. Raises EventNotDeclared.

    `bearer` is what a client brings under AUTH=token; `codes` are those of errors.
    """
    if set(events) != set(ACKS):
        raise EventNotDeclared(f"app/answers/events.py: ACKS lacks or adds {sorted(set(events) ^ set(ACKS))}")
    of_tasks = [kind for task in tasks.values() for kind in (task.arguments, task.returns)]
    kinds = [*events.values(), *ACKS.values(), *SENT.values(), *of_tasks]
    schemas = Schemas([*kinds, Refusal, JobRequest, ErrorView, Auth, bearer, *QUEUE])
    schemas.components["ErrorView"]["properties"]["code"] = {"type": "string", "enum": list(codes)}
    parts = [_connect(bearer, schemas), _clients(events, schemas), _queue(tasks, schemas)]
    channels = {name: channel for found, _ in parts for name, channel in found.items()}
    operations = {name: operation for _, found in parts for name, operation in found.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Spillway's events", "version": VERSION, "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "web": {
                "host": "{host}",
                "pathname": "/socket.io/",
                "protocol": "socketio",
                "protocolVersion": "5",
                "variables": {"host": {"default": "127.0.0.1:5000"}},
            },
            "broker": {
                "host": "{host}",
                "protocol": "nats",
                "variables": {"host": {"default": "127.0.0.1:4222"}},
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas.components},
    }


Part = tuple[dict[str, Schema], dict[str, Schema]]
"""Channels and operations."""


def _connect(bearer: Any, schemas: Schemas) -> Part:
    """The connect packet and what refuses it."""
    either = {"oneOf": [schemas.of(Auth), schemas.of(bearer)]}
    messages = {
        "connect": {"name": "connect", "summary": "auth: under AUTH=open a name, otherwise a token", "payload": either},
        "connect_error": {"name": "connect_error", "payload": schemas.of(ErrorView)},
    }
    channel = _channel("/", "web", messages, "A connection to the namespace, before it is accepted")
    return {CONNECTING: channel}, {"receive_connect": _operation("receive", CONNECTING, "connect")}


def _clients(events: Mapping[str, Any], schemas: Schemas) -> Part:
    """Events on an accepted connection, and their acks."""
    messages: dict[str, Schema] = {"refusal": {"name": "ack", "payload": schemas.of(Refusal)}}
    operations = {}
    for event, kind in events.items():
        key = _key(event)
        messages[key] = {"name": event, "payload": schemas.of(kind)}
        messages[f"{key}_ack"] = {"name": "ack", "payload": schemas.of(ACKS[event])}
        replies = [f"{key}_ack", "refusal"]
        operations[f"receive_{key}"] = _operation("receive", CLIENTS, key, replies)
    for event, kind in SENT.items():
        key = f"{_key(event)}_sent"  # `typing` goes both ways
        messages[key] = {"name": event, "payload": schemas.of(kind)}
        operations[f"send_{_key(event)}"] = _operation("send", CLIENTS, key)
    return {CLIENTS: _channel("/", "web", messages, "An accepted connection")}, operations


def _queue(tasks: Mapping[str, Task], schemas: Schemas) -> Part:
    """Jobs and results on JetStream, and what is told about cancelled jobs."""
    channels: dict[str, Schema] = {}
    operations: dict[str, Schema] = {}
    for name, task in tasks.items():
        job = _with(schemas.of(JobMessage), "args", schemas.of(task.arguments))
        result = _with(schemas.of(ResultMessage), "result", schemas.of(task.returns))
        several = {"anyOf": [result, {"type": "array", "minItems": 1, "items": result}]}
        _add(channels, operations, "send", f"jobs_{name}", f"jobs.{task.lane}.{name}", {"job": job}, task.about)
        _add(channels, operations, "receive", f"results_{name}", f"results.{name}", {"results": several}, task.about)
        if task.streams:
            delta = {"delta": schemas.of(DeltaMessage)}
            _add(channels, operations, "receive", f"deltas_{name}", f"deltas.{name}.{{job}}", delta, task.about)
    text: dict[str, Schema] = {"question": schemas.of(TextRequest), "answer": schemas.of(DeltaMessage)}
    _add(channels, operations, "send", "text", "text.{job}", text, "What has the attempt written from there on?")
    operations["send_text"]["reply"] = _reply("text", ["answer"])
    word: Schema = {"type": "string"}
    _add(channels, operations, "send", "cancel", "cancel.{job}", {"cancelled": word}, "A job is cancelled")
    _add(channels, operations, "send", "pause", "pause.{task}", {"paused": word}, "A task is paused")
    asked: dict[str, Schema] = {"question": word, "answer": {"enum": [0, 1]}}
    _add(channels, operations, "receive", "cancelled", "cancelled.{job}", asked, "Is it cancelled, or over?")
    operations["receive_cancelled"]["reply"] = _reply("cancelled", ["answer"])
    replies = {"accepted": schemas.of(Accepted), "refusal": schemas.of(Refusal)}
    asking = {"request": schemas.of(JobRequest), **replies}
    _add(
        channels,
        operations,
        "receive",
        "requests",
        "requests.{room}.{task}",
        asking,
        "A job is asked for (NATS_INTAKE)",
    )
    operations["receive_requests"]["reply"] = _reply("requests", replies)
    unread = "What a worker could not read"
    _add(channels, operations, "receive", "dead", "dead.JOBS", {"unread": word}, unread)
    return channels, operations


def _with(message: Schema, field: str, kind: Schema) -> Schema:
    return {"allOf": [message, {"properties": {field: kind}}]}


def _add(
    channels: dict[str, Schema],
    operations: dict[str, Schema],
    action: str,
    name: str,
    subject: str,
    payloads: Mapping[str, Schema],
    about: str,
) -> None:
    messages = {key: {"name": key, "payload": payload} for key, payload in payloads.items()}
    channels[name] = _channel(subject, "broker", messages, about)
    operations[f"{action}_{name}"] = _operation(action, name, next(iter(payloads)))


def _channel(address: str, server: str, messages: Schema, about: str) -> Schema:
    channel: Schema = {"address": address, "description": about, "servers": [{"$ref": f"#/servers/{server}"}]}
    names = re.findall(r"{(\w+)}", address)
    if names:
        channel["parameters"] = {name: {"description": PARAMETERS[name]} for name in names}
    return {**channel, "messages": messages}


def _operation(action: str, channel: str, message: str, replies: Iterable[str] = ()) -> Schema:
    operation: Schema = {"action": action, **_reply(channel, [message])}
    replies = list(replies)
    return {**operation, "reply": _reply(channel, replies)} if replies else operation


def _reply(channel: str, messages: Iterable[str]) -> Schema:
    place = f"#/channels/{channel}"
    return {"channel": {"$ref": place}, "messages": [{"$ref": f"{place}/messages/{each}"} for each in messages]}


def _key(event: str) -> str:
    return event.replace(":", "_")
