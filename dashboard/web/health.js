// The whole of Health, in the drawer: figures that explain themselves, views, processes, the hottest rows, dead letters.

import { bdi, button, node } from "./dom.js"
import { keyed } from "./keyed.js"
import { KINDS } from "./kinds.js"
import { Level, explanation, worded } from "./level.js"
import { explain } from "./tip.js"
import { ago, clock, count, duration, moment, rate } from "./words.js"

const ASK_EACH = 2 // beats
const OLD_AFTER_MS = 5000
const LETTERS = 5
const PLAIN = /^[\w.-]+$/

export class HealthPanel {
  constructor(page) {
    this.page = page
    this.known = new Map()
    this.beats = 0
    this.shown = false
    page.link.on("beat", (beat) => this.beat(beat))
    page.address.on("health", (value) => { if (value) this.open(); else if (this.shown) page.drawer.close() })
  }

  beat({ status, rates }) {
    this.status = status
    this.rates = rates
    if (this.beats++ === 0) {
      this.ask()
      if (this.page.address.get("health")) this.open()
    }
    if (!this.shown) return
    this.head()
    this.views()
    if (this.beats % ASK_EACH === 0) this.refresh()
  }

  // Everything as it stands now; what was asked just before is not asked again.
  async ask() {
    this.asking ??= this.page.link.ask("health").finally(() => { this.asking = null })
    try {
      const value = await this.asking
      for (const figure of value.figures) this.known.set(figure.name, figure)
      return value
    } catch {
      return null // the status says what is wrong
    }
  }

  open() {
    if (this.shown) return
    this.cards = new Map()
    this.value = null
    this.drawnMs = performance.now()
    this.state = node("p", { class: "health-state worded" }) // not read aloud each second: the status at the top is
    this.figures = node("div", { class: "health-cards" })
    this.viewRows = node("tbody")
    this.processRows = node("tbody")
    this.hotNote = node("p", { class: "health-note" })
    this.hotRows = node("ol", { class: "health-list" })
    this.hotCauses = node("ol", { class: "health-list" })
    this.causes = node("div", {}, node("h4", {}, "Changes that reached most other rows"), this.hotCauses)
    this.letters = node("ul", { class: "health-list health-letters" })
    this.el = node("div", { class: "health-panel" }, this.state, this.figures,
      section("Views", table("Records per second, by view and kind", ["View", ...KINDS.map(({ title }) => title), "last minute"], this.viewRows, "views")),
      section("Hottest rows of the last minute", this.hotNote, node("div", { class: "health-hot" },
        node("div", {}, node("h4", {}, "Changed most often by themselves"), this.hotRows), this.causes)),
      section("Processes of the flow", table("Processes of the flow",
        ["Process", "State", "Last word", "Behind", "Written", "Retries", "Dead letters", "Waiting", "Snapshot", "Runs for"], this.processRows)),
      section("Dead letters", this.letters))
    this.page.drawer.open({ title: "Health", el: this.el, address: { health: "1" }, wide: true, onclose: () => this.closed() })
    this.shown = true
    this.timer = setInterval(() => this.head(), 1000)
    this.head()
    this.views()
    this.refresh()
  }

  closed() {
    this.shown = false
    clearInterval(this.timer)
  }

  async refresh() {
    const value = await this.ask()
    if (!value || !this.shown) return
    const lettersBefore = this.value?.figures.find(({ name }) => name === "letters").value
    this.value = value
    this.drawnMs = performance.now()
    for (const figure of value.figures) this.card(figure)
    this.views()
    this.processes(value)
    this.hot(value.hot)
    this.head()
    if (lettersBefore !== this.known.get("letters").value) this.readLetters()
  }

  // Whether what is shown is of now, and what to do when it is not.
  head() {
    const status = this.status
    if (!this.shown || !status) return
    const old = performance.now() - this.drawnMs > OLD_AFTER_MS
    const down = status.level === "down"
    this.el.classList.toggle("old", old || down)
    const parts = []
    if (this.value) parts.push(`As of ${clock.format(this.value.nowMs)}${old ? ", which is old: the server does not answer" : ""}. `)
    if (status.level !== "live") {
      const since = status.since_ms === null ? "" : `, for ${ago(status.since_ms, this.page.nowMs())}`
      parts.push(`${status.label}${since}: ${status.detail}. `, ...worded(status.todo ?? ""))
    } else if (!old) parts.push("The flow keeps up.")
    const text = parts.map((part) => part.textContent ?? part).join("")
    if (this.state.textContent !== text) this.state.replaceChildren(...parts)
  }

  card(figure) {
    if (!this.cards.has(figure.name)) {
      const card = new Card(this, figure)
      this.cards.set(figure.name, card)
      this.figures.append(card.el)
    }
    this.cards.get(figure.name).show(figure)
  }

  views() {
    const down = this.status?.level === "down"
    const rates = down ? {} : this.rates?.views ?? {}
    const collections = this.value?.collections ?? Object.keys(rates).map((view) => ({ view, counts: {} }))
    keyed(this.viewRows, collections, ({ view }) => view, () => node("tr", {}), (row, { view, counts }) => {
      const kinds = rates[view] ?? {}
      const all = Object.values(counts).reduce((sum, n) => sum + n, 0)
      row.replaceChildren(node("th", { scope: "row" }, bdi(view)),
        ...KINDS.map(({ kind }) => node("td", { class: `${kind} ${kinds[kind] ? "" : "zero"}`, "data-kind": kind }, down ? "–" : rate(kinds[kind] ?? 0))),
        node("td", { class: "all" }, count(all)))
    })
  }

  processes({ processes, nowMs }) {
    keyed(this.processRows, processes, ({ name }) => name, () => node("tr", {}), (row, process) => {
      const cells = [process.silent && process.state !== "stopped" ? `${process.state}, silent` : process.state,
        `${ago(process.heardMs, nowMs)} ago`, process.lagMs < 500 ? "no" : duration(process.lagMs), count(process.written), count(process.retries),
        count(process.deadLetters), count(process.pending), process.snapshotAgeS === null ? "–" : `${duration(process.snapshotAgeS * 1000)} ago`,
        duration(nowMs - process.startedMs)]
      row.classList.toggle("silent", process.silent)
      row.replaceChildren(node("th", { scope: "row" }, process.name), ...cells.map((cell) => node("td", {}, cell)))
    })
  }

  hot({ rows, causes, read, written, all }) {
    const share = all ? "" : ` Counted in the ${percent(read, written)} of the changes that were read.`
    this.hotNote.textContent = rows.length
      ? share
      : `No row has changed by itself in the last minute.${share}`
    keyed(this.hotRows, rows, ({ view, key }) => `${view} ${key}`, () => this.hotRow(), (item, hot) => item.show(hot))
    this.causes.hidden = !causes.length
    keyed(this.hotCauses, causes, ({ view, lookup, key }) => `${view} ${lookup} ${key}`, () => this.hotCause(), (item, hot) => item.show(hot))
  }

  hotRow() {
    const name = node("span", { class: "hot-name" })
    const times = node("span", { class: "hot-times number" })
    let now = null
    const item = node("li", {}, button(name, () => this.page.openHistory({ view: now.view, key: now.key }), { class: "hot", title: "Its history" }), times)
    item.show = (hot) => {
      now = hot
      name.replaceChildren(bdi(hot.view, "hot-view"), " ", hot.text ? bdi(hot.text) : bdi(hot.key, "key"))
      times.textContent = many(hot)
    }
    return item
  }

  hotCause() {
    const name = node("span", { class: "hot-name" })
    const times = node("span", { class: "hot-times number" })
    let now = null
    const see = button(name, () => {
      if (!PLAIN.test(now.view) || !PLAIN.test(now.lookup)) return
      this.page.drawer.close()
      this.page.setFilter(`view:${now.view} cause:${now.lookup}`)
    }, { class: "hot", title: "Show what it caused" })
    const item = node("li", {}, see, times)
    item.show = (hot) => {
      now = hot
      name.replaceChildren(bdi(hot.lookup, "hot-view"), " ", bdi(hot.text || hot.key || "not known"), " → ", bdi(hot.view))
      times.textContent = `${many(hot)} re-joined`
    }
    return item
  }

  async readLetters() {
    let value
    try {
      value = await this.page.link.ask("deadletters", { most: LETTERS })
    } catch { return }
    if (!this.shown) return
    const { total, letters } = value
    this.letters.replaceChildren(...letters.map((letter) => node("li", {},
      node("time", { datetime: new Date(letter.atMs).toISOString(), title: moment.format(letter.atMs) }, `${ago(letter.atMs, this.page.nowMs())} ago`), " ",
      bdi(letter.view, "hot-view"), " ", bdi(letter.key, "key"), node("div", { class: "letter-error" }, letter.stage ? `${letter.stage}: ` : "", bdi(letter.error)))))
    const rest = total - letters.length
    this.letters.append(node("li", { class: "health-note worded" }, ...worded(
      total === 0 ? "None: every change could be read, joined and written." : `${rest > 0 ? `And ${count(rest)} more. ` : ""}\`dbwatch deadletter list\` shows all.`)))
  }
}

class Card {
  constructor(panel, { name, label }) {
    this.level = new Level()
    this.value = node("span", { class: "card-value number" })
    this.detail = node("p", { class: "card-detail" })
    this.todo = node("p", { class: "card-todo worded" })
    const why = button("?", null, { class: "card-why", "aria-label": `What is ${label}?` })
    explain(why, () => explanation(panel.known.get(name)))
    this.el = node("section", { class: "health-card", "data-figure": name, "aria-label": label },
      node("h3", {}, label, why), node("p", { class: "card-line" }, this.level.el, this.value), this.detail, this.todo)
  }

  show({ value, level, detail, todo, since_ms: sinceMs }) {
    this.el.dataset.level = level
    this.level.show(level)
    set(this.value, value)
    set(this.detail, detail + (sinceMs ? `${detail ? ", " : ""}to ${moment.format(sinceMs)}` : ""))
    if (this.todo.textContent !== todo.replaceAll("`", "")) this.todo.replaceChildren(...worded(todo))
  }
}

function set(el, text) {
  if (el.textContent !== text) el.textContent = text
}

const many = ({ times, off }) => `${off ? "about " : ""}${count(times)}×`

function percent(part, whole) {
  const share = (100 * part) / Math.max(1, whole)
  return share < 1 ? "less than 1%" : `${Math.floor(share)}%`
}

function section(title, ...children) {
  return node("section", { class: "health-part" }, node("h3", {}, title), ...children)
}

function table(caption, heads, body, cls = "") {
  return node("div", { class: `health-scroll ${cls}`, tabindex: "0", role: "region", "aria-label": caption },
    node("table", {}, node("caption", { class: "unseen" }, caption),
      node("thead", {}, node("tr", {}, ...heads.map((head) => node("th", { scope: "col" }, head)))), body))
}
