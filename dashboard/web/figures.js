// The strip of figures that is always in sight: how fast the flow writes, how long a change takes, and how well it is.

import { button, drawing, node } from "./dom.js"
import { HealthPanel } from "./health.js"
import { Level, explanation } from "./level.js"
import { explain, rewrite } from "./tip.js"
import { milliseconds, rate } from "./words.js"

const PERCENTILES = ["p50", "p95", "p99"]
const WORST_FIRST = ["bad", "warn", "ok"]

export class Figures {
  constructor(page) {
    this.page = page
    this.health = new HealthPanel(page)
    this.chips = new Map()
    this.total = node("strong", { class: "number" }, "–")
    this.line = drawing("polyline", { class: "line" })
    this.area = drawing("polygon", { class: "area" })
    this.chart = drawing("svg", { class: "spark", viewBox: "0 0 59 20", preserveAspectRatio: "none", role: "img",
      "aria-label": "Records per second in the last minute" }, this.area, this.line)
    this.peak = node("span", { class: "label peak" })
    this.latencies = PERCENTILES.map((p) => [p, node("strong", { class: "number", "data-latency": p }, "–")])
    this.levels = node("div", { class: "chips", role: "group", "aria-label": "Health" })
    this.worst = new Level()
    this.word = node("span", { class: "health-word" }, "Health")
    this.open = button(this.worst.el, () => this.health.open(), { class: "tool health-open" })
    this.open.append(this.word)
    const total = this.explained(node("section", { class: "figure total", role: "group", "aria-label": "Records per second", tabindex: "0" }, node("h2", {}, "Records/s"), this.total), "rate")
    const latency = this.explained(node("section", { class: "figure latency", role: "group", "aria-label": "Latency", tabindex: "0" }, node("h2", {}, "Latency"),
      node("dl", {}, ...this.latencies.map(([p, value]) => node("div", {}, node("dt", {}, p), node("dd", {}, value))))), "latency")
    this.el = node("div", { class: "figures" }, total,
      this.explained(node("section", { class: "figure chart", role: "group", "aria-label": "Last minute", tabindex: "0" },
        node("h2", {}, node("span", { class: "minute" }, "Last minute "), this.peak), this.chart), "rate"), latency,
      node("section", { class: "figure well" }, this.levels, this.open))
  }

  // `rates` null: not known. `health`: the figures in sight, see health.py.
  show(rates, health = []) {
    this.rates(rates)
    this.marks(health)
  }

  rates(rates) {
    this.total.textContent = rates === null ? "–" : rate(rates.total)
    for (const [p, value] of this.latencies) {
      value.textContent = rates === null || rates.latency === null ? "–" : milliseconds(rates.latency[p])
    }
    const series = rates?.series ?? []
    const top = Math.max(1, ...series)
    const points = series.map((n, i) => `${i},${(19 - (18 * n) / top).toFixed(2)}`)
    this.line.setAttribute("points", points.join(" "))
    this.area.setAttribute("points", points.length ? `0,20 ${points.join(" ")} ${points.length - 1},20` : "")
    this.peak.textContent = points.length ? `peak ${rate(Math.max(...series))}/s` : ""
  }

  marks(health) {
    const told = new Map(health.map((figure) => [figure.name, figure]))
    for (const [name, chip] of this.chips) {
      if (told.has(name)) continue
      chip.value.textContent = "–"
      chip.level.show("unknown")
      chip.el.hidden = health.length > 0
    }
    for (const figure of health) this.chip(figure).show(figure)
    const levels = health.map(({ level }) => level)
    const worst = WORST_FIRST.find((level) => levels.includes(level)) ?? "unknown"
    const ill = levels.filter((level) => level === "warn" || level === "bad").length
    this.worst.show(worst)
    this.open.dataset.level = worst
    this.word.textContent = ill ? `Health: ${ill} ${ill === 1 ? "warning" : "warnings"}` : "Health"
  }

  chip({ name, label }) {
    if (!this.chips.has(name)) this.chips.set(name, new Chip(this, name, label))
    return this.chips.get(name)
  }

  explained(el, name) {
    const write = () => explanation(this.health.known.get(name))
    explain(el, () => { this.health.ask().then(() => rewrite(el, write)); return write() })
    return el
  }
}

class Chip {
  constructor(figures, name, label) {
    this.level = new Level()
    this.value = node("span", { class: "chip-value" })
    this.el = figures.explained(button(node("span", { class: "chip-label" }, label), null, { class: "chip", "data-figure": name }), name)
    this.el.append(node("span", { class: "chip-line" }, this.level.el, this.value))
    figures.levels.append(this.el)
  }

  show({ value, level }) {
    this.el.hidden = false
    this.el.dataset.level = level
    this.level.show(level)
    if (this.value.textContent !== value) this.value.textContent = value
  }
}
