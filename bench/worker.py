"""The other side of `processes.Worker`: builds one object, and calls its methods as it is told."""

import asyncio
import inspect
import json
import os
import sys
from importlib import import_module


def main() -> None:
    # What is measured may print; only answers go to the parent.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, name = sys.argv[1].partition(":")
    subject = getattr(import_module(module), name)(**json.loads(sys.argv[2]))
    # One event loop for all calls: clients and connections belong to theirs.
    with asyncio.Runner() as runner:
        print("true", file=answers, flush=True)
        for line in sys.stdin:
            method, arguments = json.loads(line)
            answer = getattr(subject, method)(**arguments)
            if inspect.iscoroutine(answer):
                answer = runner.run(answer)
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
