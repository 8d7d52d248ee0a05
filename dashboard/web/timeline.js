// The timeline: what was written when, as bars, of which a stretch can be chosen (pointer, touch, keys) to see its records.

import { drawing, node } from "./dom.js"
import { heights } from "./heights.js"
import { KINDS } from "./kinds.js"
import { clock, count, milliseconds, moment, rate } from "./words.js"

const SPANS = [["15 min", 900_000], ["1 h", 3_600_000], ["6 h", 21_600_000], ["24 h", 86_400_000]]
const EVERY_MS = 5000
const NARROW_PX = 640
const HEIGHT = 100
const TOP = 96 // of a bar that reaches the top of the scale
const CHANGING = KINDS.filter(({ table }) => table !== null).map(({ kind }) => kind)
const KEPT = "dbwatch.timeline"

const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false })

// What a bar holds, by kind: { c: 5, d: 1 }, of all views.
function sums(counts) {
  const found = {}
  for (const kinds of Object.values(counts)) for (const [kind, n] of Object.entries(kinds)) found[kind] = (found[kind] ?? 0) + n
  return found
}

function kept() {
  try { return Number(localStorage.getItem(KEPT)) } catch { return 0 }
}

export class Timeline {
  constructor(page) {
    this.page = page
    this.spanMs = SPANS.some(([, ms]) => ms === kept()) ? kept() : SPANS[0][1]
    this.bars = new Map()
    this.window = null
    this.chosen = null // [first bar, last bar], by number
    this.spans = node("div", { class: "spans", role: "group", "aria-label": "How much of the past" },
      ...SPANS.map(([label, ms]) => node("button", { type: "button", "data-span": ms, onclick: () => this.look(ms) }, label)))
    this.legend = node("ul", { class: "kinds", "aria-label": "Colours" }, ...KINDS.map(({ kind, title }) =>
      node("li", { "data-kind": kind }, node("span", { class: `swatch ${kind}` }), title)))
    this.says = node("p", { class: "says" })
    this.paths = Object.fromEntries(KINDS.map(({ kind }) => [kind, drawing("path", { class: kind })]))
    this.before = drawing("rect", { class: "before", y: 0, height: HEIGHT, x: 0, width: 0 })
    this.cuts = drawing("path", { class: "cut" })
    this.beginning = node("span", { class: "beginning" })
    this.brush = drawing("rect", { class: "brush", y: 0, height: HEIGHT, x: 0, width: 0 })
    this.svg = drawing("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, this.before, ...Object.values(this.paths), this.cuts, this.brush)
    this.axis = node("div", { class: "axis", "aria-hidden": "true" })
    this.chart = node("div", { class: "chart", tabindex: "0", role: "slider", "aria-label": "Chosen time", "aria-describedby": "timeline-keys" }, this.svg, this.beginning)
    this.el = node("section", { class: "timeline", "aria-label": "Timeline" },
      node("header", {}, node("h2", {}, "Timeline"), this.spans, this.says, this.legend), this.chart, this.axis,
      node("p", { id: "timeline-keys", class: "unseen" }, "Arrow keys move, with Shift they widen, Enter opens the records of that time."))
    this.listen()
    addEventListener("resize", () => { if (this.window && this.most() !== this.asked) this.look(this.spanMs) })
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh() })
    page.link.on("fill", () => this.refresh())
    setInterval(() => { if (!document.hidden) this.refresh() }, EVERY_MS)
    this.look(this.spanMs)
  }

  most() { return innerWidth < NARROW_PX ? 60 : 180 }

  look(spanMs) {
    this.spanMs = spanMs
    try { localStorage.setItem(KEPT, String(spanMs)) } catch { /* then it is not kept */ }
    for (const el of this.spans.children) el.setAttribute("aria-pressed", String(Number(el.dataset.span) === spanMs))
    this.window = null
    this.chosen = null
    this.refresh()
  }

  // The newest bars; all of them when another span is looked at. A bar that goes on is asked for again.
  async refresh() {
    const { spanMs } = this
    const most = this.most()
    const known = this.window
    if (this.asking === spanMs) return
    this.asking = spanMs
    const sinceMs = known ? Math.max(0, known.toMs - 2 * known.barMs) : 0
    try {
      const found = await this.page.link.ask("timeline", { spanMs, bars: most, sinceMs })
      if (spanMs === this.spanMs) this.take(found, spanMs, most, known === null)
    } catch (error) {
      this.says.textContent = this.window === null ? error.message : this.says.textContent
    } finally {
      if (this.asking === spanMs) this.asking = null
    }
  }

  take(found, spanMs, most, anew) {
    if (anew) this.bars.clear()
    for (let atMs = found.fromMs; atMs < found.toMs; atMs += found.barMs) this.bars.delete(atMs)
    for (const bar of found.bars) this.bars.set(bar.atMs, { ...bar, sums: sums(bar.counts) })
    const window = { fromMs: found.toMs - spanMs, toMs: found.toMs, barMs: found.barMs, reachesMs: found.reachesMs }
    for (const atMs of this.bars.keys()) if (atMs < window.fromMs) this.bars.delete(atMs)
    if (this.chosen && this.window) {
      const moved = (window.fromMs - this.window.fromMs) / window.barMs
      this.chosen = this.chosen[1] < moved ? null : this.chosen.map((n) => Math.max(0, n - moved))
    }
    this.asked = most
    this.window = window
    this.draw()
  }

  get length() { return this.window ? Math.round((this.window.toMs - this.window.fromMs) / this.window.barMs) : 0 }

  draw() {
    const { fromMs, barMs, reachesMs } = this.window
    const bars = [...this.bars.values()]
    this.scale = heights(bars.map((bar) => bar.sums), CHANGING)
    const shapes = Object.fromEntries(KINDS.map(({ kind }) => [kind, ""]))
    const gap = this.length > 100 ? 0.12 : 0.2
    let cuts = ""
    for (const [n, bar] of bars.entries()) {
      const x = (bar.atMs - fromMs) / barMs + gap / 2
      const { parts, cut } = this.scale.bars[n]
      let y = HEIGHT
      for (const { kind } of KINDS) {
        const height = (parts[kind] ?? 0) * (cut ? HEIGHT : TOP)
        if (height <= 0) continue
        y -= height
        shapes[kind] += `M${x.toFixed(2)} ${y.toFixed(2)}h${1 - gap}v${height.toFixed(2)}h${gap - 1}z`
      }
      if (cut) cuts += `M${(x - gap / 2).toFixed(2)} 26l1 -8v8l-1 8z`
    }
    this.cuts.setAttribute("d", cuts)
    this.svg.setAttribute("viewBox", `0 0 ${this.length} ${HEIGHT}`)
    for (const { kind } of KINDS) this.paths[kind].setAttribute("d", shapes[kind])
    for (const el of this.legend.children) el.hidden = !shapes[el.dataset.kind]
    const unknown = reachesMs === null ? this.length : Math.max(0, Math.min(this.length, (reachesMs - fromMs) / barMs - 1))
    this.before.setAttribute("width", unknown.toFixed(2))
    this.beginning.style.width = `${(100 * unknown) / this.length}%`
    this.beginning.textContent = reachesMs !== null && unknown > 0 ? `Figures begin at ${clock.format(reachesMs)}` : ""
    this.drawAxis()
    this.drawBrush()
  }

  drawAxis() {
    const { fromMs, toMs } = this.window
    const ticks = innerWidth < NARROW_PX ? 3 : this.spanMs === SPANS[0][1] ? 5 : 6 // whole minutes apart
    this.axis.replaceChildren(...Array.from({ length: ticks + 1 }, (_, n) =>
      node("span", {}, hour.format(fromMs + ((toMs - fromMs) * n) / ticks))))
  }

  drawBrush() {
    const [first, last] = this.chosen ?? [0, -1]
    this.brush.setAttribute("x", first)
    this.brush.setAttribute("width", last - first + 1)
    const now = last < 0 ? this.length - 1 : last
    this.chart.setAttribute("aria-valuemin", "0")
    this.chart.setAttribute("aria-valuemax", String(Math.max(0, this.length - 1)))
    this.chart.setAttribute("aria-valuenow", String(Math.max(0, now)))
    this.chart.setAttribute("aria-valuetext", this.chosen ? this.figures(first, last) : "nothing chosen")
    if (this.chosen) this.says.textContent = this.figures(first, last)
    else if (this.hovered === undefined || this.hovered === null) this.says.textContent = this.overall()
  }

  range(first, last) {
    const { fromMs, barMs } = this.window
    return { fromMs: fromMs + first * barMs, toMs: fromMs + (last + 1) * barMs }
  }

  overall() {
    const perSecond = (n) => `${rate((n * 1000) / this.window.barMs)}/s`
    const { highest, cut, ofChanges } = this.scale
    if (!highest) return "Nothing was written in this time."
    const said = `Highest: ${perSecond(highest)}${ofChanges ? "" : " (first read)"}; heights by the square root.`
    return cut ? `${said} First read, ${perSecond(cut)}, cut off.` : said
  }

  // The figures of some bars, in words.
  figures(first, last) {
    const { fromMs, toMs } = this.range(first, last)
    const found = {}
    let slowest = null
    for (let atMs = fromMs; atMs < toMs; atMs += this.window.barMs) {
      const bar = this.bars.get(atMs)
      for (const [kind, n] of Object.entries(bar?.sums ?? {})) found[kind] = (found[kind] ?? 0) + n
      if (bar?.latency && (slowest === null || bar.latency.p95 > slowest)) slowest = bar.latency.p95
    }
    const words = KINDS.filter(({ kind }) => found[kind]).map(({ kind, title }) => `${count(found[kind])} ${title}`)
    const when = this.spanMs > 21_600_000 ? moment : clock
    return `${when.format(fromMs)} to ${clock.format(toMs)}: ${words.join(", ") || "nothing"}`
      + (slowest === null ? "" : `; p95 ${milliseconds(slowest)} at most`)
  }

  listen() {
    const at = (e) => {
      const box = this.chart.getBoundingClientRect()
      return Math.max(0, Math.min(this.length - 1, Math.floor(((e.clientX - box.left) / box.width) * this.length)))
    }
    let begun = null
    this.chart.addEventListener("pointerdown", (e) => {
      if (!this.window || e.button !== 0) return
      begun = at(e)
      this.chart.setPointerCapture(e.pointerId)
      this.choose(begun, begun)
    })
    this.chart.addEventListener("pointermove", (e) => {
      if (!this.window) return
      this.hovered = at(e)
      if (begun !== null) this.choose(begun, this.hovered)
      else if (!this.chosen) this.says.textContent = this.figures(this.hovered, this.hovered)
    })
    this.chart.addEventListener("pointerup", (e) => {
      if (begun === null) return
      begun = null
      this.open(e)
    })
    this.chart.addEventListener("pointercancel", () => { begun = null; this.clear() })
    this.chart.addEventListener("pointerleave", () => { this.hovered = null; if (this.window && begun === null) this.drawBrush() })
    this.chart.addEventListener("keydown", (e) => { if (this.window && this.key(e)) e.preventDefault() })
    this.chart.addEventListener("blur", () => { if (begun === null) this.clear() })
  }

  choose(one, other) {
    this.chosen = [Math.min(one, other), Math.max(one, other)]
    this.drawBrush()
  }

  clear() {
    this.chosen = null
    if (this.window) this.drawBrush()
  }

  key(e) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }
    const last = this.length - 1
    const [from, to] = this.chosen ?? [last + 1, last + 1]
    if (e.key === "Escape") {
      if (!this.chosen) return false
      this.clear()
    } else if (e.key === "Enter" || e.key === " ") this.open()
    else if (e.key === "Home") this.choose(0, 0)
    else if (e.key === "End") this.choose(last, last)
    else if (!(e.key in steps)) return false
    else if (e.shiftKey && this.chosen) {
      const step = steps[e.key]
      if (step < 0) this.choose(Math.max(0, from + step), to)
      else this.choose(from, Math.min(last, to + step))
    } else {
      const width = this.chosen ? to - from : 0
      const first = Math.max(0, Math.min(last - width, from + steps[e.key]))
      this.choose(first, first + width)
    }
    return true
  }

  // The records of what is chosen, by the clock that made their ids.
  open() {
    if (this.chosen) this.page.openPast(this.range(...this.chosen))
  }
}
