"""The signing key of a machine that was given none: made once, kept beside the data."""

import os
import secrets
import tempfile
from pathlib import Path


def kept_in(folder: Path) -> str:
    """Return the key of this folder, made on the first call; only its owner can read the file."""
    path = folder / "secret_key"
    if not path.is_file() or not path.read_text().strip():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    # Written whole under another name first (mkstemp makes it its owner's alone): of two processes
    # that start together neither reads half a key, and both read the same.
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix="secret_key.")
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        if path.is_file() and not path.read_text().strip():
            path.unlink()
        os.link(draft, path)
    except FileExistsError:
        pass  # the other process was first
    finally:
        os.unlink(draft)
