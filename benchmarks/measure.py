"""Run commands as whole processes, in turns, and say what they took."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Sample = dict[str, float]
"""What one run took: seconds, cpu (seconds of user and system), megabytes; or what a load found."""

ONE_PROCESS = Path(__file__).with_name("one_process.py")


class Failed(Exception):
    """A command that is measured ended with an error."""


def nothing() -> None:
    """Prepare or check nothing."""


@dataclass
class Case:
    """Who does the work: how its state is prepared, and its result checked, both untimed."""

    name: str
    command: Sequence[str | Path]
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None
    folder: Path | None = None

    def sample(self) -> Sample:
        """Do the work once, from its beginning."""
        self.prepare()
        sample = run(self.command, environment=self.environment, stdin=self.stdin, folder=self.folder)
        self.check()
        return sample


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    folder: Path | None = None,
) -> Sample:
    """Run a command to its end.

    Raises:
        Failed: its exit status wasn't 0; the message ends with what it said.
    """
    with Path(stdin or os.devnull).open("rb") as source:
        # A process inherits the peak of the one that starts it, so a small one does.
        done = subprocess.run(
            [sys.executable, "-S", "-E", ONE_PROCESS, *command],
            env=os.environ | dict(environment or {}),
            stdin=source,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    taken = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"status": done.returncode}
    if taken.pop("status") != 0:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stderr[-4000:]}")
    return taken


def in_turns(cases: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Return the samples of each case, taken as A B C, B C A, and so on: nobody is always the first."""
    taken: dict[str, list[Sample]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken[name].append(cases[name]())
            print(f"  {number + 1}/{rounds} {name}: {_told(taken[name][-1])}", flush=True)
    return taken


def spread(samples: Sequence[Sample], metric: str) -> tuple[float, float, float]:
    """Return the median, the smallest and the largest."""
    values = [sample[metric] for sample in samples]
    return statistics.median(values), min(values), max(values)


def ratio(metric: str, above: Sequence[Sample], below: Sequence[Sample]) -> tuple[float, float, float]:
    """Return the median, the smallest and the largest of the ratios of each round."""
    values = [one[metric] / other[metric] for one, other in zip(above, below, strict=True)]
    return statistics.median(values), min(values), max(values)


def _told(sample: Sample) -> str:
    return ", ".join(f"{metric} {value:,.2f}" for metric, value in sample.items())
