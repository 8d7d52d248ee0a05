// The history in the drawer: what the feed holds, a page at a time, of all of it, a view, a row, or a moment. What is
// looked at stands in the URL: `history=all`, `history=view/key`, `past=from-to` (Unix milliseconds), `turn` the page.

import { bdi, button, icon, node } from "./dom.js"
import { Export } from "./export.js"
import { HistoryTable, addressOf } from "./history_table.js"
import { Past } from "./past.js"
import { count, moment } from "./words.js"

const ROWS = 100
const ALL = { view: null, key: null, fromMs: null, toMs: null }

const textOf = ({ view, key }) => (view === null ? "all" : `${encodeURIComponent(view)}/${key ?? ""}`)

function fromText(history, past) {
  const span = /^(\d{1,15})-(\d{1,15})$/.exec(past ?? "")
  if (span) return { ...ALL, fromMs: Number(span[1]), toMs: Number(span[2]) }
  const slash = history?.indexOf("/") ?? -1
  if (slash < 0) return ALL
  let view = history.slice(0, slash)
  try { view = decodeURIComponent(view) } catch { /* as it is */ }
  return { ...ALL, view, key: history.slice(slash + 1) || null }
}

// "before:0/1-0", "after:0/1-0", "at:1" or nothing, as the server's arguments.
function argsOf(turn) {
  const [how, ...rest] = (turn ?? "").split(":")
  const where = rest.join(":")
  if (how === "before" || how === "after") return { [how]: where }
  return how === "at" ? { atMs: Number(where) } : {}
}

export class History {
  constructor(page) {
    this.page = page
    this.of = null
    this.button = button(icon("clock"), () => this.open(ALL), { class: "tool", title: "History" })
    this.button.append(node("span", {}, "History"))
    page.openHistory = (of) => this.open({ ...ALL, view: of?.view ?? null, key: of?.key ?? null })
    page.openPast = ({ fromMs, toMs }) => this.open({ ...ALL, fromMs: Math.floor(fromMs), toMs: Math.ceil(toMs) })
    for (const name of ["history", "past", "turn"]) page.address.on(name, () => this.soon())
    page.link.on("fill", ({ filter }) => { if (this.of && this.usesFilter && filter !== this.filter) this.load(null) })
    this.soon() // once the page stands
  }

  // The browser's buttons have changed the URL, perhaps in several of its values.
  soon() {
    if (this.changed) return
    this.changed = true
    queueMicrotask(() => { this.changed = false; this.follow() })
  }

  follow() {
    const [history, past, turn] = ["history", "past", "turn"].map((name) => this.page.address.get(name))
    if (history !== null || past !== null) this.open(fromText(history, past), turn)
    else if (this.of) this.page.drawer.close()
  }

  open(of, turn = null) {
    this.abort?.abort()
    this.of = of
    this.make()
    const address = of.fromMs === null ? { history: textOf(of) } : { past: `${of.fromMs}-${of.toMs}` }
    this.page.drawer.open({
      title: this.title(), el: this.el, wide: true, address: { ...address, turn },
      onclose: () => { this.abort?.abort(); this.of = null },
    })
    this.of = of
    this.load(turn)
  }

  title() {
    const { view, key, fromMs, toMs } = this.of
    if (fromMs !== null) return moment.formatRange(fromMs, toMs)
    if (view === null) return "History"
    return key === null ? `History of ${view}` : `History of ${view} ${key.slice(0, 200)}`
  }

  make() {
    this.usesFilter = this.of.key === null
    this.rows = []
    this.turns = {
      newest: button("Newest", () => this.load(null), { class: "tool" }),
      newer: button("‹ Newer", () => this.load(`after:${this.newer}`), { class: "tool" }),
      older: button("Older ›", () => this.load(`before:${this.older}`), { class: "tool" }),
      oldest: button("Oldest", () => this.load(`after:${this.of.fromMs ?? 0}`), { class: "tool" }),
    }
    this.stop = button("Stop", () => this.abort.abort(), { class: "tool", hidden: "" })
    this.further = button("Look further", () => this.load(`before:${this.older}`), { class: "tool", hidden: "" })
    this.says = node("p", { class: "says", role: "status" })
    this.missing = node("p", { class: "notice", hidden: "" })
    this.filterSays = node("span")
    this.filterBox = node("input", { type: "checkbox", onchange: (e) => { this.usesFilter = e.target.checked; this.load(null) } })
    this.filterLine = node("label", { class: "by-filter" }, this.filterBox, this.filterSays)
    this.table = new HistoryTable((address) => this.show(address))
    this.past = this.of.key === null ? null : new Past(this.page.link, this.of)
    this.export = new Export(this.page, () => this.chosen())
    const when = node("input", { type: "datetime-local", step: "1", "aria-label": "Jump to a time" })
    const jump = node("form", { class: "jump", onsubmit: (e) => { e.preventDefault(); this.jump(when.value) } },
      when, button("Go", null, { type: "submit", class: "tool" }))
    this.el = node("div", { class: "history" },
      node("div", { class: "turns" }, ...Object.values(this.turns), jump, this.export.button), this.export.el,
      this.filterLine, this.missing, node("div", { class: "found" }, this.says, this.stop, this.further), this.table.el, this.past?.el)
  }

  chosen() {
    this.filter = this.page.filter
    return { ...this.of, filter: this.usesFilter ? this.filter : "" }
  }

  jump(value) {
    const ms = new Date(value).getTime()
    if (Number.isFinite(ms)) this.load(`at:${Math.max(0, ms)}`)
  }

  show(address) {
    const [stream, id] = address.split("/")
    this.page.openRecord({ stream: Number(stream), id })
  }

  // A page, in as many steps as the server needs to find its rows; what is there is shown meanwhile.
  async load(turn) {
    this.abort?.abort()
    const abort = this.abort = new AbortController()
    const args = { ...this.chosen(), ...argsOf(turn) }
    const onward = args.after !== undefined
    const found = { rows: [], looked: 0, onward }
    this.sayFilter()
    this.busy(true)
    try {
      for (;;) {
        const left = ROWS - found.rows.length
        const value = await this.page.link.ask("history", { ...args, count: left }, { signal: abort.signal })
        this.take(found, value)
        if (value.stopped !== "budget") break
        delete args.atMs
        args[onward ? "after" : "before"] = onward ? value.newer : value.older
      }
      if (this.of) this.page.address.set({ turn })
    } catch (error) {
      if (!abort.signal.aborted) this.says.textContent = error.message
    } finally {
      if (this.abort === abort) this.busy(false)
    }
  }

  take(found, value) {
    found.rows = found.onward ? [...value.rows, ...found.rows] : [...found.rows, ...value.rows]
    found.looked += value.looked
    const { rows } = found
    const stays = !rows.length && this.rows.length > 0 && value.stopped === "end"
    if (stays && found.onward) this.newer = value.newer ?? this.newer
    else if (stays) this.older = null
    else {
      this.rows = rows
      this.older = found.onward && rows.length ? addressOf(rows.at(-1)) : value.older
      this.newer = !found.onward && rows.length ? addressOf(rows[0]) : value.newer
      this.table.show(rows, value.stopped === "end" ? "No records." : "Nothing found so far.")
      this.page.drawer.body.scrollTop = 0
    }
    const atOldest = value.stopped === "end" && !found.onward
    if (this.past) this.past.offer(atOldest ? this.rows : null)
    this.say(found, value, stays)
    this.sayMissing(value)
  }

  say({ rows, looked, onward }, value, stays) {
    const words = []
    if (stays) words.push(onward ? "There is nothing newer." : "There is nothing older.")
    else if (rows.length) {
      const [newest, oldest] = [rows[0], rows.at(-1)]
      words.push(`${count(rows.length)} ${rows.length === 1 ? "record" : "records"}, ${moment.formatRange(Math.min(oldest.at_ms, newest.at_ms), newest.at_ms)}.`)
    }
    if (looked > rows.length) words.push(`Looked through ${count(looked)}, ${onward ? "up" : "back"} to ${moment.format(value.atMs)}.`)
    if (value.stopped === "end" && !onward && !stays && this.of.fromMs === null) words.push("This is where the feed begins.")
    this.says.textContent = words.join(" ")
  }

  sayMissing({ missingBeforeMs, feed }) {
    this.missing.hidden = missingBeforeMs === null
    if (missingBeforeMs === null) return
    const gone = feed.gone === null ? "" : ` (${count(feed.gone)} so far)`
    this.missing.textContent = `Older records were trimmed from the feed${gone}: it is complete from ${moment.format(missingBeforeMs)} on.`
  }

  sayFilter() {
    this.filterLine.hidden = !this.page.filter
    this.filterBox.checked = this.usesFilter
    this.filterSays.replaceChildren("Only what the filter lets through: ", bdi(this.page.filter, "key"))
  }

  busy(now) {
    this.el.setAttribute("aria-busy", String(now))
    this.stop.hidden = !now
    this.further.hidden = now || this.rows.length > 0 || !this.older
    const { newest, newer, older, oldest } = this.turns
    newest.disabled = oldest.disabled = now
    newer.disabled = now || !this.newer
    older.disabled = now || !this.older
  }
}
