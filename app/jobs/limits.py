"""What is under way of tasks with limits, as the ledger has it: counted after a restart, and forgotten when it is over."""

from __future__ import annotations

from app.jobs import ledger
from app.jobs.lifecycle import Lifecycle

LOOK_SECONDS = 5.0  # between two looks for what ended unseen, such as in a room that another process has now


async def count(life: Lifecycle, names: list[str] | None = None) -> None:
    """Count what is parked at the broker of such tasks: of all rooms, or of these, which have become ours."""
    tasks = list(life.routing.gate.paces)
    if tasks:
        found = await life.store.read(lambda connection: ledger.at_broker(connection, tasks, names), patient=True)
        for id, task, attempt in found:
            life.routing.gate.paces[task].count(id, attempt)


async def forget_ended(life: Lifecycle) -> None:
    """Forget what is over, or another's, and was not seen to end here; to be called every LOOK_SECONDS."""
    gate, here = life.routing.gate, {job.id for job in life.routing.simple.running.values()}
    for task, pace in gate.paces.items():
        unseen = [id for id in pace.under_way() if id not in life.jobs and id not in here]
        if unseen:
            left = await life.store.read(lambda connection: ledger.unended(connection, unseen, life.owner))  # noqa: B023 - awaited
            for id in set(unseen) - left:
                pace.over(id)
            gate.open(task)
