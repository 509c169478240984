"""The child: reads the files that are asked for on stdin, and answers on stdout.

A line of JSON each way: `{"path": …}` comes, `{"done": 3, "of": 300}` goes while a file is read,
then `{"parts": […]}` or `{"fault": code, "detail": …}`.
"""

import contextlib
import json
import logging
import os
import sys
import warnings
from pathlib import Path

from learning.documents import kinds
from learning.documents.parts import DocumentFault

MOST_MEMORY = 3 * 1024**3
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

    answer(ready=True)
    for line in sys.stdin:
        path = Path(json.loads(line)["path"])
        answer(**_read(path, lambda done, of: answer(done=done, of=of)))


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


if __name__ == "__main__":
    main()
