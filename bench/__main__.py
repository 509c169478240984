"""Run topics, print their tables as they come, and write bench/RESULTS.md."""

import argparse
import importlib
import os
import sys
import time

from bench import results

TOPICS = {
    "cost": "bench.tracing_cost",
    "loop": "bench.tracing_loop",
    "langfuse": "bench.langfuse_states",
    "memory": "bench.memory",
    "export": "bench.export",
    "admin": "bench.admin_lists",
    "retrieval": "bench.retrieval",
    "crowd": "bench.retrieval_crowd",
    "reindex": "bench.reindex",
    "streams": "bench.streams",
    "first_token": "bench.first_token",
    "sockets": "bench.sockets",
    "turn_ends": "bench.turn_ends",
    "neighbours": "bench.neighbours",
    "generating": "bench.generating",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="topic", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds: ten minutes")
    options = parser.parse_args()
    if unknown := set(options.topics) - set(TOPICS):
        parser.error(f"no topic {', '.join(sorted(unknown))}; there are: {', '.join(TOPICS)}")

    has_failed = False
    for name in options.topics or TOPICS:
        topic = importlib.import_module(TOPICS[name])
        title = getattr(topic, "TITLE", name)
        print(f"{name}: {title} …", file=sys.stderr, flush=True)
        load, began = os.getloadavg()[0], time.monotonic()
        try:
            rows = topic.measure(options.quick)
        except Exception as error:
            # One topic that breaks must not cost the others; it is not passed over either.
            has_failed = True
            rows = []
            print(f"{name} FAILED: {type(error).__name__}: {error}", file=sys.stderr)
            if len(options.topics) == 1:
                raise
        seconds = time.monotonic() - began
        section = results.Section(
            name, title, topic.__doc__ or "", rows, seconds, options.quick, load
        )
        print(section.as_text(), flush=True)
        results.keep(section)
    print(f"written: {results.PAGE.relative_to(results.ROOT)}", file=sys.stderr)
    return 1 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
