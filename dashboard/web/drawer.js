// The side panel, full screen on a phone: one thing at a time, beside the live page.

import { button, icon, node } from "./dom.js"

export class Drawer {
  constructor(address) {
    this.address = address
    this.title = node("h2", { id: "drawer-title", tabindex: "-1" })
    this.body = node("div", { class: "drawer-body" })
    this.el = node("aside", { class: "drawer", "aria-labelledby": "drawer-title", hidden: "" },
      node("header", {}, this.title, button(icon("close"), () => this.close(), { class: "tool", "aria-label": "Close" })), this.body)
    this.el.addEventListener("keydown", (e) => {
      if (e.key === "Escape" && !e.defaultPrevented) { e.preventDefault(); this.close() }
    })
  }

  // `address`: the query parameters that open it again; they leave the URL when it closes. `onclose` is called once.
  open({ title, el, onclose = null, address = {}, wide = false }) {
    const back = this.opened?.back ?? document.activeElement
    this.leave(Object.fromEntries(Object.keys(this.opened?.address ?? {}).map((name) => [name, null])), address)
    this.opened = { onclose, address, back }
    this.title.textContent = title
    this.body.replaceChildren(el)
    this.body.scrollTop = 0
    this.el.classList.toggle("wide", wide)
    this.el.hidden = false
    document.body.classList.add("has-drawer")
    this.title.focus({ preventScroll: true })
  }

  close() {
    if (!this.opened) return
    const { address, back } = this.opened
    this.leave(Object.fromEntries(Object.keys(address).map((name) => [name, null])), {})
    this.body.replaceChildren()
    this.el.hidden = true
    document.body.classList.remove("has-drawer")
    if (back?.isConnected) back.focus({ preventScroll: true })
  }

  leave(without, next) {
    const { onclose } = this.opened ?? {}
    this.opened = null
    onclose?.()
    this.address.set({ ...without, ...next }, { push: true })
  }
}
