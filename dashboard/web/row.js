// One row of a live table.

import { bdi, icon, node } from "./dom.js"
import { clock, count, moment } from "./words.js"

export function joined([lookup, text]) {
  return node("span", { class: "joined" }, node("span", { class: "label" }, lookup), " ",
    text === null ? node("span", { class: "none" }, "none") : bdi(text))
}

export function diff([path, old, next]) {
  return node("div", { class: "diff" }, bdi(path, "path"), " ",
    old === null ? null : bdi(old, "old"), node("span", { class: "arrow", role: "img", "aria-label": "becomes" }, " → "), bdi(next, "new"))
}

export function because(cause) {
  return node("div", { class: "cause" }, "because its ", bdi(cause), " changed")
}

// `address` is that of the record, as `page.openRecord` takes it.
export function tableRow(row, address) {
  const main = node("td", { class: "what" },
    node("div", { class: "title" }, icon(row.table), row.text ? bdi(row.text) : bdi(row.key, "key")))
  if (row.joined.length) main.append(node("div", { class: "joins" }, ...row.joined.map(joined)))
  if (row.diffs.length) main.append(node("div", { class: "diffs" }, ...row.diffs.map(diff)))
  if (row.more) main.append(node("div", { class: "label" }, `and ${count(row.more)} more fields`))
  if (row.cause !== null) main.append(because(row.cause))
  const hint = `${row.view} ${row.key}\n${moment.format(row.ts_ms)}, in Redis ${Math.max(0, row.at_ms - row.ts_ms)} ms later`
  return node("tr", { class: row.table, "data-address": address, title: hint, tabindex: "-1" },
    node("td", { class: "when" }, clock.format(row.ts_ms), bdi(row.view, "view")), main)
}
