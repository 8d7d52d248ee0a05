// The one sentence at the top: whether what is shown is live. It is read aloud when it changes; for how long it has been so
// changes each second, and is only to be seen.

import { node } from "./dom.js"
import { worded } from "./level.js"
import { ago, clock } from "./words.js"

export class Status {
  constructor() {
    this.label = node("strong")
    this.detail = node("span", { class: "detail" })
    this.since = node("span", { class: "detail since" })
    this.el = node("div", { class: "status", "data-level": "busy" }, node("i", { class: "dot", "aria-hidden": "true" }),
      node("span", { class: "state", role: "status" }, this.label, " ", this.detail), this.since)
    this.todo = node("p", { class: "todo worded", hidden: "" })
    this.show({ level: "busy", label: "Connecting", detail: "", since_ms: null }, Date.now())
  }

  // `todo`: what to do about it, with commands between backquotes.
  show({ level, label, detail, since_ms, todo = "" }, nowMs) {
    const since = since_ms === null ? "" : `(for ${ago(since_ms, nowMs)}, since ${clock.format(since_ms)})`
    if (this.el.dataset.level !== level) this.el.dataset.level = level
    if (this.label.textContent !== label) this.label.textContent = label
    if (this.detail.textContent !== detail) this.detail.textContent = detail
    if (this.since.textContent !== since) this.since.textContent = since
    if (this.todo.textContent !== todo.replaceAll("`", "")) this.todo.replaceChildren(...worded(todo))
    this.todo.hidden = !todo
  }
}
