"""Where messages and jobs are accepted, whoever brings them and however: the same checks, limits and operations for all.

An answer is an operation, acknowledged when it is committed, or a coroutine that ends in one where something must be
read first. A refusal is raised. The room is in memory, and stays there meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import msgspec

from app.auth.grant import ANSWERING, Grant, Role
from app.chat.loading import Loading
from app.chat.overlap import Overlap, Replaced
from app.chat.post import Post
from app.chat.waiting import Waiting
from app.contract import MAX_RESULT_BYTES, Create, Person, Send
from app.jobs.consequences import UserCode, fitting, wants_message
from app.jobs.job import Job
from app.jobs.lifecycle import Lifecycle
from app.jobs.making import new_job, put_off
from app.jobs.transitions import Accept
from app.payload import Refused
from app.rooms import Rooms
from app.settings import Settings, what_is_missing
from app.store.operation import Operation
from app.tasks import Task, on_message
from app.uploads import Uploads
from app.zones import is_zone, written

Accepted = Operation | Coroutine[Any, Any, Operation]


class Wishes(NamedTuple):
    """What programs may ask of a job besides: to be called back at this address, and not to start for so long.

    `task_s` is for how long its task does not let it start.
    """

    callback: str | None = None
    delay_s: float = 0.0
    task_s: float = 0.0


NO_WISHES = Wishes()
MAX_DELAYED = 100  # jobs of one person in one room whose tasks let them start later
SOON_SECONDS = 1.0  # what starts within them waits with the others, and there must be room for it


class Intake:
    """Checks what somebody brings, and makes the operation that stores it."""

    def __init__(
        self,
        rooms: Rooms,
        loading: Loading,
        tasks: Mapping[str, Task],
        life: Lifecycle,
        user_code: UserCode,
        waiting: Waiting,
        uploads: Uploads,
        check_callback: Callable[[str], None],
        settings: Settings,
    ) -> None:
        """`check_callback` raises Refused for an address that must not be called back."""
        self._rooms, self._loading, self._tasks, self._life = rooms, loading, tasks, life
        self._user_code, self._waiting, self._uploads = user_code, waiting, uploads
        self._check_callback = check_callback
        self._overlap = Overlap(life)
        self._on_message = on_message(tasks)
        self._unless_chosen = [task for task in self._on_message if task.on]
        self._conditional = any(task.when or task.history for task in self._unless_chosen)
        self.draining = False
        self._configured, self._zone = settings.given, settings.time_zone
        self._is_open = settings.auth == "open"

    def check_open(self) -> None:
        """Raise Refused(draining) when nothing new is accepted any more."""
        if self.draining:
            raise Refused("draining", "the server is restarting: send it again in a moment", retry_after=1.0)

    # Messages

    def message(self, sender: Person, what: Send, role: Role) -> Accepted:
        """Store a message, show it to the room and start its jobs; a resend changes nothing."""
        _check_zone(what.zone)
        chosen = self._rooms[what.room].chosen
        if self._conditional or chosen or what.upload is not None or what.draft is not None:
            return self._message_after_reading(sender, what, role)
        return self._post(sender, what, role, self._unless_chosen, {})

    async def _message_after_reading(self, sender: Person, what: Send, role: Role) -> Operation:
        if what.upload is not None and not await self._uploads.is_in(what.room, what.upload):
            raise Refused("not_found", f"there is no upload {what.upload} in room {what.room}", "upload")
        draft = await self._draft(what) if what.draft is not None else None
        here = [task for task in self._on_message if self._rooms[what.room].runs(task)]
        wanted = [task for task in here if await wants_message(self._user_code, task, what.text)]
        histories = {task.name: await self._loading.history(what.room, task.history) for task in wanted if task.history}
        return self._post(sender, what, role, wanted, histories, draft)

    async def _draft(self, what: Send) -> Job:
        """The draft from which a message was made; raises Refused."""
        job = await self._life.look_up(what.draft or "")
        if job is None or job.room != what.room or not self._life.is_draft(job.task):
            raise Refused("not_found", f"there is no draft {what.draft} in room {what.room}", "draft")
        if not job.final:
            raise Refused("conflict", "this draft is still being written: wait, or cancel it", "draft", job=job.id)
        return job

    def _post(
        self,
        sender: Person,
        what: Send,
        role: Role,
        wanted: list[Task],
        histories: dict[str, Any],
        draft: Job | None = None,
    ) -> Post:
        room = self._rooms[what.room]
        started = []
        text_alone = msgspec.json.encode({"text": what.text}).decode() if wanted else ""  # all that most tasks take
        for task in wanted:
            args: dict[str, Any] = {"text": what.text} if "text" in task.arguments.__struct_fields__ else {}
            if "written" in task.given:
                args["written"] = written(time.time(), what.zone or self._zone)
            if task.history:
                args["history"] = fitting(histories[task.name], len(what.text) * 4)
            encoded = text_alone if len(args) == 1 and "text" in args else msgspec.json.encode(args).decode()
            job = new_job(task, room.name, encoded, sender.id, sender.name)
            if self._life.routing.is_full(task.name, room.name):
                job.state, job.finished, job.delivered = "skipped", job.at, True
            started.append(job)
        answering = role if role in ANSWERING and not self._is_open else None
        return Post(self._life, room, sender, what, started, self._waiting.wrote, draft, answering)

    # Jobs

    def check_draft(self, task: str, grant: Grant) -> None:
        """Raise Refused(forbidden) for those who must not see what the task writes."""
        if self._life.is_draft(task) and not (grant.answers_people or grant.role == "service"):
            raise Refused("forbidden", f"{task} writes drafts for those who answer: role staff or operator", "task")

    def job(self, sender: Person, what: Create, wishes: Wishes = NO_WISHES) -> Accepted:
        """Accept a job; a resend changes nothing."""
        task = self._tasks.get(what.task)
        if task is None or "request" not in task.runs:
            known = ", ".join(name for name, each in self._tasks.items() if "request" in each.runs)
            raise Refused("unknown_task", f"there is no task {what.task!r} to ask for: expected one of {known}", "task")
        args = task.check(what.args, values_are_checked=True)  # when it was read
        _check_zone(what.zone)
        if wishes is not NO_WISHES:
            self._check(wishes)
        if (missing := what_is_missing(task.needs, self._configured)) is not None:
            raise Refused("conflict", f"{task.name} is not configured: {missing}", "task")
        if task.history or "upload" in args or task.delay is not None or self._overlap.concerns(task, what):
            return self._job_after_reading(sender, what, wishes, task, args)
        return self._request(sender, what, wishes, task, args, args)

    def _check(self, wishes: Wishes) -> None:
        if wishes.callback is not None:
            self._check_callback(wishes.callback)
        if wishes != NO_WISHES and not self._life.durable:
            raise Refused("conflict", "LEDGER=off keeps no jobs: none can be delayed, or called back about")

    async def _job_after_reading(
        self, sender: Person, what: Create, wishes: Wishes, task: Task, args: dict[str, Any]
    ) -> Operation:
        if "upload" in args and not await self._uploads.is_in(what.room, args["upload"]):
            raise Refused("not_found", f"there is no upload {args['upload']} in room {what.room}", "args.upload")
        room = self._rooms[what.room]
        wishes = await self._with_delay(sender, what, wishes, task, args)
        replaced = None
        if self._overlap.concerns(task, what) and not wishes.delay_s:
            replaced = await self._overlap.make_way(sender, what, task, room)
        given = dict(args)
        if task.history:
            lines = await self._loading.history(what.room, task.history)
            given["history"] = fitting(lines, len(msgspec.json.encode(args)))
        return self._request(sender, what, wishes, task, args, given, replaced)

    async def _with_delay(
        self, sender: Person, what: Create, wishes: Wishes, task: Task, args: dict[str, Any]
    ) -> Wishes:
        """The wishes, and when the task itself is to start, where that is later; raises Refused."""
        if task.delay is None:
            return wishes
        if not self._life.durable:
            raise Refused("conflict", f"LEDGER=off keeps no jobs: {task.name} cannot start later", "task")
        try:
            seconds = await self._seconds_until(sender, what.room, task, args)
        except Refused:
            if not await self._loading.has_key(what.room, sender.id, what.key):
                raise
            seconds = SOON_SECONDS  # a resend, which finds its job: what was right then may be in the past by now
        return wishes._replace(task_s=seconds)

    async def _seconds_until(self, sender: Person, room: str, task: Task, args: dict[str, Any]) -> float:
        """For how long a new job waits for its time; raises Refused."""
        seconds = task.delay_s
        if callable(task.delay):
            try:
                seconds = await self._user_code.run(f"delay of {task.name}", task.delay, args)
            except Refused as refused:
                field = f"args.{refused.field}" if refused.field else "args"
                raise Refused(refused.code, refused.message, field) from None
        if await self._loading.delayed_of(room, sender.id) >= MAX_DELAYED:
            why = f"{MAX_DELAYED} jobs of yours wait for their time in this room: cancel one, or wait for one"
            raise Refused("conflict", why, "task")
        return seconds

    def _request(
        self,
        sender: Person,
        what: Create,
        wishes: Wishes,
        task: Task,
        args: dict[str, Any],
        given: dict[str, Any],
        replaced: Replaced | None = None,
    ) -> Accept:
        if "written" in task.given:
            given = {**given, "written": written(time.time(), what.zone or self._zone)}
        encoded = msgspec.json.encode(given).decode()
        if len(encoded) > MAX_RESULT_BYTES:
            raise Refused("bad_request", f"arguments have at most {MAX_RESULT_BYTES} bytes", "args")
        seconds = max(wishes.delay_s, wishes.task_s)
        if seconds < SOON_SECONDS:
            self.check_backlog(task.name, what.room)
        job = new_job(task, what.room, encoded, sender.id, sender.name, key=what.key, asked=_asked(what, wishes, args))
        if wishes is not NO_WISHES:
            job.callback = wishes.callback
            put_off(job, seconds)
        if replaced is not None:
            job.replaces, job.replaces_seq = replaced
        self._overlap.note(self._rooms[what.room], job)
        return Accept(self._life, job, upload=args.get("upload"))

    def check_backlog(self, task: str, room: str) -> None:
        """Raise Refused(busy) when too many jobs wait on the path that one of this task would take."""
        if self._life.routing.is_full(task, room):
            raise Refused("busy", "too many jobs wait: try again in a moment", retry_after=1.0)

    async def cancel(self, job: Job) -> Job:
        """Cancel a job; a finished one is returned unchanged."""
        return await self._overlap.end(job)


def _check_zone(name: str | None) -> None:
    if name is not None and not is_zone(name):
        raise Refused("bad_request", f"there is no time zone {name!r}: expected a name such as Europe/Berlin", "zone")


def _asked(what: Create, wishes: Wishes, args: dict[str, Any]) -> str:
    """What tells a resend from another job under the same key, as JSON text."""
    asked: dict[str, Any] = {"task": what.task, "args": args}
    if wishes.callback is not None:
        asked["callback"] = wishes.callback
    if what.replaces is not None:
        asked["replaces"] = what.replaces
    if wishes.delay_s:
        asked["delay_s"] = wishes.delay_s
    return msgspec.json.encode(asked, order="sorted").decode()
