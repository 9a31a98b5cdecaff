"""Run the command given as arguments and print its exit status and its costs as one line of JSON; discard its output.

    python -S -E benchmarks/programs/one_process.py COMMAND ARGUMENT...

This program imports as little as possible: the peak memory that the system reports for a process is never less than
that of the process that started it.
"""

import os
import sys
import time


def main() -> None:
    """Run the command and print ``status``, ``seconds``, ``cpu`` (user and system seconds) and peak ``megabytes``."""
    to_devnull = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begun = time.perf_counter()
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=to_devnull)
    try:
        _, status, usage = os.wait4(child, 0)
    except BaseException:  # don't leave the command running when the benchmark is interrupted
        os.kill(child, 15)
        raise
    seconds = time.perf_counter() - begun
    units_per_megabyte = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS reports bytes, Linux kilobytes
    print(
        f'{{"status": {os.waitstatus_to_exitcode(status)}, "seconds": {seconds:.4f},'
        f' "cpu": {usage.ru_utime + usage.ru_stime:.4f}, "megabytes": {usage.ru_maxrss / units_per_megabyte:.1f}}}'
    )


main()
