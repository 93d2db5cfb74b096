"""The ways in which a comparison could be wrong, as far as its own samples tell."""

from __future__ import annotations

from app.compare.figures import judged
from app.compare.samples import Report
from app.compare.verdict import Figures
from app.compare.words import listing, ms, several

LATE_MS = 10.0  # clients that are later than this spoil what they measure
ALWAYS = (
    "The clients ran on the same machine as the system and took processor time from it. On separate machines it would be faster.",
    "All of it ran on one machine over loopback. Networks and other people's disks are slower, and the queued path crosses "
    "the network once more.",
    "What people will do is not in a workload file. Another mix of tasks, longer texts or larger rooms can change the answer.",
)


def doubts(report: Report, found: Figures) -> list[str]:
    """Sentences, the gravest first."""
    return [
        *_unfinished(report),
        *_models(report),
        *_samples(report, found),
        *_clients(found),
        *_machine(report),
        *ALWAYS,
    ]


def _unfinished(report: Report) -> list[str]:
    said = []
    if report.cut_short:
        said.append(f"It was cut short: {report.cut_short}. What is missing may say something else.")
    done = {run.variant for run in report.runs if run.kind == "load"}
    if missing := [name for name in report.variants if name not in done]:
        said.append(f"{listing(missing)} {'was' if len(missing) == 1 else 'were'} asked for and not measured.")
    late = sorted({run.variant for run in report.runs if run.kind == "load" and run.drained is None})
    if late:
        said.append(f"Not everything was seen to end on {listing(late)}: what was still open counts as lost.")
    return said


def _models(report: Report) -> list[str]:
    if report.models == "synthetic":
        return ["The model server was synthetic: its times are settings of the workload, not those of a model."]
    return ["The models were the embedded ones. Larger models, or models on other machines, take other times."]


def _samples(report: Report, found: Figures) -> list[str]:
    said = []
    if report.repeat < 3:
        said.append(
            f"{several(report.repeat, 'repeat')} cannot show how far repeats are apart; --repeat 3 or more can."
        )
    few = sorted({task for variant in found.values() for task, each in variant.tasks.items() if each.answer.n < 20})
    if few:
        said.append(
            f"Fewer than 20 answers of {listing(few)} on some path: no p95, and what is said of them is a guess."
        )
    seconds = max((run.seconds for run in report.runs), default=0.0)
    if seconds < 300 and report.runs:
        said.append(f"Load arrived for {seconds:g} s a run. What builds up over hours is not in it.")
    if not report.full:
        said.append("Nothing was killed, overloaded or stepped: --full does that.")
    return said


def _clients(found: Figures) -> list[str]:
    late = {
        name: known[1] for name, each in found.items() if (known := judged(each.late, "p99")) and known[1] > LATE_MS
    }
    if not late:
        return []
    worst = max(late, key=lambda name: late[name])
    return [
        f"The clients were late themselves: on {worst} they sent p99 of their messages {ms(late[worst])} after they were due. "
        "That is in the times of acks and answers, and is not the system's doing."
    ]


def _machine(report: Report) -> list[str]:
    cores = report.machine.get("cores")
    if isinstance(cores, int) and cores <= 4:
        return [
            f"All parts and all clients shared {several(cores, 'core')}: workers could not show what cores of their own give."
        ]
    return []
