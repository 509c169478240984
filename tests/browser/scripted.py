"""A websocket whose server's part is said by the test, on a page of the real site.

For what the real server says only when the network or its process is at its worst.
"""

import json
import re

from playwright.sync_api import Page, WebSocketRoute, expect


class ScriptedServer:
    """The server's end of the chat's websocket. Name it before the page connects."""

    def __init__(self, page: Page):
        self.page = page
        self.heard: list[dict] = []  # from the page
        self.connections = 0
        self.is_down = False
        self.first_frame: dict | None = ready()  # of each connection; None: nothing is said
        page.route_web_socket(re.compile("/ws/"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        self.connections += 1
        if self.is_down:
            socket.close(code=1011)
            return
        self._socket = socket
        socket.on_message(lambda message: self.heard.append(json.loads(message)))
        if self.first_frame is not None:
            self.say(self.first_frame)

    def say(self, *frames: dict) -> None:
        for frame in frames:
            self._socket.send(json.dumps(frame))

    def cut(self, code: int = 1011) -> None:
        self._socket.close(code=code)

    def wait_for(self, kind: str, *, after: int = 0) -> dict:
        """Return the first frame of a type that the page sent after its `after`th."""
        for _ in range(500):
            for frame in self.heard[after:]:
                if frame["type"] == kind:
                    return frame
            self.page.wait_for_timeout(20)
        raise AssertionError(f"no {kind} among {self.heard[after:]}")

    def answers(self, question: str, turn: str, **place) -> dict:
        """Let the student ask, and begin the turn; returns what was asked."""
        before = len(self.heard)
        expect(self.page.locator("[data-send]")).to_be_enabled()
        self.page.locator("[data-question]").fill(question)
        self.page.locator("[data-question]").press("Enter")
        asked = self.wait_for("ask", after=before)
        self.say(started(turn, asked["id"], question, **place))
        return asked


def ready(turn: dict | None = None, *, notice: str = "", left: int | None = None) -> dict:
    return {"type": "ready", "conversation": "x", "turn": turn, "notice": notice, "left": left}


def started(turn, ask_id, question, *, after=None, versions=(), left=None) -> dict:
    return {
        "type": "turn.started",
        "turn": turn,
        "ask": ask_id,
        "question": question,
        "after": after,
        "versions": [*(versions or [turn])],
        "left": left,
    }


def sources(turn: str, *titles: str) -> dict:
    found = [
        {"n": n, "title": title, "chapter": "", "url": "", "quote": title, "score": 1.0}
        for n, title in enumerate(titles, 1)
    ]
    return {"type": "turn.sources", "turn": turn, "weak": False, "sources": found}


def delta(turn: str, at: int, text: str, *html: str) -> dict:
    """`html`: of each block from the first on; none: it comes later."""
    return {"type": "turn.delta", "turn": turn, "at": at, "text": text, "blocks": blocks(*html)}


def blocks(*html: str) -> list[dict]:
    return [{"i": i, "html": block} for i, block in enumerate(html)]


def snapshot(turn, text, *html, status="running", question="?", **more) -> dict:
    return {
        "type": "turn.snapshot",
        "turn": turn,
        "ask": "",
        "question": question,
        "after": None,
        "versions": [turn],
        "status": status,
        "text": text,
        "blocks": blocks(*html),
        "sources": [],
        "weak": False,
        **more,
    }


def finished(turn: str, length: int, status: str = "complete", **more) -> dict:
    return {"type": "turn.finished", "turn": turn, "status": status, "length": length, **more}
