// What of the page stands in its URL: query parameters by name, so that a colleague can be sent what one sees.

export class Address {
  constructor() {
    this.handlers = new Map()
    this.known = this.all()
    addEventListener("popstate", () => this.tell())
  }

  all() { return new URLSearchParams(location.search) }

  get(name) { return this.all().get(name) }

  // `push`: the browser's back button undoes it. Handlers hear of what changes through the browser's buttons only.
  set(values, { push = false } = {}) {
    const next = this.all()
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "") next.delete(name)
      else next.set(name, value)
    }
    const text = next.toString()
    if (text === this.all().toString()) return
    history[push ? "pushState" : "replaceState"](null, "", text ? `?${text}` : location.pathname)
    this.known = next
  }

  on(name, handler) { this.handlers.set(name, handler) }

  tell() {
    const now = this.all()
    for (const [name, handler] of this.handlers) {
      if (now.get(name) !== this.known.get(name)) handler(now.get(name))
    }
    this.known = now
  }
}
