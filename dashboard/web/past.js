// Older versions of a row than the feed has, from the archive: under its history, once that has come to its end.

import { button, node } from "./dom.js"
import { HistoryTable } from "./history_table.js"
import { moment } from "./words.js"

const COUNT = 100

export class Past {
  constructor(link, { view, key }) {
    this.link = link
    this.of = { view, key }
    this.rows = []
    this.button = button("Older versions from the archive", () => this.more(), { class: "tool" })
    this.says = node("p", { class: "says", role: "status" })
    this.table = new HistoryTable((address, tr) => this.toggle(address, tr), { label: "Versions from the archive", when: "Committed" })
    this.table.el.hidden = true
    this.el = node("section", { class: "archived", "aria-label": "From the archive", hidden: "" },
      node("div", { class: "found" }, this.button, this.says), this.table.el)
  }

  // The feed's oldest records of the row are shown, these; null when they are not.
  async offer(rows) {
    const mine = this.offered = rows
    this.rows = []
    this.table.el.hidden = true
    if (rows === null) { this.el.hidden = true; return }
    try {
      this.reach ??= await this.link.ask("past.reach", {})
    } catch (error) { this.says.textContent = error.message }
    if (this.offered !== mine) return
    this.el.hidden = this.reach === null && !this.says.textContent
    this.button.hidden = !this.reach
  }

  async more() {
    this.button.disabled = true
    this.says.textContent = "Reading the archive …"
    const last = this.rows.findLast((row) => !row.gap) ?? this.offered?.at(-1)
    try {
      const found = await this.link.ask("past.history", { ...this.of, before: last?.position || null, count: COUNT })
      this.rows.push(...found.rows)
      this.table.el.hidden = false
      this.table.show(this.rows, "The archive has no older version of this row.")
      this.button.hidden = !found.more
      this.says.textContent = found.more ? "" : `This is where the archive begins: it reaches back to ${moment.format(this.reach[0][0])}.`
    } catch (error) {
      this.says.textContent = error.message
    } finally { this.button.disabled = false }
  }

  // The row as a version has it, under the version's line; a second time closes it.
  async toggle(address, tr) {
    if (tr.nextElementSibling?.matches(".whole")) { tr.nextElementSibling.remove(); return }
    const shown = node("pre", { tabindex: "0" }, "…")
    tr.after(node("tr", { class: "whole" }, node("td", { colspan: "3" }, shown)))
    try {
      const { row } = await this.link.ask("past.row", { ...this.of, position: address.slice(address.indexOf("/") + 1) })
      shown.textContent = row ?? "There was no row."
    } catch (error) { shown.textContent = error.message }
  }
}
