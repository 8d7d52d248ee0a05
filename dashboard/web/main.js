// The page: puts the panels into their places, and gives them what they share (see `page` below).

import { Address } from "./address.js"
import { Audit } from "./audit.js"
import { Away } from "./away.js"
import { Clicks } from "./clicks.js"
import { Detail } from "./detail.js"
import { drawing, node } from "./dom.js"
import { Drawer } from "./drawer.js"
import { FanOutList } from "./fan_out_list.js"
import { Figures } from "./figures.js"
import { FilterBar } from "./filter.js"
import { Frames } from "./frames.js"
import { History } from "./history.js"
import { Keys } from "./keys.js"
import { Link } from "./link.js"
import { Looks } from "./looks.js"
import { Planets } from "./planets.js"
import { Sky } from "./sky.js"
import { Status } from "./status.js"
import { Tables } from "./tables.js"
import { Timeline } from "./timeline.js"
import { walk } from "./walk.js"
import { Watchdog } from "./watchdog.js"
import { Who } from "./who.js"
import { rate } from "./words.js"

function mark() {
  return drawing("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", fill: "none" },
    drawing("ellipse", { cx: 16, cy: 16, rx: 15, ry: 6, class: "orbit", transform: "rotate(-24 16 16)" }),
    drawing("circle", { cx: 16, cy: 16, r: 6.5, class: "planet" }),
    drawing("circle", { cx: 28.6, cy: 10.2, r: 2.2, class: "moon" }))
}

// What panels share. `visitor` is known once connected; `nowMs()` is the server's clock.
class Page {
  constructor() {
    this.link = new Link()
    this.address = new Address()
    this.drawer = new Drawer(this.address)
    this.visitor = { name: "", role: "" }
    this.filter = this.address.get("filter") ?? ""
    this.aheadMs = 0
    this.said = node("p", { class: "said", role: "status" })
    this.link.on("beat", ({ nowMs }) => { if (nowMs) this.aheadMs = nowMs - Date.now() })
    this.link.on("refused", ({ message }) => this.say(message, { level: "bad" }))
  }

  nowMs() { return Date.now() + this.aheadMs }

  // A line for people that goes away by itself. `level`: "ok" or "bad".
  say(text, { level = "ok" } = {}) {
    clearTimeout(this.saying)
    this.said.textContent = text
    this.said.dataset.level = level
    this.saying = setTimeout(() => { this.said.textContent = "" }, 4000 + 60 * text.length)
  }

  // Panels replace these; until then there is nothing to open. `setFilter` looks at the feed through another filter (the
  // empty text shows everything), `addCondition` through one more condition; see filter.js.
  setFilter(_text) {}
  addCondition(_path, _value, _how) {}
  openRecord(_address) {}
  openFanOut(_group) {}
  openHistory(_of) {}
  openPast(_range) {}
}

function begin(root) {
  const page = new Page()
  const status = new Status()
  const figures = new Figures(page)
  const tables = new Tables(page)
  const history = new History(page)
  const timeline = new Timeline(page)
  const away = new Away(page)
  const notice = node("p", { class: "notice", hidden: "" })
  const heard = node("p", { class: "unseen", role: "status" })
  const filter = new FilterBar(page)
  const clicks = new Clicks((path, value, how) => filter.add(path, value, how))
  const audit = new Audit(page)
  const who = new Who(page, audit)
  const looks = new Looks(page)
  const frames = new Frames()
  const planets = new Planets(page, frames)
  const keys = new Keys([
    ["/", "to the filter", () => document.querySelector("#filter input")?.focus()],
    ["p", "pause, or go on", () => tables.pause(!tables.paused)],
    ["l", "back to live", () => tables.live()],
    ["f", "filter by a value of the row", () => clicks.ofFocus()],
    ["h", "history", () => page.openHistory({})],
    ["s", "how well everything is", () => figures.health.open()],
    ["t", "another look", () => looks.next()],
  ])
  const tools = node("div", { class: "tools" }, tables.pauseButton, tables.layoutButton, history.button, looks.el, keys.button)
  root.classList.add("root")
  walk(root)
  root.append(
    node("a", { class: "skip", href: "#main" }, "Skip to the changes"),
    node("header", { class: "top" }, node("h1", {}, mark(), "DB Watch"), status.el, planets.stage, tools, who.el, status.todo),
    node("main", { id: "main", tabindex: "-1" }, node("div", { id: "away" }, away.el), node("div", { id: "filter" }, filter.el), node("div", { id: "figures" }, figures.el),
      node("div", { id: "timeline" }, timeline.el), notice,
      node("div", { id: "tables" }, tables.el)),
    planets.legend, page.drawer.el, clicks.menu, page.said, heard, keys.dialog)
  new Sky(page, frames, document.getElementById("sky"))
  new FanOutList(page)
  new Detail(page)

  const watchdog = new Watchdog((sinceMs) => {
    status.show({ level: "down", label: "Cut off", detail: "the server does not answer; what is shown is old", since_ms: sinceMs + page.aheadMs, todo: "It comes back by itself; see that `panel serve` runs." }, page.nowMs())
    root.classList.add("stale")
    figures.show(null)
    tables.rates(null)
    planets.hear(null)
    page.link.broken()
    away.watched.cut()
  })
  page.link.on("*", () => watchdog.hear())
  page.link.on("beat", ({ status: now, rates, leftOut, unreadable, nowMs, health }) => {
    status.show(now, nowMs ?? Date.now())
    root.classList.toggle("stale", now.level === "down")
    figures.show(rates, health)
    tables.rates(rates?.views ?? null)
    const said = []
    if (leftOut) said.push(`Too many to show them all: the newest are here, about ${rate(leftOut)} a second are left out.`)
    if (unreadable) said.push(`${unreadable.toLocaleString()} entries of the feed could not be read.`)
    notice.hidden = !said.length
    notice.textContent = said.join(" ")
    const aloud = said.length ? "Not everything is shown; the notice above the tables says how much is left out." : "" // once, not each second
    if (heard.textContent !== aloud) heard.textContent = aloud
  })

  return ({ send, hear, ended, visitor }) => {
    who.show(visitor)
    ended(() => watchdog.end())
    away.connected()
    page.link.connected({ send, hear })
    filter.begin()
    if (page.address.get("audit") && visitor.role === "admin") audit.open()
  }
}

// The connection calls `connected` once, when it stands (see dashboard/feed.js).
window.dbwatch = { connected: begin(document.getElementById("page")) }
document.dispatchEvent(new Event("dbwatch"))
