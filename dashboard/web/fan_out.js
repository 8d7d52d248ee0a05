// Rows that one change of a looked-up row re-joined, as one line of a table: it opens to the newest of them.

import { marked } from "./clicks.js"
import { bdi, button, icon, node } from "./dom.js"
import { tableRow } from "./row.js"
import { clock, count, moment } from "./words.js"

const MOST_ROWS = 20

export const isGroup = (row) => row.kind === "group"

// What the group, one of those that the server told, is after it grew.
export function grow(group, { total, at_least, text, rows }) {
  group.total = total
  group.at_least = at_least
  group.text = text
  group.rows = [...group.rows, ...rows].slice(-MOST_ROWS)
}

export function sentence(group) {
  return [bdi(group.name), ": ", bdi(group.change), group.at_least ? ", at least " : ", ",
    node("strong", { class: "number" }, count(group.total)), " ", bdi(group.view), " re-joined"]
}

// `address` is that of its first row. The rows that it is open to stand still until `draw`.
export class FanOutLine {
  constructor(group, address, page, { open = false } = {}) {
    this.group = group
    this.said = node("span", {})
    this.toggle = button(icon("chevron"), () => this.open(!this.isOpen), { class: "fan", "aria-expanded": "false" })
    this.toggle.append(this.said)
    this.rows = node("tbody")
    this.all = button("", () => page.openFanOut(this.group), { class: "tool" })
    this.box = node("div", { class: "members", hidden: "" },
      node("table", {}, node("caption", { class: "unseen" }, "The newest of the rows, newest first"), this.rows), this.all)
    const hint = `${group.view}, because ${group.cause} changed\n${moment.format(group.ts_ms)}`
    this.tr = node("tr", { class: "updated group", "data-group": address },
      node("td", { class: "when" }, clock.format(group.ts_ms), marked(bdi(group.view, "view"), ":view", { value: group.view })),
      node("td", { class: "what" }, node("div", { title: hint }, this.toggle), this.box))
    this.tr.line = this
    this.say()
    this.open(open)
  }

  open(isOpen) {
    this.isOpen = isOpen
    this.toggle.setAttribute("aria-expanded", String(isOpen))
    this.box.hidden = !isOpen
    this.draw()
  }

  replace(group) {
    this.group = group
    this.say()
    this.draw()
  }

  say() { this.said.replaceChildren(...sentence(this.group)) }

  draw() {
    if (!this.isOpen) { this.rows.replaceChildren(); return }
    this.rows.replaceChildren(...this.group.rows.map((row) => tableRow(row, `${row.shard}/${row.id}`)).reverse())
    if (this.rows.rows.length) this.rows.rows[0].tabIndex = 0 // the arrow keys go on from there
    this.all.textContent = this.group.at_least ? "All of them" : `All ${count(this.group.total)}`
  }
}
