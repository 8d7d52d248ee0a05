// One row of a live table.

import { marked } from "./clicks.js"
import { bdi, icon, node } from "./dom.js"
import { clock, count, moment } from "./words.js"

// `path` is the field that the row is called by, null when it is called by none; `value` is what stands there.
export function joined([lookup, text, path, value]) {
  const called = text === null ? node("span", { class: "none" }, "none") : bdi(text)
  return node("span", { class: "joined" }, node("span", { class: "label" }, lookup), " ",
    text === null || !path ? called : marked(called, path, value.endsWith("…") ? { shown: value } : { value }))
}

// What changed. Of what is nested, and of a joined row that came or went as a whole, no value can be clicked.
export function diffs(row) {
  const lookups = new Set(row.joined.map(([lookup]) => lookup))
  return row.diffs.map((one) => diff(one, lookups))
}

function diff([path, old, next], lookups) {
  const nested = /^[[{]/.test(next) || lookups.has(path)
  return node("div", { class: "diff" }, marked(bdi(path, "path"), ":changed", { value: path }), " ",
    old === null ? null : bdi(old, "old"), node("span", { class: "arrow", role: "img", "aria-label": "becomes" }, " → "),
    nested ? bdi(next, "new") : marked(bdi(next, "new"), path, { shown: next }))
}

export function because(cause) {
  return node("div", { class: "cause" }, "because its ", marked(bdi(cause), ":cause", { value: cause }), " changed")
}

// `address` is that of the record, as `page.openRecord` takes it.
export function tableRow(row, address) {
  const main = node("td", { class: "what" },
    node("div", { class: "title" }, icon(row.table), row.text ? bdi(row.text) : bdi(row.key, "key")))
  if (row.joined.length) main.append(node("div", { class: "joins" }, ...row.joined.map(joined)))
  if (row.diffs.length) main.append(node("div", { class: "diffs" }, ...diffs(row)))
  if (row.more) main.append(node("div", { class: "label" }, `and ${count(row.more)} more fields`))
  if (row.cause !== null) main.append(because(row.cause))
  const hint = `${row.view} ${row.key}\n${moment.format(row.ts_ms)}, in Redis ${Math.max(0, row.at_ms - row.ts_ms)} ms later`
  return node("tr", { class: row.table, "data-address": address, title: hint, tabindex: "-1" },
    node("td", { class: "when" }, clock.format(row.ts_ms), marked(bdi(row.view, "view"), ":view", { value: row.view })), main)
}
