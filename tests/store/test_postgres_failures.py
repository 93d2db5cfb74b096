"""A server that goes away: who was told `stored` finds it stored, who was told no never does, and it heals by itself."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.cluster import postgres_binaries
from app.store.errors import StoreRefused, StoreUnavailable, StoreUnreachable
from app.store.store import Store
from tests.cluster import Cluster, running
from tests.conftest import need
from tests.faults.parts import Proxy
from tests.own_loop import OwnLoop
from tests.store.test_writer import Put, keys, stored


@pytest.fixture(scope="module")
def frail() -> Iterator[Cluster]:
    """A server that tests may harm; each leaves it running."""
    need(postgres_binaries(), "PostgreSQL")
    with running(max_connections="10") as cluster:
        yield cluster


@pytest.fixture
def url(frail: Cluster) -> str:
    """A database of its own."""
    return frail.database()


@pytest.fixture
def proxy(frail: Cluster) -> Iterator[Proxy]:
    """What stands between us and the server."""
    between = Proxy(frail.port)
    yield between
    between.release()
    between.close()


@pytest.fixture
def opened(own: OwnLoop) -> Iterator[Callable[[str], Store]]:
    """Opens stores, and closes them."""
    stores = []

    def open_store(url: str) -> Store:
        store = Store(url, own)
        store.writer.publish = lambda effects: None
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        own.run(store.close())


@pytest.fixture
def told() -> list[str]:
    return []


def asked(own: OwnLoop, key: str, told: list[str], seconds: float = 4.5) -> Put:
    """Somebody waits for this for so long."""
    return Put(key, told, urgent=True, expires=own.loop.time() + seconds)


def through(proxy: Proxy, url: str) -> str:
    """The same database, by the proxy."""
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{url.rsplit('/', 1)[1]}"


def count(cluster: Cluster, url: str, key: str) -> int:
    """How many messages with this key the server has, seen by a connection of its own."""
    with psycopg.connect(cluster.url(url.rsplit("/", 1)[1])) as connection:
        row = connection.execute("SELECT count(*) FROM messages WHERE key = %s", (key,)).fetchone()
        assert row is not None
        return int(row[0])


def outcomes(told: list[str]) -> list[str]:
    """What was said in the end, of each."""
    return [each for each in told if each.split()[0] in ("done", "failed", "conflict")]


def test_a_connection_that_was_cut_is_made_again_and_nobody_notices(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    store.add(asked(own, "a", told))
    assert stored(own, store) == ["a"]

    ours = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
    frail.run("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
    store.add(asked(own, "b", told))
    own.run(store.settled())

    assert own.run(store.read(keys)) == ["a", "b"]
    assert outcomes(told) == ["done a", "done b"]


def test_a_group_whose_answer_never_came_is_found_to_be_stored_and_not_stored_again(
    own: OwnLoop, frail: Cluster, url: str, proxy: Proxy, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(through(proxy, url))
    store.add(asked(own, "first", told))
    own.run(store.settled())

    proxy.hold_answers()
    store.add(asked(own, "asked", told))
    own.until(lambda: count(frail, url, "asked"))
    proxy.cut()
    proxy.release()
    own.run(store.settled())

    assert outcomes(told) == ["done first", "done asked"]
    assert count(frail, url, "asked") == 1


@pytest.mark.slow
def test_what_must_happen_waits_until_it_is_known_whether_it_did(
    own: OwnLoop, frail: Cluster, url: str, proxy: Proxy, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(through(proxy, url))
    store.add(Put("first", told))
    own.run(store.settled())

    proxy.hold_answers()
    store.add(Put("result", told))
    own.until(lambda: count(frail, url, "result"))
    proxy.cut()
    store.add(asked(own, "behind", told, 1.0))
    own.until(lambda: "failed behind" in told)
    assert "done result" not in told
    proxy.release()
    own.run(store.settled())

    assert outcomes(told) == ["done first", "failed behind", "done result"]
    assert count(frail, url, "result") == 1


def test_what_was_answered_busy_is_withdrawn_where_it_turns_out_to_be_stored(
    own: OwnLoop, frail: Cluster, url: str, proxy: Proxy, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(through(proxy, url))
    store.add(Put("first", told))
    own.run(store.settled())

    proxy.hold_answers()
    store.add(asked(own, "late", told, 1.0))
    own.until(lambda: count(frail, url, "late"))
    own.until(lambda: "failed late" in told)
    assert count(frail, url, "late") == 1
    proxy.cut()
    proxy.release()
    store.add(asked(own, "next", told))
    own.run(store.settled())

    assert outcomes(told) == ["done first", "failed late", "done next"]
    assert count(frail, url, "late") == 0


@pytest.mark.slow
def test_a_group_that_is_still_on_its_way_when_we_look_is_never_stored_later(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    """Its connection is given up while the server hangs; then the server goes on, with the group in its hands."""
    store = opened(url)
    store.add(Put("first", told))
    own.run(store.settled())
    own.run(store.read(keys))
    (backend,) = writers(frail, url)

    os.kill(backend, signal.SIGSTOP)
    store.add(asked(own, "gone", told, 1.5))
    own.until(lambda: outcomes(told)[1:])
    os.kill(backend, signal.SIGCONT)
    frail.until_gone(backend)

    said = outcomes(told)[1]
    assert count(frail, url, "gone") == (said == "done gone")


def writers(cluster: Cluster, url: str) -> list[int]:
    """The server's processes that write groups for us."""
    with psycopg.connect(cluster.url("postgres")) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query ~ 'write_group|transaction_read_only'"
        return [pid for (pid,) in connection.execute(query, (url.rsplit("/", 1)[1],))]


def test_a_killed_server_that_comes_back_has_all_that_was_acknowledged_and_nothing_else(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    made = []
    for moment in range(60):
        if moment == 20:
            frail.kill()
        if moment == 40:
            frail.start()
        for urgent in (True, False):
            key = f"{moment}-{urgent}"
            made.append(key)
            store.add(asked(own, key, told) if urgent else Put(key, told))
        own.rounds(20)
    own.run(store.settled())
    own.until(lambda: len(outcomes(told)) == len(made))

    done = sorted(each.removeprefix("done ") for each in outcomes(told) if each.startswith("done"))
    assert own.run(store.read(keys)) == done
    assert set(made) >= {key for key in made if key.endswith("False")} <= set(done)


@pytest.mark.slow
def test_while_the_server_is_away_askers_are_told_in_time_and_readiness_says_so(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    store.add(Put("first", told))
    own.run(store.settled())
    frail.stop()
    try:
        store.add(asked(own, "gone", told, 1.0))
        store.add(Put("kept", told))
        own.until(lambda: "failed gone" in told)
        assert store.troubles() == ["unreachable"]
        with pytest.raises(StoreUnavailable):
            own.run(store.read(keys))
        with pytest.raises(StoreUnavailable):
            own.run(store.change(lambda c: c.exec_driver_sql("DELETE FROM flags").rowcount))
    finally:
        frail.start()
    own.until(lambda: "done kept" in told)
    own.until(lambda: not store.troubles())

    assert outcomes(told) == ["done first", "failed gone", "done kept"]
    assert stored(own, store) == ["first", "kept"]
    assert own.run(store.change(lambda c: c.exec_driver_sql("DELETE FROM flags").rowcount)) == 0


@pytest.mark.slow
def test_a_server_that_hangs_is_given_up_in_time(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    store.add(Put("first", told))
    assert stored(own, store) == ["first"]
    with frail.hanging():
        store.add(asked(own, "gone", told, 1.0))
        own.until(lambda: "failed gone" in told)
    store.add(asked(own, "next", told))
    own.run(store.settled())

    assert outcomes(told) == ["done first", "failed gone", "done next"]
    assert count(frail, url, "gone") == 0


def test_a_server_that_became_read_only_is_written_again_when_it_may_be(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    store.add(Put("first", told))
    own.run(store.settled())
    frail.set(default_transaction_read_only="on")
    try:
        own.until(lambda: store.troubles() == ["read-only"])
        store.add(asked(own, "gone", told))
        store.add(Put("kept", told))
        own.until(lambda: "failed gone" in told)
        with pytest.raises(StoreUnavailable):
            own.run(store.change(lambda c: c.exec_driver_sql("DELETE FROM flags").rowcount))
    finally:
        frail.set(default_transaction_read_only="off")
    own.until(lambda: "done kept" in told)
    own.until(lambda: not store.troubles())

    assert stored(own, store) == ["first", "kept"]
    assert own.run(store.change(lambda c: c.exec_driver_sql("DELETE FROM flags").rowcount)) == 0


@pytest.mark.slow
def test_where_the_server_has_no_connection_left_it_waits_for_one(
    own: OwnLoop, frail: Cluster, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    store = opened(url)
    store.add(Put("first", told))
    own.run(store.settled())
    with contextlib.ExitStack() as others:
        frail.run("postgres", "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE datname ~ '^t'")
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(frail.url("postgres")))
        store.add(asked(own, "gone", told, 1.0))
        own.until(lambda: "failed gone" in told)
        assert store.troubles() == ["connections"]
    store.add(asked(own, "next", told))
    own.run(store.settled())

    assert outcomes(told) == ["done first", "failed gone", "done next"]
    own.until(lambda: not store.troubles())


def test_a_database_that_cannot_hold_what_people_write_is_refused(frail: Cluster, own: OwnLoop) -> None:
    url = frail.database("ENCODING 'SQL_ASCII'", "LC_COLLATE 'C'", "LC_CTYPE 'C'")
    with pytest.raises(StoreRefused, match="has encoding SQL_ASCII, which cannot hold what people write"):
        Store(url, own)


def test_tables_of_somebody_else_are_left_alone(frail: Cluster, url: str, own: OwnLoop) -> None:
    frail.run(url.rsplit("/", 1)[1], "CREATE TABLE messages (mine int)")
    with pytest.raises(StoreRefused, match=r"has tables of somebody else \(messages\): give Spillway one of its own"):
        Store(url, own)


@pytest.mark.parametrize(
    ("url", "error", "why"),
    [
        ("postgresql://ann:hunter2@127.0.0.1:1/x", StoreUnreachable, r"postgresql://127.0.0.1:1/x cannot be reached: "),
        ("postgresql://ann:hunter2@127.0.0.1:1/x?hunter2=1", StoreRefused, "invalid URI query parameter"),
    ],
)
def test_a_start_fails_in_one_sentence_without_the_password(own: OwnLoop, url: str, error: Any, why: str) -> None:
    with pytest.raises(error, match=why) as raised:
        Store(url, own)
    assert "hunter2@" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_that_does_not_exist_is_refused(own: OwnLoop, frail: Cluster) -> None:
    with pytest.raises(StoreRefused, match='database "nowhere" does not exist'):
        Store(frail.url("nowhere"), own)


@pytest.fixture
def ann(frail: Cluster, url: str) -> str:
    """A database whose owner needs a password, which is not in this URL."""
    frail.run("postgres", "CREATE ROLE ann LOGIN PASSWORD 'hunter2'")
    frail.run("postgres", f"ALTER DATABASE {url.rsplit('/', 1)[1]} OWNER TO ann")
    rules = frail.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all ann 127.0.0.1/32 scram-sha-256\n{before}")
    frail.run("postgres", "SELECT pg_reload_conf()")
    return url.replace("postgres@", "ann@")


def test_a_password_may_be_in_a_file_and_a_wrong_one_is_told_to_nobody(
    own: OwnLoop, ann: str, opened: Callable[[str], Store], tmp_path: Path, told: list[str]
) -> None:
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:ann:hunter2\n")
    file.chmod(0o600)
    with pytest.raises(StoreRefused, match="authentication failed") as refused:
        opened(ann.replace("ann@", "ann:hunter3@"))
    assert "hunter3" not in str(refused.value)

    store = opened(f"{ann}?passfile={file}")
    store.add(Put("a", told))
    assert stored(own, store) == ["a"]


def test_what_must_happen_has_its_turn_beside_what_people_wait_for(
    own: OwnLoop, url: str, opened: Callable[[str], Store], told: list[str]
) -> None:
    """They are in groups of their own, so that what people wait for can be withdrawn as a whole."""
    store = opened(url)
    for number in range(700):
        store.add(asked(own, f"asked {number}", told, 20.0))
    store.add(Put("result", told))
    own.run(store.settled())

    done = [each for each in told if each.startswith("done")]
    assert len(done) == 701
    assert done.index("done result") <= 600
