"""While syncs lead from state to state, each answer is of one state: one that was there while it was asked for."""

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
from together.states import LASTING_PATIENTS, Row, State, patients_in, payments_in, told

READERS = 3
"""Each asks for one thing at a time, and a process gives so many large exports at once."""

READS, SYNCS = 500, 5
"""How much a test does at least, at the scale of 1."""

Way = Callable[[int], State]
"""From the number of a sync to the state it leads to."""


@dataclass(frozen=True)
class Read:
    """A request, and the rows that it finds in a state, None where there is nothing by that path."""

    path: str
    find: Callable[[State], list[Row] | None]
    media: str = "application/json"

    def expected(self, state: State) -> object:
        found = self.find(state)
        if found is None:
            return None
        if self.media == "text/csv":
            found = [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]
        limit = re.search(r"limit=(\d+)", self.path)
        size = int(limit[1]) if limit else len(found)
        return found[:size], len(found) > size

    def seen(self, answer: Answer) -> object:
        """Return what an answer says, to be compared with what is expected."""
        if answer.status == 404:
            return None
        assert answer.status == 200, (self.path, answer)
        return told(rows(answer.body, self.media)), answer.next_page is not None


ONE = f"{LASTING_PATIENTS // 2:03}"
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
    """What has been asked of the servers, and what they have answered."""

    way: Way
    begun: int = 0
    """The last sync that was sent."""
    done: int = 0
    """The last one that was answered with 200."""
    reads: int = 0
    unchanged: int = 0
    """How many reads were answered with 304."""
    ended: bool = False
    tagged: dict[tuple[Read, str], tuple[str, set[int]]] = field(default_factory=dict)
    """The digest of the answer that has this tag, and the numbers of the states that it can be of."""

    def end(self) -> None:
        self.ended = True


@pytest.mark.parametrize(
    ("path", "media", "body", "way"),
    [
        ("/snapshot", MULTIPART, State.form, lambda number: State(number, number)),
        ("/payments", "application/json", State.payment_snapshot, lambda number: State(0, number)),
    ],
    ids=["both models", "payments alone"],
)
def test_no_answer_mixes_states_or_shows_one_that_is_past_or_yet_to_come(
    servers: list[Server], scale: int, path: str, media: str, body: Callable[[State], bytes], way: Way
) -> None:
    history = History(way)
    assert servers[0].post("/snapshot", State(0, 0).form(), MULTIPART).status == 200

    def write() -> None:
        while not history.ended and (history.reads < READS * scale or history.done < SYNCS):
            number = history.begun = history.done + 1
            posted = servers[number % len(servers)].post(f"{path}?max_delete=100%25", body(way(number)), media)
            assert posted.status == 200, posted
            history.done = number

    def read(place: int) -> None:
        with ExitStack() as stack:
            stack.callback(history.end)  # where one fails, the others need not go on
            reader = Reader(history, [stack.enter_context(closing(server.connect())) for server in servers])
            while not writing.done():
                for turn, one in enumerate(A_READ_OF_EACH_KIND):
                    reader.check(one, place + turn)
                reader.add_up(place)
                reader.walk(place)

    with ThreadPoolExecutor(READERS + 1) as pool:
        writing = pool.submit(write)
        for reading in [pool.submit(read, place) for place in range(READERS)]:
            reading.result()
        writing.result()
    assert history.unchanged
    print(f"{history.reads} reads, {history.unchanged} of them 304, during {history.done} syncs: 0 mixed")


class Reader:
    """One who reads over connections of their own, and holds each answer against the history."""

    def __init__(self, history: History, connections: list[HTTPConnection]) -> None:
        self.history = history
        self.connections = connections
        self.known: dict[Read, str] = {}
        """The tag of the answer before the last one."""

    def check(self, read: Read, turn: int) -> None:
        """Ask for it, and again on condition that it has changed."""
        answer, numbers = self.ask(read.path, turn, {"Accept": read.media})
        seen = read.seen(answer)
        fitting = {number for number in numbers if seen == read.expected(self.history.way(number))}
        assert fitting, (read.path, read.media, numbers, seen)
        if answer.status == 404:
            return
        tag = answer.headers["ETag"]
        digest = hashlib.sha256(answer.body).hexdigest()
        body, states = self.history.tagged.setdefault((read, tag), (digest, fitting))
        states &= fitting
        assert body == digest, (read.path, "one tag for two answers")
        assert states, (read.path, "one tag for two states")

        tags = f"{self.known.get(read, tag)}, {tag}"
        again, numbers = self.ask(read.path, turn, {"Accept": read.media, "If-None-Match": tags})
        if again.status == 304:
            _, states = self.history.tagged[read, again.headers["ETag"]]
            assert states & set(numbers), (read.path, "not modified, they say, and it was")
            self.history.unchanged += 1
        self.known[read] = tag

    def add_up(self, turn: int) -> None:
        """See to it that the totals of one answer come to what all payments of its state do."""
        answer, numbers = self.ask("/patients?limit=1000", turn, {})
        total = sum(Decimal(row["paymentTotal"]) for row in rows(answer.body))
        assert total in [self.history.way(number).total for number in numbers]

    def walk(self, turn: int) -> None:
        """Follow the links: each page is of one state, and where all are of the same they are the whole."""
        size, sort = 17, "-lastName"
        path: str | None = f"/patients?sort={sort}&limit={size}"
        common, walked = None, []
        while path:
            answer, numbers = self.ask(path, turn, {})
            page, path = told(rows(answer.body)), answer.next_page
            walked += page
            fitting = set()
            for number in numbers:
                whole = patients_in(self.history.way(number), sort)
                start = whole.index(page[0]) if page and page[0] in whole else len(whole)
                if page == whole[start : start + size] and bool(path) == (start + size < len(whole)):
                    fitting.add(number)
            assert fitting, (numbers, page, path)
            common = fitting if common is None else common & fitting
        if common:
            assert walked == patients_in(self.history.way(max(common)), sort)

    def ask(self, path: str, turn: int, headers: dict[str, str]) -> tuple[Answer, range]:
        """Return an answer and the numbers of the states that were there at some time since it was asked for."""
        earliest = self.history.done
        answer = ask(self.connections[turn % len(self.connections)], "GET", path, None, headers)
        self.history.reads += 1
        return answer, range(earliest, self.history.begun + 1)


def rows(body: bytes, media: str = "application/json") -> list[Row]:
    if media == "text/csv":
        return list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    if media == "application/x-ndjson":
        return [json.loads(line, parse_float=str) for line in body.splitlines()]
    found = json.loads(body, parse_float=str)
    return found if isinstance(found, list) else [found]
