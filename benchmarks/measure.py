"""Run commands as whole processes, interleaved, and measure their time and memory."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Sample = dict[str, float]
"""The metrics of one run: seconds, cpu (user and system seconds) and megabytes, or those that load.py prints."""

ONE_PROCESS = Path(__file__).parent / "programs" / "one_process.py"


class CommandFailed(Exception):
    """A measured command exited with an error."""


def no_op() -> None:
    """Do nothing: the default for preparing and checking."""


@dataclass
class Case:
    """One way to do a workload: a command. Preparing its state and checking its result aren't timed."""

    name: str
    command: Sequence[str | Path]
    prepare: Callable[[], None] = no_op
    check: Callable[[], None] = no_op
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None
    folder: Path | None = None

    def sample(self) -> Sample:
        """Prepare, run the command once and check; return the metrics of the command."""
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
    """Run a command until it exits, and return its metrics.

    Raises:
        CommandFailed: its exit status wasn't 0; the message ends with its standard error.
    """
    with Path(stdin or os.devnull).open("rb") as source:
        # A process inherits the peak memory of the process that starts it, so a small one starts the command.
        done = subprocess.run(
            [sys.executable, "-S", "-E", ONE_PROCESS, *command],
            env=os.environ | dict(environment or {}),
            stdin=source,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    sample: Sample = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"status": done.returncode}
    if sample.pop("status") != 0:
        raise CommandFailed(f"{' '.join(map(str, command))}\n{done.stderr[-4000:]}")
    return sample


def interleaved(cases: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Return the samples of each case, taken in the order A B C, B C A, and so on, so that none is always first."""
    taken: dict[str, list[Sample]] = {name: [] for name in cases}
    names = list(cases)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(cases[name]())
            print(f"  {number + 1}/{rounds} {name}: {_described(taken[name][-1])}", flush=True)
    return taken


def spread(samples: Sequence[Sample], metric: str) -> tuple[float, float, float]:
    """Return the median, the smallest and the largest value of a metric."""
    values = [sample[metric] for sample in samples]
    return statistics.median(values), min(values), max(values)


def ratio(metric: str, above: Sequence[Sample], below: Sequence[Sample]) -> tuple[float, float, float]:
    """Return the median, the smallest and the largest of the rounds' ratios of ``above`` to ``below``."""
    values = [one[metric] / other[metric] for one, other in zip(above, below, strict=True)]
    return statistics.median(values), min(values), max(values)


def _described(sample: Sample) -> str:
    return ", ".join(f"{metric} {value:,.2f}" for metric, value in sample.items())
