// The filters that the user keeps: saved under a name, applied, deleted.

import { bdi, button, icon, node } from "./dom.js"
import { Popup } from "./popup.js"

export class SavedFilters {
  constructor(page) {
    this.page = page
    this.list = node("ul", { class: "saved-list" })
    this.none = node("p", { class: "label" }, "None saved yet.")
    this.name = node("input", { type: "text", id: "filter-name", maxlength: "60", autocomplete: "off", required: "" })
    this.form = node("form", { class: "save-as", onsubmit: (e) => { e.preventDefault(); this.save() } },
      node("label", { for: "filter-name" }, "Save the filter in use as"),
      node("div", {}, this.name, node("button", { class: "tool" }, "Save")))
    this.unused = node("p", { class: "label" }, "Apply a filter to save it here.")
    this.popup = new Popup({ symbol: "bookmark", label: "Saved filters", short: "Saved", el: node("div", { class: "saved-panel" }, this.none, this.list, this.form, this.unused),
      onopen: () => { this.draw([]); this.ask("filters.list") } })
    this.el = this.popup.el
  }

  async ask(what, args = {}) {
    try {
      const { filters } = await this.page.link.ask(what, args)
      this.draw(filters)
      return true
    } catch (error) {
      this.page.say(error.message, { level: "bad" })
      return false
    }
  }

  async save() {
    const name = this.name.value.trim()
    if (name && await this.ask("filters.save", { name, text: this.page.filter })) {
      this.name.value = ""
      this.page.say(`Saved: ${name}`)
    }
  }

  draw(filters) {
    this.none.hidden = filters.length > 0
    this.form.hidden = !this.page.filter
    this.unused.hidden = Boolean(this.page.filter)
    this.list.replaceChildren(...filters.map(({ name, text }) => node("li", {},
      button("", () => { this.popup.close(); this.popup.button.focus(); this.page.setFilter(text) }, { class: "saved-name" }),
      button(icon("close"), () => this.remove(name), { class: "tool", "aria-label": `Delete ${name}` }))))
    filters.forEach(({ name, text }, i) => this.list.children[i].firstChild.append(bdi(name), bdi(text, "saved-text")))
  }

  async remove(name) {
    await this.ask("filters.delete", { name })
    this.popup.button.focus()
  }
}
