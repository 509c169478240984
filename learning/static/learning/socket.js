// A websocket that comes back: JSON in, JSON out, with growing pauses between attempts.
//
// Close codes of the server's own (4401 not logged in, 4404 not yours) are final. A connection can
// be dead without knowing it, as after a phone has changed networks or a laptop has slept: then a
// frame that always has a reply gets none, and a new connection is made.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const PATIENCE = 8_000; // for the reply to a frame that always has one
const CONNECTING_PATIENCE = 15_000; // for the first frame
const QUIET = 6_000; // without a word where words are expected, the connection is doubted
const IDLE = 30_000; // the same for a page that comes to the front and expects nothing

export class Socket {
  // `on` has the functions frame(object), lost(), refused(code), and doubted(), which sends something
  // that has a reply.
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.pause = FIRST_PAUSE;
    this.isListening = false; // whether the server should be saying something
    this.connect();
    this.hurry = (event) => {
      if (document.hidden || (event.type === "pageshow" && !event.persisted)) return;
      if (this.timer) this.connect();
      else if (event.type === "online" || this.isListening || this.isQuietFor(IDLE)) this.doubt();
    };
    window.addEventListener("online", this.hurry);
    window.addEventListener("pageshow", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.watch = setInterval(() => {
      if (this.isListening && this.isQuietFor(QUIET)) this.doubt();
    }, QUIET / 3);
  }

  connect() {
    this.forget();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}`);
    this.socket = socket;
    this.heardAt = Date.now();
    this.alarm = setTimeout(() => this.giveUp(), CONNECTING_PATIENCE);
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.pause = FIRST_PAUSE;
      this.heardAt = Date.now();
      clearTimeout(this.alarm);
      this.alarm = null;
      this.on.frame(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.socket) return;
      if (event.code === 4401 || event.code === 4404) {
        this.close();
        this.on.refused(event.code);
      } else {
        this.retry();
      }
    });
  }

  retry() {
    this.forget();
    this.on.lost();
    this.timer = setTimeout(() => this.connect(), this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
  }

  // Returns whether the frame was handed to an open connection. `hasReply`: the server always says
  // something to this one.
  send(frame, { hasReply = false } = {}) {
    if (!this.isOpen) return false;
    this.socket.send(JSON.stringify(frame));
    if (hasReply) this.alarm ??= setTimeout(() => this.renew(), PATIENCE);
    return true;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  isQuietFor(milliseconds) {
    return Date.now() - this.heardAt >= milliseconds;
  }

  doubt() {
    if (this.isOpen && !this.alarm) this.on.doubted();
  }

  renew() {
    const dead = this.socket;
    this.on.lost();
    this.connect();
    dead.close();
  }

  // An attempt that leads nowhere, as in a network that lets nothing through.
  giveUp() {
    const dead = this.socket;
    this.socket = null; // its end is of no interest any more
    dead.close();
    this.retry();
  }

  forget() {
    clearTimeout(this.timer);
    clearTimeout(this.alarm);
    this.timer = this.alarm = null;
  }

  close() {
    this.forget();
    clearInterval(this.watch);
    window.removeEventListener("online", this.hurry);
    window.removeEventListener("pageshow", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
