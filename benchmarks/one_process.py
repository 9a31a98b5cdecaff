"""Run the command that the arguments are, and print what it took as a line of JSON. Its own output is passed over.

    python -S -E benchmarks/one_process.py COMMAND ARGUMENT...

It imports next to nothing: the peak of a process is at least that of the one it was forked from.
"""

import os
import sys
import time


def main() -> None:
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begun = time.perf_counter()
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silence)
    try:
        _, status, usage = os.wait4(child, 0)
    except BaseException:  # an interrupted benchmark leaves nothing running
        os.kill(child, 15)
        raise
    seconds = time.perf_counter() - begun
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(
        f'{{"status": {os.waitstatus_to_exitcode(status)}, "seconds": {seconds:.4f},'
        f' "cpu": {usage.ru_utime + usage.ru_stime:.4f}, "megabytes": {usage.ru_maxrss / unit:.1f}}}'
    )


main()
