// While you were away: a notice of what was missed, to page through or to mark as seen.

import { AwayPages } from "./away_pages.js"
import { bdi, button, node } from "./dom.js"
import { KINDS } from "./kinds.js"
import { clock, count, moment } from "./words.js"
import { Watched } from "./watched.js"

const BRIEF_MS = 120_000 // who comes back within so long, to tables that hold all of it, needs no notice
const JUST_NOW_MS = 5000 // another tab may be showing it
const SOON_MS = 1500
const PATIENCE_MS = 400 // before the counting is shown
const ROOMY_PX = 960
const OPEN = "dbwatch-away-open"
const MOST_ROWS = 4
const MOST_LETTERS = 3
const DAY_MS = 86_400_000

const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", hour: "2-digit", minute: "2-digit", hour12: false })

function since(ms, nowMs) {
  if (new Date(ms).toDateString() === new Date(nowMs).toDateString()) return clock.format(ms)
  return nowMs - ms < 6 * DAY_MS ? weekday.format(ms) : moment.format(ms)
}

const many = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`

export class Away {
  constructor(page) {
    this.page = page
    this.value = null
    this.upTo = null
    this.el = node("section", { class: "away", "aria-labelledby": "away-title", hidden: true })
    this.pages = new AwayPages(page, { seen: (how) => this.seen(how), closed: () => this.look(this.upTo) })
    this.watched = new Watched(page, {
      began: (positions) => {
        const { shown, ms } = this.watched.memory()
        this.look(positions, { shown, brief: ms !== null && Date.now() - ms < BRIEF_MS })
      },
      back: (positions) => this.look(positions, { shown: this.watched.all, brief: Date.now() - this.watched.hiddenMs < BRIEF_MS }),
    })
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible" && this.value) this.look(this.upTo) })
  }

  // Ask what was missed up to these positions. `shown`: what this tab had on the screen, which the server may not have
  // heard or not have kept yet.
  async look(upTo, { shown = {}, brief = false, again = false } = {}) {
    this.upTo = upTo
    this.asking?.abort()
    const { signal } = this.asking = new AbortController()
    const patience = setTimeout(() => this.counting(), PATIENCE_MS)
    try {
      const value = await this.page.link.ask("away.summary", { upTo, shown }, { signal, progress: (p) => this.counted(p) })
      clearTimeout(patience)
      await this.found(value, { brief, again })
    } catch (error) {
      if (!signal.aborted) this.failed(error)
    } finally {
      clearTimeout(patience)
    }
  }

  async found(value, { brief, again }) {
    if (!value.entries && !value.gone.length && !value.letters.total) { this.hide(); return }
    const visible = document.visibilityState === "visible"
    if (brief && visible && !value.gone.length && !value.letters.total && this.watched.drawnWithin(value.missed) === value.entries) {
      this.hide()
      await this.page.link.ask("away.seen", { missed: value.missed })
      return
    }
    if (!again && value.sinceMs !== null && this.page.nowMs() - value.sinceMs < JUST_NOW_MS) {
      const { upTo } = this
      setTimeout(() => { if (this.upTo === upTo) this.look(upTo, { brief, again: true }) }, SOON_MS)
      return
    }
    this.show(value)
  }

  hide() {
    this.value = null
    this.el.hidden = true
    this.el.replaceChildren()
  }

  counting() {
    if (this.value) return
    this.progress = node("progress", { "aria-label": "Counting" })
    this.soFar = node("span", { class: "soft" })
    this.el.replaceChildren(node("header", {}, node("h2", { id: "away-title" }, "While you were away"), this.soFar, this.progress))
    this.el.hidden = false
  }

  counted({ entries, share }) {
    if (!this.progress) return
    this.progress.value = share
    this.soFar.textContent = `counting: ${count(entries)} so far`
  }

  failed(error) {
    if (this.value) return
    this.el.replaceChildren(node("header", {}, node("h2", { id: "away-title" }, "While you were away"),
      node("span", { class: "soft" }, `What happened could not be counted: ${error.message}`),
      button("Try again", () => this.look(this.upTo), { class: "tool" })))
    this.el.hidden = false
  }

  show(value) {
    this.value = value
    const { entries, sinceMs } = value
    const when = sinceMs === null ? "since your first visit" : `since ${since(sinceMs, this.page.nowMs())}`
    const title = node("h2", { id: "away-title" }, "While you were away", node("span", { class: "soft" }, ` (${when}) `),
      node("strong", {}, many(entries, "change")))
    this.el.replaceChildren(
      node("header", {}, title,
        node("div", { class: "away-buttons" },
          entries ? button("Page through them", () => this.pages.open(value), { class: "tool first" }) : null,
          button("Mark as seen", () => this.markAll(), { class: "tool" }))),
      ...this.missing(value),
      this.details(value))
    this.el.hidden = false
  }

  // Open where there is room for it, or as it was left.
  details(value) {
    const kept = localStorage.getItem(OPEN)
    const details = node("details", { open: kept === null ? innerWidth > 860 && innerHeight >= ROOMY_PX : kept === "yes" },
      node("summary", {}, this.inShort(value)),
      node("div", { class: "away-what" }, this.table(value), this.busiest(value), this.letters(value)))
    details.firstChild.addEventListener("click", () => localStorage.setItem(OPEN, details.open ? "no" : "yes"))
    return details
  }

  inShort({ views, letters }) {
    const sums = KINDS.map(({ kind, title }) => [views.reduce((n, view) => n + view[kind], 0), title])
    const said = sums.filter(([n]) => n).map(([n, title]) => `${count(n)} ${title}`)
    if (letters.total) said.push(`${many(letters.total, "error")}`)
    return said.join(", ") || "What happened"
  }

  table({ views, unreadable }) {
    if (!views.length) return null
    const columns = KINDS.filter(({ kind }) => kind !== "r" || views.some((view) => view.r))
    return node("div", { class: "away-part" },
      node("table", {}, node("caption", {}, "Changes by view and kind"),
        node("thead", {}, node("tr", {}, node("th", { scope: "col" }, "view"), ...columns.map(({ title }) => node("th", { scope: "col" }, title)))),
        node("tbody", {}, ...views.map((view) => node("tr", {}, node("th", { scope: "row" }, bdi(view.view)),
          ...columns.map(({ kind }) => node("td", { class: view[kind] ? kind : "zero", "data-kind": kind }, count(view[kind]))))))),
      unreadable ? node("p", { class: "soft" }, `${count(unreadable)} of them could not be read.`) : null)
  }

  busiest({ rows, rowsExact }) {
    if (!rows.length) return null
    return node("div", { class: "away-part" }, node("h3", {}, "Most changed rows"),
      node("ol", {}, ...rows.slice(0, MOST_ROWS).map(({ view, key, text, changes, atMost }) => node("li", {},
        button(bdi(text || key), () => this.page.openHistory({ view, key }), { class: "link", title: `${view} ${key}: its history` }),
        node("span", { class: "soft" }, " ", bdi(view), ` ${changes === atMost ? "" : "at least "}${count(changes)}×`)))),
      rowsExact ? null : node("p", { class: "soft" }, "Of so many rows these counts are not exact."))
  }

  letters({ letters }) {
    if (!letters.total) return null
    return node("div", { class: "away-part letters" },
      node("h3", { class: "bad" }, `${many(letters.total, "change")} could not be read, joined or written`),
      node("ul", {}, ...letters.newest.slice(0, MOST_LETTERS).map(({ at_ms: atMs, stage, collection, error }) => node("li", { title: error },
        node("span", { class: "soft" }, `${clock.format(atMs)} ${stage} `), bdi(collection), error ? ": " : "", bdi(error)))))
  }

  missing({ gone }) {
    if (!gone.length) return []
    const known = gone.every(({ entries }) => entries !== null)
    const total = gone.reduce((n, { entries }) => n + (entries ?? 0), 0)
    const begins = Math.max(...gone.map(({ begins_ms: ms }) => ms))
    const after = Math.min(...gone.map(({ after_ms: ms }) => ms))
    const between = after ? `what was written between ${moment.format(after)} and then` : "what was written before"
    return [node("p", { class: "away-gone" },
      `The feed begins at ${moment.format(begins)}; ${between} is gone: ${known ? many(total, "record") : "it is not known how many records"}.`)]
  }

  async markAll() {
    const { missed, lettersUpTo } = this.value
    try {
      await this.page.link.ask("away.seen", { missed, letters: lettersUpTo })
    } catch (error) {
      this.page.say(error.message, { level: "bad" })
      return
    }
    this.seen({ all: true })
    this.page.say("Marked as seen.")
  }

  // Told to the other tabs of this browser, too.
  seen({ all }) {
    if (all) this.hide()
    this.channel?.postMessage("seen")
  }

  // Once it is known who looks.
  connected() {
    this.channel = new BroadcastChannel(`dbwatch-seen:${this.page.visitor.name}`)
    this.channel.onmessage = () => { if (this.value) this.look(this.upTo) }
  }
}
