// A websocket that comes back: JSON in, JSON out, with growing pauses between attempts.
//
// Close codes of the server's own (4401 not logged in, 4404 not yours) are final.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const PATIENCE = 8_000; // for the reply to a frame that always has one

export class Socket {
  // `on` has the functions frame(object), lost(), refused(code) and seen(), the last for when the
  // page comes to the front again.
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.pause = FIRST_PAUSE;
    this.connect();
    this.hurry = () => {
      if (document.hidden) return;
      if (this.timer) this.connect();
      else this.on.seen();
    };
    window.addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
  }

  connect() {
    clearTimeout(this.timer);
    clearTimeout(this.alarm);
    this.timer = this.alarm = null;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}`);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.pause = FIRST_PAUSE;
      clearTimeout(this.alarm);
      this.alarm = null;
      this.on.frame(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.socket) return;
      clearTimeout(this.alarm);
      if (event.code === 4401 || event.code === 4404) {
        this.close();
        this.on.refused(event.code);
        return;
      }
      this.on.lost();
      this.timer = setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    });
  }

  // Returns whether the frame was handed to an open connection. `hasReply`: the server always says
  // something to this one; if it does not, the connection is dead without knowing it, as after a
  // phone has changed networks, and a new one is made.
  send(frame, { hasReply = false } = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    if (hasReply) this.alarm ??= setTimeout(() => this.renew(), PATIENCE);
    return true;
  }

  renew() {
    const dead = this.socket;
    this.on.lost();
    this.connect();
    dead.close();
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.alarm);
    window.removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
