"""Models and their limits, as the environment names them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("OPENAI_", "CHAT_", "FALLBACK_", "CONTEXT_", "ANSWER_", "FIRST_", "BETWEEN_")
PROGRAM = "import json, config.settings; print(json.dumps(config.settings.TUTOR))"


@pytest.fixture
def start(tmp_path):
    def start(**environment: str) -> subprocess.CompletedProcess:
        others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**others, "DATA_DIR": str(tmp_path), "ENV_FILE": os.devnull, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return start


@pytest.fixture
def tutor(start):
    def tutor(**environment: str) -> dict:
        return json.loads(start(**environment).stdout)

    return tutor


def test_unset_there_is_no_fallback(tutor):
    assert tutor()["FALLBACK"] == {}


def test_the_built_in_tutor_can_be_the_fallback(tutor):
    assert tutor(FALLBACK_CHAT_MODEL="extractive")["FALLBACK"] == {
        "CHAT_MODEL_BACKEND": "learning.llm.extractive.ExtractiveChatModel"
    }


def test_another_model_of_the_same_provider_needs_no_more_than_its_name(tutor):
    fallback = tutor(
        OPENAI_API_KEY="sk-first", OPENAI_BASE_URL="http://one/v1", FALLBACK_CHAT_MODEL="small"
    )["FALLBACK"]

    assert (fallback["CHAT_MODEL"], fallback["BASE_URL"]) == ("small", "http://one/v1")
    assert fallback["API_KEY"] == "sk-first"


def test_another_provider_does_not_get_the_first_ones_key(tutor):
    fallback = tutor(
        OPENAI_API_KEY="sk-first",
        FALLBACK_CHAT_MODEL="small",
        FALLBACK_BASE_URL="http://two/v1",
    )["FALLBACK"]

    assert (fallback["API_KEY"], fallback["BASE_URL"]) == ("", "http://two/v1")


def test_a_fallback_that_nobody_could_ask_stops_the_start(start):
    run = start(FALLBACK_CHAT_MODEL="small")

    assert run.returncode == 1
    assert run.stderr.startswith("coursetrace: FALLBACK_CHAT_MODEL='small' cannot be used")


def test_the_sockets_patience_outlasts_that_of_a_turn(tutor):
    limits = tutor(FIRST_TOKEN_SECONDS="20", BETWEEN_TOKENS_SECONDS="90")

    assert (limits["FIRST_TOKEN_SECONDS"], limits["BETWEEN_TOKENS_SECONDS"]) == (20, 90)
    assert limits["READ_TIMEOUT_SECONDS"] > 90


def test_an_answer_leaves_room_for_its_question(start, tutor):
    assert tutor(CONTEXT_TOKENS="32000", ANSWER_TOKENS="16000")["ANSWER_TOKENS"] == 16_000
    assert "from 100 to 4000" in start(ANSWER_TOKENS="16000").stderr
