// A websocket that comes back: JSON in, JSON out, with growing pauses between attempts.
//
// Close codes of the server's own (4401 not logged in, 4404 not yours) are final.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

export class Socket {
  // `on` has the functions open(), frame(object), lost() and refused(code).
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.pause = FIRST_PAUSE;
    this.connect();
    this.hurry = () => {
      if (this.timer) this.connect();
    };
    window.addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}`);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.pause = FIRST_PAUSE;
      this.on.frame(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.socket) return;
      if (event.code === 4401 || event.code === 4404) {
        this.on.refused(event.code);
        return;
      }
      this.on.lost();
      this.timer = setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    });
  }

  // Returns whether the frame was handed to an open connection.
  send(frame) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  close() {
    clearTimeout(this.timer);
    window.removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
