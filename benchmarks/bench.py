"""What the sections of the benchmarks have in common: a run and its options, goals, and results."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measure import Case, Sample, interleaved, ratio, spread
from postgresql import Postgresql, running_postgresql
from snapshots import Snapshots

Result = dict[str, Any]
"""One workload in the file of results: its name (``work``), the ``samples`` of each case, and its ``goals``."""


@dataclass(frozen=True)
class Goal:
    """A limit for the ratio of one case to another in each round, or for one case if ``below`` is empty."""

    metric: str
    limit: float
    above: str = "paymentagg"
    below: str = ""
    at_least: bool = False

    def result(self, samples: Mapping[str, list[Sample]]) -> Result:
        """Return the goal with the value that was ``reached`` (median, smallest, largest) and whether it is ``met``."""
        if self.below:
            reached = ratio(self.metric, samples[self.above], samples[self.below])
        else:
            reached = spread(samples[self.above], self.metric)
        met = reached[0] >= self.limit if self.at_least else reached[0] <= self.limit
        return asdict(self) | {"reached": reached, "met": met}


@dataclass
class Bench:
    """One run: its options, and the resources that the sections share."""

    patients: int
    payments: int
    rounds: int
    seconds: float
    """How long each load of reads takes."""
    rivals: Path
    """The folder of the rivals' programs."""
    store: Path
    """Where snapshots are kept from run to run."""
    folder: Path
    """Where everything else is, until the run ends."""
    stack: ExitStack
    """Closed at the end of the run."""
    _server: Postgresql | None = None

    @property
    def server(self) -> Postgresql:
        """The PostgreSQL server of this run, started on first use."""
        if self._server is None:
            self._server = self.stack.enter_context(running_postgresql())
        return self._server

    def snapshots(self, patients: int, payments: int) -> Snapshots:
        """Return the snapshots of a size."""
        return Snapshots(self.store, patients, payments)

    def measure(self, work: str, cases: Sequence[Case], goals: Sequence[Goal]) -> Result:
        """Measure a workload; return its result."""
        return self.sample(work, {case.name: case.sample for case in cases}, goals)

    def sample(self, work: str, cases: Mapping[str, Callable[[], Sample]], goals: Sequence[Goal]) -> Result:
        """Sample the cases of a workload in interleaved rounds; return its result."""
        print(work, flush=True)
        samples = interleaved(cases, self.rounds)
        return {"work": work, "samples": samples, "goals": [goal.result(samples) for goal in goals]}
