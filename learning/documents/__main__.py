"""The child: reads the files that are asked for on stdin, and answers on stdout.

A line of JSON each way: `{"path": …}` comes, `{"done": 3, "of": 300}` goes while a file is read,
then `{"parts": […]}` or `{"fault": code, "detail": …}`.

A parent that is killed can end no child, so the child ends itself: at once when stdin is closed,
and, where a library in C lets no other thread run, when a file has cost too much processor time.
"""

import contextlib
import json
import logging
import math
import os
import queue
import sys
import threading
import time
import warnings
from pathlib import Path

from learning.documents import kinds
from learning.documents.parts import DocumentFault
from learning.documents.process import MOST_SECONDS

MOST_MEMORY = 3 * 1024**3
MOST_CPU_SECONDS = math.ceil(1.2 * MOST_SECONDS)  # a living parent comes first, and has words
_DETAIL_CHARACTERS = 200


def main() -> None:
    _limit_memory()
    warnings.simplefilter("ignore")
    logging.disable()
    # A library that prints must not be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(**message) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    answer(ready=True)
    while True:
        path = Path(json.loads(requests.get())["path"])
        limit_cpu(MOST_CPU_SECONDS)
        answer(**_read(path, lambda done, of: answer(done=done, of=of)))


def _receive(requests: queue.Queue) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(1)  # nobody is left who would want an answer


def _read(path: Path, progress) -> dict:
    try:
        return {"parts": kinds.read(path, progress)}
    except DocumentFault as fault:
        return {"fault": fault.code, "detail": fault.detail[:_DETAIL_CHARACTERS]}
    except OSError as error:
        return {"fault": "unreadable", "detail": error.strerror or type(error).__name__}
    except MemoryError:
        return {"fault": "too_much_memory", "detail": ""}
    except Exception as error:  # whatever a parser comes upon, it is this file's fault
        detail = f"{type(error).__name__}: {error}"
        return {"fault": "damaged", "detail": detail[:_DETAIL_CHARACTERS]}


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(seconds: int) -> None:
    """Let this process have so many seconds of processor time from now; then it is ended."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, most))


if __name__ == "__main__":
    main()
