"""bench/RESULTS.md: every topic's latest table, with the machine and the time it was measured on.

A run of one topic replaces that topic's section and leaves the others: each says when it was made.
"""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.rows import Row, is_reached, number

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "bench" / "RESULTS.md"
PACKAGES = (
    "django",
    "channels",
    "daphne",
    "openai",
    "aiohttp",
    "langfuse",
    "psycopg",
    "numpy",
    "torch",
    "sentence-transformers",
)
HEAD = """\
# Results of `make bench`

Written by the run; not edited by hand. How each figure comes about stands in the module of its
topic, and the rules for all of them in `bench/__init__.py`. Ratios are of one run, its ways taking
turns; absolute figures are this machine's. What misses its limit is said: **missed**.
"""


@dataclass
class Section:
    """One topic's table."""

    name: str
    title: str
    about: str
    rows: list[Row]
    seconds: float
    quick: bool
    load: float

    def as_text(self) -> str:
        """The table for a terminal."""
        lines = [f"\n{self.title} ({self.seconds:.0f} s)"]
        for row in self.rows:
            what, value, unit, peer, ratio, limit, reached = _cells(row)
            beside = f"  {ratio} of {peer}" if peer else ""
            held = f"  limit {limit}: {reached}" if limit else ""
            lines.append(f"  {what}: {value} {unit}{beside}{held}")
        return "\n".join(lines)

    def as_markdown(self) -> str:
        how = "quick run: few rounds" if self.quick else "full run"
        lines = [
            f"## {self.title}",
            "",
            " ".join(self.about.split()),
            "",
            f"{machine()}. {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {how}, {self.seconds:.0f} s; "
            f"load of the machine {self.load:.1f} before it began.",
            "",
            "| what | value | beside | ratio | limit | |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            what, value, unit, peer, ratio, limit, reached = _cells(row)
            lines.append(f"| {what} | {value} {unit} | {peer} | {ratio} | {limit} | {reached} |")
        if not self.rows:
            lines.append("| **this topic failed** | | | | | |")
        return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    ratio = row.get("ratio")
    reached = is_reached(row)
    return (
        row["what"],
        number(row["value"]),
        row["unit"],
        str(row.get("peer") or ""),
        "" if ratio is None else f"{ratio:.2f} ×",
        str(row.get("limit") or ""),
        {True: "reached", False: "**missed**", None: ""}[reached],
    )


def keep(section: Section) -> None:
    """Put a section into the page, in place of its earlier self."""
    page = PAGE.read_text() if PAGE.exists() else HEAD
    begin, end = f"<!-- {section.name} -->", f"<!-- end of {section.name} -->"
    block = f"{begin}\n{section.as_markdown()}\n{end}\n"
    if begin in page:
        page = re.sub(f"{begin}.*?{end}\n", lambda _: block, page, flags=re.DOTALL)
    else:
        page += f"\n{block}"
    PAGE.write_text(page)


def machine() -> str:
    """Cores, memory, system and the versions that figures depend on, in one line."""
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_cpu_name()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {packages}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1] if named else platform.processor() or "an unnamed CPU"
