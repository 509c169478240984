"""The README's ten lines, in a new Django project that has nothing of this one but the app."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.servers.langfuse_server import LangfuseServer

APP = Path(__file__).resolve().parents[2] / "tracing"
[EXAMPLE] = re.findall(r"```python\n(.*?)```", (APP / "README.md").read_text(), re.DOTALL)
SETTINGS, WORK = EXAMPLE.split("# where the work is done\n")
IMPORT, BLOCK = WORK.split("\n\n", 1)

SCRIPT = """
import asyncio
{import_line}

class conversation:
    pk = 7

async def chunks():
    for word in ("A ", "limit"):
        yield word

async def answer_one():
    question, text, stream = "What is a limit?", "A limit", chunks()
    messages = [dict(role="user", content=question)]
{block}

asyncio.run(answer_one())
"""


@pytest.fixture
def project(tmp_path):
    """Make a new project, copy the app into it, and return how a command is run there."""

    def run(*arguments, stdin=""):
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": ""}
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "django", "startproject", "mysite", ".", "--settings=")
    shutil.copytree(APP, tmp_path / "tracing")
    return run


def test_ten_lines_give_another_project_rows_and_confirmed_copies(project, tmp_path):
    with LangfuseServer() as langfuse:
        told = {
            "https://…": langfuse.url,
            "pk-lf-…": langfuse.public_key,
            "sk-lf-…": langfuse.secret_key,
        }
        lines = SETTINGS
        for example, real in told.items():
            assert example in lines
            lines = lines.replace(example, real)
        with (tmp_path / "mysite/settings.py").open("a") as settings:
            settings.write(lines)
        project("manage.py", "migrate", "-v", "0")
        project("manage.py", "check")
        script = SCRIPT.format(import_line=IMPORT, block=textwrap.indent(BLOCK, "    "))
        project("manage.py", "shell", "-v", "0", stdin=script)
        said = project("manage.py", "tracing_doctor")
        shown = langfuse.observation("llm_call")

    assert "ok     probe" in said and "waiting: 0" in said
    assert (shown["output"], shown["usage"]["total"]) == ("A limit", 2325)
    assert langfuse.trace("ai_chat")["sessionId"] == "7"
