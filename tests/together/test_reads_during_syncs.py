"""During syncs from state to state, each answer shows exactly one state, which was current during the request."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from http.client import HTTPConnection

import pytest

from api import MULTIPART
from server import Answer, Server, ask
from together.states import PERMANENT_PATIENTS, Row, State, patients_in, payments_in, without_generated

READERS = 3
"""Each sends one request at a time, and this is the number of large exports that a process serves concurrently."""

READS, SYNCS = 500, 5
"""The minimum that a test does at scale 1."""

StateAfter = Callable[[int], State]
"""Returns the state after the sync with this number."""


@dataclass(frozen=True)
class Read:
    """A request, and the rows that it finds in a state; None if the path doesn't exist then."""

    path: str
    find: Callable[[State], list[Row] | None]
    media: str = "application/json"

    def expected(self, state: State) -> object:
        """Return what ``content`` must return in this state."""
        found = self.find(state)
        if found is None:
            return None
        if self.media == "text/csv":
            found = [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]
        limit = re.search(r"limit=(\d+)", self.path)
        size = int(limit[1]) if limit else len(found)
        return found[:size], len(found) > size

    def content(self, answer: Answer) -> object:
        """Return the rows of an answer and whether more pages follow, or None for 404."""
        if answer.status == 404:
            return None
        assert answer.status == 200, (self.path, answer)
        return without_generated(rows(answer.body, self.media)), answer.next_page is not None


ONE = f"{PERMANENT_PATIENTS // 2:03}"
SORTS = [dash + key for key in ("id", "externalId", "lastName", "paymentTotal") for dash in ("", "-")]
FORMS = ("application/x-ndjson", "text/csv")

A_READ_OF_EACH_KIND = [
    *(Read(f"/patients?sort={sort}&limit=1000", partial(patients_in, sort=sort)) for sort in SORTS),
    *(Read(f"/patients?sort={sort}&limit=20", partial(patients_in, sort=sort)) for sort in SORTS),
    Read("/patients?payment_min=0.01&limit=1000", partial(patients_in, paid=True)),
    Read(f"/patients/{ONE}", lambda state: [row for row in patients_in(state) if row["externalId"] == ONE]),
    Read("/patients/001-1", lambda state: [r for r in patients_in(state) if r["externalId"] == "001-1"] or None),
    Read("/payments?limit=1000", payments_in),
    Read(f"/payments?external_id={ONE}&limit=1000", partial(payments_in, patient_id=ONE)),
    Read("/payments?external_id=001-1", partial(payments_in, patient_id="001-1")),
    *(Read("/patients", patients_in, media) for media in FORMS),
    *(Read("/patients?sort=-paymentTotal", partial(patients_in, sort="-paymentTotal"), media) for media in FORMS),
    *(Read("/payments", payments_in, media) for media in FORMS),
    *(Read(f"/payments?external_id={ONE}", partial(payments_in, patient_id=ONE), media) for media in FORMS),
]


@dataclass
class History:
    """The syncs and reads so far."""

    state_after: StateAfter
    begun: int = 0
    """The number of the last sync that was sent."""
    done: int = 0
    """The number of the last sync that was answered with 200."""
    reads: int = 0
    unchanged: int = 0
    """The number of reads that were answered with 304."""
    ended: bool = False
    tagged: dict[tuple[Read, str], tuple[str, set[int]]] = field(default_factory=dict)
    """For each read and ETag: the digest of the answer, and the numbers of the states that it can show."""

    def end(self) -> None:
        """Make the syncs stop."""
        self.ended = True


@pytest.mark.parametrize(
    ("path", "media", "body", "state_after"),
    [
        ("/snapshot", MULTIPART, State.form, lambda number: State(number, number)),
        ("/payments", "application/json", State.payment_snapshot, lambda number: State(0, number)),
    ],
    ids=["both models", "payments alone"],
)
def test_no_answer_mixes_states_or_shows_one_that_is_past_or_yet_to_come(
    servers: list[Server], scale: int, path: str, media: str, body: Callable[[State], bytes], state_after: StateAfter
) -> None:
    history = History(state_after)
    assert servers[0].post("/snapshot", State(0, 0).form(), MULTIPART).status == 200

    def write() -> None:
        while not history.ended and (history.reads < READS * scale or history.done < SYNCS):
            number = history.begun = history.done + 1
            posted = servers[number % len(servers)].post(f"{path}?max_delete=100%25", body(state_after(number)), media)
            assert posted.status == 200, posted
            history.done = number

    def read(offset: int) -> None:
        with ExitStack() as stack:
            stack.callback(history.end)  # if one reader fails, the others stop too
            reader = Reader(history, [stack.enter_context(closing(server.connect())) for server in servers])
            while not writing.done():
                for turn, one in enumerate(A_READ_OF_EACH_KIND):
                    reader.check(one, offset + turn)
                reader.check_totals(offset)
                reader.check_pages(offset)

    with ThreadPoolExecutor(READERS + 1) as pool:
        writing = pool.submit(write)
        for reading in [pool.submit(read, offset) for offset in range(READERS)]:
            reading.result()
        writing.result()
    assert history.unchanged
    print(f"{history.reads} reads, {history.unchanged} of them 304, during {history.done} syncs: 0 mixed")


class Reader:
    """Reads over its own connections, one for each server, and checks each answer against the history."""

    def __init__(self, history: History, connections: list[HTTPConnection]) -> None:
        self.history = history
        self.connections = connections
        self.known: dict[Read, str] = {}
        """For each read, the ETag of the answer before the last one."""

    def check(self, read: Read, turn: int) -> None:
        """Check an answer, then the answer to the same request with ``If-None-Match``."""
        answer, numbers = self.ask(read.path, turn, {"Accept": read.media})
        content = read.content(answer)
        matching = {number for number in numbers if content == read.expected(self.history.state_after(number))}
        assert matching, (read.path, read.media, numbers, content)
        if answer.status == 404:
            return
        tag = answer.headers["ETag"]
        digest = hashlib.sha256(answer.body).hexdigest()
        body, states = self.history.tagged.setdefault((read, tag), (digest, matching))
        states &= matching
        assert body == digest, (read.path, "one ETag for two answers")
        assert states, (read.path, "one ETag for two states")

        tags = f"{self.known.get(read, tag)}, {tag}"
        again, numbers = self.ask(read.path, turn, {"Accept": read.media, "If-None-Match": tags})
        if again.status == 304:
            _, states = self.history.tagged[read, again.headers["ETag"]]
            assert states & set(numbers), (read.path, "304 although the rows have changed")
            self.history.unchanged += 1
        self.known[read] = tag

    def check_totals(self, turn: int) -> None:
        """Check that the totals in one answer add up to the sum of all payments of one state."""
        answer, numbers = self.ask("/patients?limit=1000", turn, {})
        total = sum(Decimal(row["paymentTotal"]) for row in rows(answer.body))
        assert total in [self.history.state_after(number).total for number in numbers]

    def check_pages(self, turn: int) -> None:
        """Check each page of a list; if all show the same state, check that together they have all of its rows."""
        size, sort = 17, "-lastName"
        path: str | None = f"/patients?sort={sort}&limit={size}"
        common, seen = None, []
        while path:
            answer, numbers = self.ask(path, turn, {})
            page, path = without_generated(rows(answer.body)), answer.next_page
            seen += page
            matching = set()
            for number in numbers:
                everything = patients_in(self.history.state_after(number), sort)
                start = everything.index(page[0]) if page and page[0] in everything else len(everything)
                if page == everything[start : start + size] and bool(path) == (start + size < len(everything)):
                    matching.add(number)
            assert matching, (numbers, page, path)
            common = matching if common is None else common & matching
        if common:
            assert seen == patients_in(self.history.state_after(max(common)), sort)

    def ask(self, path: str, turn: int, headers: dict[str, str]) -> tuple[Answer, range]:
        """Return an answer, and the numbers of the states that were current at some time during the request."""
        earliest = self.history.done
        answer = ask(self.connections[turn % len(self.connections)], "GET", path, None, headers)
        self.history.reads += 1
        return answer, range(earliest, self.history.begun + 1)


def rows(body: bytes, media: str = "application/json") -> list[Row]:
    """Return the rows of an answer; numbers are returned as text, as they were sent."""
    if media == "text/csv":
        return list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    if media == "application/x-ndjson":
        return [json.loads(line, parse_float=str) for line in body.splitlines()]
    found = json.loads(body, parse_float=str)
    return found if isinstance(found, list) else [found]
