"""The signing key of a machine that was given none: made once, kept beside the data."""

import os
import secrets
from pathlib import Path


def kept_in(folder: Path) -> str:
    """Return the key of this folder, made on the first call; only its owner can read the file."""
    path = folder / "secret_key"
    try:
        # O_EXCL: of two processes that start together, one writes and the other reads.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(50)
        file.write(key)
    return key
