// The audit, for admins: who did what, newest first, a page at a time.

import { bdi, button, node } from "./dom.js"
import { moment } from "./words.js"

const PAGE = 50
const COLUMNS = ["When", "Who", "Role", "Action", "Outcome", "What", "From"]

const line = ({ id, at_ms, who, role, action, outcome, what, address }) =>
  node("tr", { "data-id": id },
    node("td", { class: "when" }, node("time", { datetime: new Date(at_ms).toISOString() }, moment.format(at_ms))),
    node("td", {}, who ? bdi(who) : node("i", {}, "unknown")),
    node("td", {}, role),
    node("td", {}, action),
    node("td", { class: "outcome", "data-outcome": outcome }, outcome),
    node("td", { class: "what" }, bdi(what)),
    node("td", {}, bdi(address)))

export class Audit {
  constructor(page) {
    this.page = page
    this.opened = null
    page.address.on("audit", (wanted) => { if (wanted) this.open(); else this.close() })
  }

  async open() {
    if (this.opened) return
    const rows = node("tbody")
    const said = node("p", { class: "audit-said", role: "status" }, "Reading…")
    const older = button("Older", () => this.more(), { class: "tool" })
    older.hidden = true
    const el = node("div", { class: "audit" },
      node("p", {}, "Sign-ins, exports, replays, and changes of users and settings, newest first."),
      node("div", { class: "audit-table", tabindex: "0", role: "region", "aria-label": "Audit" },
        node("table", {}, node("thead", {}, node("tr", {}, ...COLUMNS.map((name) => node("th", { scope: "col" }, name)))), rows)),
      said, older)
    this.opened = { rows, said, older, before: null }
    this.page.drawer.open({
      title: "Audit", el, wide: true, address: { audit: "1" }, onclose: () => { this.opened = null },
    })
    await this.more()
  }

  close() {
    if (this.opened) this.page.drawer.close()
  }

  async more() {
    const shown = this.opened
    shown.older.disabled = true
    try {
      const { entries, older } = await this.page.link.ask("audit", { count: PAGE, before: shown.before })
      shown.before = older
      shown.rows.append(...entries.map(line))
      shown.older.hidden = older === null
      shown.said.textContent = shown.rows.childElementCount ? (older === null ? "That is all." : "") : "Nothing has been noted yet."
    } catch (error) {
      shown.said.textContent = error.message
      shown.older.hidden = false
    } finally {
      shown.older.disabled = false
    }
  }
}
