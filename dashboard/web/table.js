// One table of live rows: newest on top. While it is being read (pointer on it, focus in it, scrolled) or the page is
// paused it stands still and counts what waits.

import { icon, node } from "./dom.js"
import { FanOutLine, isGroup } from "./fan_out.js"
import { tableRow } from "./row.js"
import { count } from "./words.js"

const MOST_ARRIVALS = 5 // more rows within so long are not lit up: it would only flicker, and cost frames
const ARRIVALS_MS = 200

export const addressOf = (row) => `${row.shard}/${row.id}`

export class Table {
  constructor({ name, title, empty }, page) {
    this.name = name
    this.page = page
    this.limit = 60
    this.waiting = []
    this.waited = 0
    this.known = new Map() // lines by the address of their record, of a fan-out that of its first
    this.arrivals = []
    this.grown = new Set()
    this.reading = false
    this.paused = false
    this.body = node("tbody")
    this.emptyText = empty
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
  release() {
    if (this.held) return
    this.flush()
    for (const address of this.grown) this.known.get(address)?.line?.draw()
    this.grown.clear()
  }

  // A fan-out, which these are the addresses of, has more rows now: the line says so, what it is open to stands still
  // while it is read.
  grow(addresses) {
    for (const address of addresses) {
      const line = this.known.get(address)?.line
      if (!line) continue
      line.say()
      if (this.held) this.grown.add(address)
      else line.draw()
    }
  }

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
    const waiting = this.waiting.slice(-this.limit)
    this.waiting = []
    this.waited = 0
    this.more.hidden = true
    const drawn = document.createDocumentFragment()
    for (const row of waiting) {
      const address = addressOf(row)
      const there = this.known.get(address)
      if (there?.line && isGroup(row)) there.line.replace(row)
      if (there && (!isGroup(row) || there.line)) continue
      const line = this.line(row, address)
      this.known.set(address, line)
      if (there) there.replaceWith(line) // it was a row of its own until another came of the same cause
      else drawn.prepend(line)
    }
    const fresh = drawn.children.length
    if (!fresh) return
    if (live && this.lately(fresh) <= MOST_ARRIVALS) for (const line of drawn.children) line.classList.add("fresh")
    this.body.prepend(drawn)
    while (this.body.rows.length > this.limit) {
      const { address, group } = this.body.lastElementChild.dataset
      this.known.delete(address ?? group)
      this.body.lastElementChild.remove()
    }
    this.empty.hidden = true
  }

  line(row, address) {
    return isGroup(row) ? new FanOutLine(row, address, this.page).tr : tableRow(row, address)
  }
}
