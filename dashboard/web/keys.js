// What single keys do, and the dialog that lists them. They can be turned off there, for those whose software types for
// them; the choice is kept in this browser.

import { button, icon, node } from "./dom.js"

const OFF = "dbwatch-keys-off"

// `does` is [key, what it does in words, function] for each.
export class Keys {
  constructor(does) {
    this.does = new Map(does.map(([key, , act]) => [key, act]))
    this.on = node("input", { type: "checkbox", id: "keys-on", onchange: () => this.keep() })
    this.on.checked = read() !== "1"
    this.dialog = node("dialog", { class: "keys", "aria-labelledby": "keys-title" },
      node("header", {}, node("h2", { id: "keys-title" }, "Keys"),
        button(icon("close"), () => this.dialog.close(), { class: "tool", "aria-label": "Close" })),
      node("dl", {}, ...[...does.map(([key, words]) => [[key], words]), ...ALWAYS].map(([keys, words]) =>
        node("div", {}, node("dt", {}, ...keys.map((key) => node("kbd", {}, key))), node("dd", {}, words)))),
      node("label", { class: "keys-on" }, this.on, "Single keys act"))
    this.dialog.addEventListener("click", (e) => { if (e.target === this.dialog) this.dialog.close() })
    this.button = button("?", () => this.open(), { class: "tool help", "aria-label": "Keys", title: "Keys" })
    document.addEventListener("keydown", (e) => this.hear(e))
  }

  open() { if (!this.dialog.open) this.dialog.showModal() }

  keep() {
    try {
      if (this.on.checked) localStorage.removeItem(OFF)
      else localStorage.setItem(OFF, "1")
    } catch { /* then it lasts as long as the page */ }
  }

  hear(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return
    if (!this.on.checked || this.dialog.open) return
    const act = event.key === "?" ? () => this.open() : this.does.get(event.key)
    if (!act) return
    event.preventDefault()
    act()
  }
}

const ALWAYS = [
  [["?"], "this list"],
  [["↑", "↓"], "from row to row, from within a table"],
  [["Enter"], "open the row"],
  [["Esc"], "close what is open; leave the rows"],
]

function typing(element) {
  return element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button])")
}

function read() {
  try {
    return localStorage.getItem(OFF)
  } catch {
    return null
  }
}
