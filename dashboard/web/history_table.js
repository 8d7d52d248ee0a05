// Records as a table, newest first: of any operation, also those that cannot be read.

import { marked } from "./clicks.js"
import { bdi, icon, node } from "./dom.js"
import { because, diffs, joined } from "./row.js"
import { count, moment } from "./words.js"

const OPERATIONS = {
  c: { word: "created", icon: "created" },
  u: { word: "updated", icon: "updated" },
  d: { word: "deleted", icon: "deleted" },
  r: { word: "first read", icon: null },
}

const written = new Intl.DateTimeFormat(undefined,
  { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })

export const addressOf = (row) => `${row.stream}/${row.id}`

const day = (ms) => new Date(ms).toISOString()

// Where the archive has nothing to tell of.
const gap = ([fromMs, toMs]) => node("tr", { class: "gap" }, node("td", { colspan: "3" },
  `From ${moment.format(fromMs)} to ${moment.format(toMs)} nothing was recorded.`))

function line(row) {
  if (row.gap) return gap(row.gap)
  const operation = OPERATIONS[row.op] ?? { word: row.op, icon: null }
  const what = node("td", { class: "what" },
    node("div", { class: "title" }, row.text ? bdi(row.text) : bdi(row.key, "key")))
  if (row.joined.length) what.append(node("div", { class: "joins" }, ...row.joined.map(joined)))
  if (row.diffs.length) what.append(node("div", { class: "diffs" }, ...diffs(row)))
  if (row.more) what.append(node("div", { class: "label" }, `and ${count(row.more)} more fields`))
  if (row.cause !== null) what.append(because(row.cause))
  if (row.unreadable !== null) what.append(node("div", { class: "problem" }, `cannot be read: ${row.unreadable}`))
  const late = row.stream < 0 ? "" : `, in Redis ${Math.max(0, row.at_ms - row.ts_ms)} ms later`
  const hint = `${row.view} ${row.key.slice(0, 200)}\ncommitted ${moment.format(row.ts_ms)}${late}`
  return node("tr", { class: operation.icon, "data-address": addressOf(row), tabindex: "-1", title: hint },
    node("td", { class: "when" }, node("time", { datetime: day(row.at_ms) }, written.format(row.at_ms)), marked(bdi(row.view, "view"), ":view", { value: row.view })),
    node("td", { class: "op" }, operation.icon && icon(operation.icon), node("span", {}, operation.word)), what)
}

export class HistoryTable {
  // `open` is given the address of a row that is clicked, and the line that it stands in.
  constructor(open, { label = "Records", when = "Written" } = {}) {
    this.body = node("tbody")
    this.empty = node("p", { class: "empty", hidden: "" })
    const scroller = node("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label },
      node("table", {}, node("caption", { class: "unseen" }, `${label}, newest first`),
        node("colgroup", {}, node("col", { class: "when" }), node("col", { class: "op" }), node("col")),
        node("thead", {}, node("tr", {}, ...[when, "Operation", "Row"].map((title) => node("th", { scope: "col" }, title)))),
        this.body), this.empty)
    this.el = node("div", { class: "table past" }, scroller)
    const chosen = (e) => e.target.closest("tr[data-address]")
    this.body.addEventListener("click", (e) => {
      const tr = chosen(e)
      if (tr && !e.defaultPrevented && !e.target.closest("a, button, [data-path]") && !String(getSelection())) open(tr.dataset.address, tr)
    })
    this.body.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && e.target.matches("tr[data-address]")) { e.preventDefault(); open(e.target.dataset.address, e.target) }
    })
  }

  show(rows, empty) {
    this.body.replaceChildren(...rows.map(line))
    this.empty.textContent = empty
    this.empty.hidden = rows.length > 0
  }
}
