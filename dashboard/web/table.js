// One table of live rows: newest on top. While it is being read (pointer on it, focus in it, scrolled) or the page is
// paused it stands still and counts what waits.

import { icon, node } from "./dom.js"
import { tableRow } from "./row.js"
import { count } from "./words.js"

const MOST_ARRIVALS = 5 // more rows within so long are not lit up: it would only flicker, and cost frames
const ARRIVALS_MS = 200

const addressOf = (row) => `${row.shard}/${row.id}`

export class Table {
  constructor({ name, title, empty }) {
    this.name = name
    this.limit = 60
    this.waiting = []
    this.waited = 0
    this.known = new Set()
    this.arrivals = []
    this.reading = false
    this.paused = false
    this.body = node("tbody")
    this.empty = node("p", { class: "empty" }, empty)
    this.count = node("span", { class: "rate" })
    this.more = node("button", { class: "more", type: "button", hidden: "", onclick: () => this.jump() })
    this.scroller = node("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `${title} rows` },
      node("table", {}, node("caption", { class: "unseen" }, `${title}, newest first`),
        node("colgroup", {}, node("col", { class: "when" }), node("col")),
        node("thead", { class: "unseen" }, node("tr", {}, ...["Time and view", "Row"].map((t) => node("th", { scope: "col" }, t)))),
        this.body),
      this.empty)
    this.scroller.addEventListener("scroll", () => { if (this.scroller.scrollTop < 4) this.release() }, { passive: true })
    this.el = node("section", { class: `table ${name}`, "data-table": name, "aria-label": title },
      node("header", {}, name === "all" ? null : icon(name), node("h2", {}, title), this.count, this.more), this.scroller)
    this.el.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") this.reading = true })
    this.el.addEventListener("pointerleave", () => { this.reading = false; this.release() })
    this.body.addEventListener("focusout", (e) => { if (!this.body.contains(e.relatedTarget)) this.release() })
  }

  get held() {
    return this.paused || this.reading || this.scroller.scrollTop >= 4 || this.body.contains(document.activeElement)
  }

  replace(rows, limit) {
    this.limit = limit
    this.known.clear()
    this.waiting = []
    this.body.replaceChildren()
    this.empty.hidden = false
    this.add(rows, false)
  }

  add(rows, live = true) {
    for (const row of rows) this.waiting.push(row)
    if (live && this.held) this.countWaiting()
    else this.flush(live)
  }

  countWaiting() {
    const n = this.waiting.length
    if (n > this.limit) { this.waited += n - this.limit; this.waiting.splice(0, n - this.limit) }
    const all = this.waiting.length + this.waited
    this.more.hidden = all === 0
    this.more.textContent = `${count(all)} new ↑`
  }

  // Whoever read has gone: show what has waited.
  release() { if (!this.held) this.flush() }

  jump() {
    this.scroller.scrollTop = 0
    this.reading = false
    if (this.body.contains(document.activeElement)) this.scroller.focus({ preventScroll: true })
    this.flush()
  }

  // How many rows have arrived within the last moment, with these.
  lately(more) {
    const now = performance.now()
    this.arrivals = [...this.arrivals.filter(([at]) => now - at < ARRIVALS_MS), [now, more]]
    return this.arrivals.reduce((sum, [, n]) => sum + n, 0)
  }

  flush(live = true) {
    const fresh = this.waiting.slice(-this.limit).filter((row) => !this.known.has(addressOf(row)))
    this.waiting = []
    this.waited = 0
    this.more.hidden = true
    if (!fresh.length) return
    const drawn = document.createDocumentFragment()
    for (const row of fresh) {
      const address = addressOf(row)
      this.known.add(address)
      drawn.prepend(tableRow(row, address))
    }
    if (live && this.lately(fresh.length) <= MOST_ARRIVALS) for (const row of drawn.children) row.classList.add("fresh")
    this.body.prepend(drawn)
    while (this.body.rows.length > this.limit) {
      this.known.delete(this.body.lastElementChild.dataset.address)
      this.body.lastElementChild.remove()
    }
    this.empty.hidden = true
  }
}
