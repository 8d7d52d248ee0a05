// The export of what the history shows: asks for a ticket, lets the browser fetch the file, and says how far it is.

import { button, node } from "./dom.js"
import { count } from "./words.js"

const FORMATS = [["csv", "CSV, for spreadsheets"], ["jsonl", "JSON lines, for programs"]]
const ORDERS = [["newest", "newest first"], ["oldest", "oldest first"]]

const select = (label, options) => {
  const field = node("select", {}, ...options.map(([value, text]) => node("option", { value }, text)))
  return { field, el: node("label", {}, node("span", {}, label), field) }
}

export class Export {
  // `chosen` gives what is to be exported: filter, view, key, moments.
  constructor(page, chosen) {
    this.page = page
    this.chosen = chosen
    this.ticket = null
    this.format = select("Format", FORMATS)
    this.order = select("Order", ORDERS)
    this.limit = node("p", { class: "hint" })
    this.bar = node("progress", { max: "1", "aria-label": "Export" })
    this.says = node("p", { class: "says", role: "status" })
    this.start = button("Download", () => this.begin(), { class: "tool main" })
    this.stop = button("Cancel", () => this.cancel(), { class: "tool", hidden: "" })
    this.el = node("section", { class: "export", "aria-label": "Export", hidden: "" },
      node("div", { class: "choices" }, this.format.el, this.order.el, this.start, this.stop), this.limit, this.bar, this.says)
    this.bar.hidden = true
    this.button = button("Export …", () => this.toggle(), { class: "tool", "aria-expanded": "false" })
  }

  async toggle() {
    this.el.hidden = !this.el.hidden
    this.button.setAttribute("aria-expanded", String(!this.el.hidden))
    if (this.el.hidden || this.limit.textContent) return
    try {
      const { limit, role } = await this.page.link.ask("export.limit")
      this.limit.textContent = `What is chosen here is exported, at most ${count(limit)} rows: that is what the role ${role} may have.`
    } catch (error) {
      this.limit.textContent = error.message
      this.start.disabled = true
    }
  }

  async begin() {
    this.running(true)
    this.tell("Asking the server …")
    try {
      const order = { ...this.chosen(), format: this.format.field.value, newestFirst: this.order.field.value === "newest" }
      const { ticket } = await this.page.link.ask("export.issue", order)
      this.ticket = ticket
      const link = node("a", { href: `./export?${new URLSearchParams({ ticket })}`, download: "", hidden: "" })
      this.el.append(link)
      link.click()
      link.remove()
      this.ended(await this.page.link.ask("export.watch", { ticket }, { progress: (now) => this.show(now) }))
    } catch (error) {
      this.tell(error.message, "bad")
    } finally {
      this.ticket = null
      this.running(false)
    }
  }

  async cancel() {
    if (this.ticket === null) return
    this.stop.disabled = true
    try {
      await this.page.link.ask("export.cancel", { ticket: this.ticket })
    } catch (error) {
      this.tell(error.message, "bad")
    }
  }

  show({ rows, looked, share }) {
    this.bar.value = share
    this.says.textContent = `${count(rows)} rows of ${count(looked)} records, ${Math.floor(share * 100)} % of the time.`
  }

  ended({ state, rows, message }) {
    this.bar.value = 1
    if (state === "done") this.tell(`${count(rows)} rows: the file is whole.`)
    else if (state === "cut") this.tell(`The file holds ${count(rows)} rows and not all: ${message}.`, "held")
    else this.tell(`The file is not whole: ${message}.`, "bad")
  }

  tell(text, level = "ok") {
    this.says.textContent = text
    this.says.dataset.level = level
  }

  running(now) {
    this.start.disabled = now
    this.stop.hidden = !now
    this.stop.disabled = false
    this.bar.hidden = !now
    if (now) this.bar.removeAttribute("value")
  }
}
