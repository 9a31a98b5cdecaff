"""Runs the commands of a page in one bash, as somebody who types them: variables and the folder stay."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 300
"""Seconds that all commands of a page may take before the test fails."""

# A server is a command that doesn't end: it goes on in the background, and the next command is typed when it listens.
# Another server on the page takes its place, as after Ctrl-C.
_PRELUDE = """
in_background() {
    stop_server
    exec {log}< <(exec "$@" 2>&1)
    server=$!
    while read -r line <&$log; do
        case $line in *'Serving on http'*) cat <&$log >>$OUT/server.log & return 0;; *) echo "$line";; esac
    done
    return 1
}
stop_server() {
    [ -z "${server:-}" ] || { kill "$server"; wait "$server"; } 2>/dev/null
    server=
}
pserve() { in_background pserve "$@"; }
paymentagg-serve() {
    case " $* " in
        *' --help '*|*' --version '*) command paymentagg-serve "$@";;
        *' --listen '*) in_background paymentagg-serve "$@";;
        *) in_background paymentagg-serve --listen "$LISTEN" "$@";;
    esac
}
make() {
    case "$*" in
        run) in_background make -o install run "BIN=$BIN";;
        *) command make -o install "$@" "BIN=$BIN";;
    esac
}
trap stop_server EXIT
"""


@dataclass(frozen=True)
class Outcome:
    """What a command printed on standard output and standard error, and its exit status; None if it wasn't reached."""

    printed: str
    status: int | None


def run(commands: Sequence[tuple[str, int]], folder: Path, environment: Mapping[str, str], out: Path) -> list[Outcome]:
    """Run commands one after another until one has another exit status than the one given with it.

    Args:
        out: an empty folder for what they print.
    """
    script = [_PRELUDE]
    for number, (text, status) in enumerate(commands):
        script.append(f"eval {shlex.quote(text)} </dev/null >$OUT/{number} 2>&1")
        script.append(f"status=$?; echo $status >$OUT/{number}.status; [ $status = {status} ] || exit 0")
    file = out / "script"
    file.write_text("\n".join(script))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PAYMENTAGG_", "PG"))}
    variables = kept | dict(environment) | {"OUT": str(out), "TERM": "dumb"}
    with subprocess.Popen(["/bin/bash", str(file)], cwd=folder, env=variables, start_new_session=True) as process:
        try:
            process.wait(PATIENCE)
        finally:
            _end_all(process.pid)
    return [_outcome(out, number) for number in range(len(commands))]


def _outcome(out: Path, number: int) -> Outcome:
    status, printed = out / f"{number}.status", out / str(number)
    text = printed.read_text(errors="replace") if printed.exists() else ""
    return Outcome(text, int(status.read_text()) if status.exists() else None)


def _end_all(group: int) -> None:
    """Kill what the script has left running, which is nothing unless it failed."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
