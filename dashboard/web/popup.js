// A small panel under a button: it opens and closes by the button, and closes by Escape and by what is done elsewhere.

import { button, icon, node } from "./dom.js"

let made = 0

export class Popup {
  // `short` is what the button shows where there is room; `onopen` is called each time before the panel is shown.
  constructor({ symbol, label, short, el, onopen = null }) {
    this.id = `popup-${++made}`
    this.onopen = onopen
    this.button = button(icon(symbol), () => this.toggle(), { class: "tool", "aria-expanded": "false", "aria-controls": this.id, "aria-label": label, title: label })
    this.button.append(node("span", {}, short))
    this.panel = node("div", { class: "popup-panel", id: this.id, role: "group", "aria-label": label, hidden: "" }, el)
    this.el = node("div", { class: "popup" }, this.button, this.panel)
    this.el.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || this.panel.hidden) return
      e.preventDefault()
      this.close()
      this.button.focus()
    })
    document.addEventListener("pointerdown", (e) => { if (!this.el.contains(e.target)) this.close() })
    this.el.addEventListener("focusout", (e) => { if (e.relatedTarget && !this.el.contains(e.relatedTarget)) this.close() })
  }

  toggle() {
    if (this.panel.hidden) this.open()
    else this.close()
  }

  open() {
    this.onopen?.()
    this.panel.hidden = false
    if (getComputedStyle(document.body).overflowY !== "hidden") this.panel.scrollIntoView({ block: "nearest" }) // the page scrolls as a whole
    this.button.setAttribute("aria-expanded", "true")
  }

  close() {
    this.panel.hidden = true
    this.button.setAttribute("aria-expanded", "false")
  }
}
