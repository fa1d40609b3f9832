"""memory.py NAME=COMMAND…: runs each command once and prints the memory it took at its peak.

Two figures: the largest single process (ru_maxrss of wait4, exact), and all processes of
the command together (proportional set sizes, sampled, so that short peaks may be missed). Programs of packages count in
both; the peak of processes that are NAME's own program is told apart.
"""

import os
import shlex
import subprocess
import sys
import threading

INTERVAL = 0.005  # seconds between samples


def parents():
    """Parent of every process."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                found[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            pass  # It has ended meanwhile.
    return found


def tree(root):
    """The process and all below it."""
    above = parents()
    members, grown = {root}, True
    while grown:
        more = {pid for pid, parent in above.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return members


def shares(pid):
    """Proportional set size and highest resident set size in bytes, and the program."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            pss = next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
        with open(f"/proc/{pid}/status") as file:
            high = next((int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)
        return pss * 1024, high * 1024, os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return 0, 0, ""


class Watch(threading.Thread):
    """Samples a command until it has ended."""

    def __init__(self, pid, program):
        super().__init__()
        self.pid, self.program, self.ended = pid, program, threading.Event()
        self.together = self.own = self.samples = 0

    def run(self):
        while not self.ended.wait(INTERVAL):
            found = [shares(pid) for pid in tree(self.pid)]
            self.samples += 1
            self.together = max(self.together, sum(pss for pss, _, _ in found))
            highs = [high for _, high, program in found if program == self.program]
            self.own = max([self.own] + highs)


def measure(argv):
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = Watch(child.pid, os.path.basename(argv[0]))
    watch.start()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    watch.ended.set()
    watch.join()
    return child.returncode, usage.ru_maxrss * 1024, watch


def main():
    for name, line in (arg.split("=", 1) for arg in sys.argv[1:]):
        try:
            code, largest, watch = measure(shlex.split(line))
        except OSError as error:
            print(f"  {name:<28} not measured: {error}")
            continue
        if code != 0:
            print(f"  {name:<28} not measured: exit status {code}")
            continue
        own = f"   {watch.program} itself {watch.own / 1e6:6.1f} MB" if watch.own else ""
        print(f"  {name:<28} largest process {largest / 1e6:6.1f} MB   all together {watch.together / 1e6:6.1f} MB{own}"
              f"   ({watch.samples} samples)")


main()
