// How fast the flow writes, and how long a change takes.

import { bdi, drawing, node } from "./dom.js"
import { KINDS } from "./kinds.js"
import { milliseconds, rate } from "./words.js"

export class Figures {
  constructor() {
    this.total = node("strong", { class: "number" }, "–")
    this.line = drawing("polyline", { class: "line" })
    this.area = drawing("polygon", { class: "area" })
    this.chart = drawing("svg", { class: "spark", viewBox: "0 0 59 20", preserveAspectRatio: "none", role: "img",
      "aria-label": "Records per second in the last minute" }, this.area, this.line)
    this.peak = node("span", { class: "label peak" })
    this.latencies = ["p50", "p95", "p99"].map((p) => [p, node("strong", { class: "number", "data-latency": p }, "–")])
    this.views = node("tbody")
    this.el = node("div", { class: "figures" },
      node("section", { class: "figure total", title: "Records written to Redis per second, all views and kinds" },
        node("h2", {}, "Records/s"), this.total),
      node("section", { class: "figure chart" }, node("h2", {}, "Last minute ", this.peak), this.chart),
      node("section", { class: "figure latency", title: "From the commit in the database to the entry in Redis; of changes of rows themselves" },
        node("h2", {}, "Latency"),
        node("dl", {}, ...this.latencies.map(([p, value]) => node("div", {}, node("dt", {}, p), node("dd", {}, value))))),
      node("section", { class: "figure views" },
        node("table", {}, node("caption", { class: "unseen" }, "Records per second, by view and kind"),
          node("thead", {}, node("tr", {}, node("th", { scope: "col" }, "per second"),
            ...KINDS.map(({ title }) => node("th", { scope: "col" }, title)))), this.views)))
  }

  show(rates) {
    if (rates === null) {
      this.total.textContent = "–"
      for (const [, value] of this.latencies) value.textContent = "–"
      this.views.replaceChildren()
      this.line.setAttribute("points", "")
      this.area.setAttribute("points", "")
      this.peak.textContent = ""
      return
    }
    this.total.textContent = rate(rates.total)
    for (const [p, value] of this.latencies) {
      value.textContent = rates.latency === null ? "–" : milliseconds(rates.latency[p])
    }
    const top = Math.max(1, ...rates.series)
    const points = rates.series.map((n, i) => `${i},${(19 - (18 * n) / top).toFixed(2)}`)
    this.line.setAttribute("points", points.join(" "))
    this.area.setAttribute("points", `0,20 ${points.join(" ")} ${points.length - 1},20`)
    this.peak.textContent = `peak ${rate(Math.max(...rates.series))}/s`
    this.views.replaceChildren(...Object.entries(rates.views).map(([view, kinds]) =>
      node("tr", {}, node("th", { scope: "row" }, bdi(view)),
        ...KINDS.map(({ kind }) => node("td", { class: `${kind} ${kinds[kind] ? "" : "zero"}`, "data-kind": kind }, rate(kinds[kind] ?? 0))))))
  }
}
