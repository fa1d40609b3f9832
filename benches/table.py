"""table.py NAME=COMMAND…: times commands in turn (A B C A B C …) and prints medians and ratios to the first.

Runs are interleaved because machines drift; a command that fails is reported, not timed.
RUNS (default 60) and WARMUP (default 5) come from the environment.
"""

import os
import shlex
import statistics
import subprocess
import sys
import time

RUNS = int(os.environ.get("RUNS", "60"))
WARMUP = int(os.environ.get("WARMUP", "5"))


def once(argv):
    started = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000, done.returncode


def main():
    commands = [(name, shlex.split(line)) for name, line in (arg.split("=", 1) for arg in sys.argv[1:])]
    times = {name: [] for name, _ in commands}
    failed = {}
    for turn in range(RUNS + WARMUP):
        for name, argv in commands:
            if name in failed:
                continue
            try:
                taken, status = once(argv)
            except OSError as error:
                failed[name] = str(error)
                continue
            if status not in (0, 127):
                failed[name] = f"exit status {status}"
            elif turn >= WARMUP:
                times[name].append(taken)
    first = times[commands[0][0]]
    base = statistics.median(first) if first else None
    for name, _ in commands:
        if name in failed:
            print(f"  {name:<28} not measured: {failed[name]}")
            continue
        values = sorted(times[name])
        middle = statistics.median(values)
        p95 = values[int(len(values) * 0.95)]
        ratio = f"{base / middle:6.2f} = {commands[0][0]} / {name}" if base else ""
        print(f"  {name:<28} median {middle:8.2f} ms   p95 {p95:8.2f} ms   {ratio}")


main()
