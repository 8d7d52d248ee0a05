// The missed records, oldest first, a page at a time, each once. What was drawn is taken for seen.

import { bdi, button, node } from "./dom.js"
import { tableRow } from "./row.js"
import { clock, count } from "./words.js"

const ROWS = 50
const TABLES = { c: "created", u: "updated", d: "deleted" }

export class AwayPages {
  constructor(page, { seen, closed }) {
    this.page = page
    this.seen = seen
    this.closed = closed
    this.position = node("p", { class: "away-position", role: "status" })
    this.body = node("tbody")
    this.back = button("Earlier", () => this.turn(this.number - 1), { class: "tool" })
    this.next = button("", () => this.turn(this.number + 1), { class: "tool first" })
    this.el = node("div", { class: "away-pages" },
      node("div", { class: "away-turn" }, this.position, this.back, this.next),
      this.scroller = node("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Missed records" }, node("table", { class: "table away-rows" }, node("caption", { class: "unseen" }, "Missed records, oldest first"),
        node("colgroup", {}, node("col", { class: "when" }), node("col")),
        node("thead", { class: "unseen" }, node("tr", {}, ...["Time and view", "Row"].map((t) => node("th", { scope: "col" }, t)))), this.body)))
    this.body.addEventListener("click", (e) => this.chosen(e))
    this.body.addEventListener("keydown", (e) => { if (e.key === "Enter") this.chosen(e) })
    document.addEventListener("visibilitychange", () => this.drawn())
  }

  // `value` is the summary: what was missed, of which the pages are made, stays the same.
  open(value) {
    this.value = value
    this.starts = [{ after: null, before: 0 }] // where each page begins, and how many records come before it
    this.finished = false
    this.page.drawer.open({ title: "While you were away", el: this.el, wide: true, onclose: () => this.close() })
    this.turn(0)
  }

  async turn(number) {
    if (this.reading) return
    const { after, before } = this.starts[number]
    this.reading = true
    this.position.textContent = "Reading …"
    const { value } = this
    try {
      const found = await this.page.link.ask("away.page", { missed: value.missed, after, count: ROWS })
      if (value !== this.value) return
      this.number = number
      this.show(found, before)
    } catch (error) {
      this.position.textContent = error.message
    } finally {
      this.reading = false
    }
  }

  show({ rows, place, more }, before) {
    const upto = before + rows.length
    const total = Math.max(this.value.entries, upto)
    if (more) this.starts[this.number + 1] = { after: place, before: upto }
    this.body.replaceChildren(...rows.map(missedRow))
    this.position.textContent = rows.length ? `${count(before + 1)}–${count(upto)} of ${count(total)}` : "Nothing of it is left in the feed."
    if (!more && upto < total) this.position.textContent += `; ${count(total - upto)} were trimmed from the feed meanwhile`
    else if (!more && rows.length) this.position.textContent += ": that was all"
    if ([this.back, this.next].includes(document.activeElement)) this.scroller.focus({ preventScroll: true })
    this.back.disabled = this.number === 0
    this.next.disabled = !more
    this.next.textContent = more ? `Next ${count(Math.min(ROWS, total - upto) || ROWS)}` : "Next"
    this.el.closest(".drawer-body")?.scrollTo(0, 0)
    this.toSay = { upTo: more ? place : null }
    requestAnimationFrame(() => this.drawn())
  }

  // Rows count as seen once they stand on a visible screen.
  async drawn() {
    if (!this.toSay || document.visibilityState !== "visible") return
    const { upTo } = this.toSay
    this.toSay = null
    const { missed, lettersUpTo } = this.value
    try {
      await this.page.link.ask("away.seen", upTo ? { missed, upTo } : { missed, letters: lettersUpTo })
      this.finished ||= upTo === null
      this.seen({ all: this.finished })
    } catch (error) {
      this.page.say(error.message, { level: "bad" })
    }
  }

  close() {
    this.value = null
    this.toSay = null
    if (!this.finished) this.closed()
  }

  chosen(event) {
    if (event.target.closest("button, a, [data-path]") || String(getSelection())) return
    const address = event.target.closest("tr[data-address]")?.dataset.address
    if (!address) return
    const [stream, id] = address.split("/")
    this.page.openRecord({ stream: Number(stream), id })
  }
}

function missedRow(row) {
  const address = `${row.stream}/${row.id}`
  if (row.unreadable !== null) {
    return node("tr", { "data-address": address, tabindex: "0" }, node("td", { class: "when" }, clock.format(row.at_ms), bdi(row.view, "view")),
      node("td", { class: "what" }, node("div", { class: "title" }, "This entry cannot be read"), bdi(row.unreadable, "label")))
  }
  const made = tableRow({ ...row, table: TABLES[row.op] ?? "read" }, address)
  made.querySelector(".when").append(node("span", { class: "away-op" }, TABLES[row.op] ?? "first read"))
  return made
}
