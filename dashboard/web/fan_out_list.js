// All rows that one change of a looked-up row re-joined, in the drawer, newest first.

import { button, node } from "./dom.js"
import { sentence } from "./fan_out.js"
import { tableRow } from "./row.js"
import { count, moment } from "./words.js"

const AROUND_MS = 60_000 // the source's clock and Redis's may differ, and rows may still come

export class FanOutList {
  constructor(page) {
    this.page = page
    page.openFanOut = (group) => this.open(group)
  }

  open(group) {
    const asking = new AbortController()
    const rows = node("tbody")
    const says = node("p", { class: "hint", role: "status" }, "Looking …")
    const more = button("Older", () => this.next(list), { class: "tool", hidden: "" })
    const list = { group, rows, says, more, asking, before: null, shown: 0, looked: 0 }
    const el = node("div", { class: "fan-out-list" },
      node("p", { class: "fan-out-says" }, ...sentence(group)),
      node("table", {}, node("caption", { class: "unseen" }, "The rows, newest first"),
        node("colgroup", {}, node("col", { class: "when" }), node("col")),
        node("thead", { class: "unseen" }, node("tr", {}, ...["Time and view", "Row"].map((t) => node("th", { scope: "col" }, t)))), rows), says, more)
    rows.addEventListener("click", (e) => this.choose(e))
    rows.addEventListener("keydown", (e) => { if (e.key === "Enter") this.choose(e) })
    this.page.drawer.open({ title: "Re-joined rows", el, onclose: () => asking.abort() })
    this.next(list)
  }

  async next(list) {
    const { group, rows, says, more, asking } = list
    more.disabled = true
    const args = { view: group.view, cause: group.cause, position: group.position, before: list.before,
      fromMs: Math.max(0, Math.min(group.ts_ms, group.at_ms) - AROUND_MS), toMs: group.at_ms + AROUND_MS }
    try {
      const page = await this.page.link.ask("fan_out", args, { signal: asking.signal })
      for (const row of page.rows) rows.append(listed(row))
      list.before = page.older
      list.shown += page.rows.length
      more.hidden = page.stopped === "end"
      more.textContent = page.stopped === "budget" ? "Look further" : "Older"
      says.textContent = page.stopped === "end" ? `These are all ${count(list.shown)}.`
        : `${count(list.shown)} so far, back to ${moment.format(page.atMs)}.`
      if (page.stopped === "end" && page.missingBeforeMs !== null) {
        says.textContent += ` Entries older than ${moment.format(page.missingBeforeMs)} are no longer in the feed.`
      }
    } catch (error) {
      if (!asking.signal.aborted) says.textContent = error.message
    } finally { more.disabled = false }
  }

  choose(event) {
    if (event.target.closest("button, a, [data-path]")) return
    const address = event.target.closest("tr[data-address]")?.dataset.address
    if (!address) return
    const [stream, id] = address.split("/")
    this.page.openRecord({ stream: Number(stream), id })
  }
}

function listed(row) {
  const line = tableRow({ ...row, table: "updated" }, `${row.stream}/${row.id}`)
  line.tabIndex = 0
  return line
}
