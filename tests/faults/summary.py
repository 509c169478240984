"""What a run of the crowd was like, for a person who reads the test's output (`pytest -s`)."""

import os
import resource
import time
from collections import Counter, defaultdict
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF
from statistics import median

from tests.faults.crowd import Asked, Crowd


def print_summary(crowd: Crowd) -> None:
    print(f"{cpu_seconds(crowd):.0f} s of CPU in all, this process {time.process_time():.0f} s")
    by_fault: dict[str, list[Asked]] = defaultdict(list)
    for asked in crowd.asked:
        by_fault[asked.fault].append(asked)
    for fault, several in sorted(by_fault.items()):
        ends = Counter(shown.status for asked in several for _, shown in asked.shown[:1])
        took = [asked.done_at - asked.asked_at for asked in several if asked.done_at]
        times = f"{median(took):.1f} s, worst {max(took):.1f} s" if took else ""
        print(f"{fault:24} {len(several):4} turns, ended {dict(ends)} {times}")
    tabs = [tab for desk in crowd.desks for tab in desk.tabs]
    for name in ("gaps", "losses", "looks", "renewals"):
        print(f"{name:24} {sum(getattr(tab, name) for tab in tabs):4}")
    for where in (False, True):
        seconds = sorted(
            asked.stop_seconds
            for asked in crowd.asked
            if asked.stop_seconds is not None and asked.was_stopped_elsewhere is where
        )
        if seconds:
            place = "another" if where else "the same"
            print(
                f"stopped from {place} process: median {median(seconds):.3f} s, "
                f"worst {seconds[-1]:.3f} s of {len(seconds)}"
            )


def cpu_seconds(crowd: Crowd) -> float:
    """Of this process, of those that ended, and of those that still serve."""
    used = [resource.getrusage(whose) for whose in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    ticks = 0
    for web in crowd.webs.processes:
        fields = Path(f"/proc/{web.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return sum(u.ru_utime + u.ru_stime for u in used) + ticks / os.sysconf("SC_CLK_TCK")
