// The switch between the looks: cosmos, and plain, which is light or dark. Kept in this browser, for all its tabs;
// the script in the page's head (look.js) gives it to the page before it is drawn.

import { node } from "./dom.js"

const KEPT = "dbwatch-look"
// The last three are plain.
const LOOKS = [
  ["cosmos", "Cosmos"],
  ["plain", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
]

export const lookNow = () => document.documentElement.dataset.look ?? "cosmos"

export class Looks {
  constructor(page) {
    this.page = page
    this.choice = node("select", { onchange: () => this.set(this.choice.value) },
      ...LOOKS.map(([name, title]) => node("option", { value: name }, title)))
    this.choice.value = lookNow()
    this.el = node("label", { class: "look" }, node("span", { class: "unseen" }, "Look"), this.choice)
    addEventListener("storage", ({ key, newValue }) => { if (key === KEPT) this.show(newValue) })
  }

  // Take a look, and keep it.
  set(name) {
    try {
      localStorage.setItem(KEPT, name)
    } catch { /* then it lasts as long as the page */ }
    this.show(name)
  }

  next() {
    const names = LOOKS.map(([name]) => name)
    const name = names[(names.indexOf(lookNow()) + 1) % names.length]
    this.set(name)
    this.page.say(`Look: ${LOOKS.find(([of]) => of === name)[1]}`)
  }

  show(name) {
    const known = LOOKS.some(([of]) => of === name) ? name : "cosmos"
    if (known === "cosmos") delete document.documentElement.dataset.look
    else document.documentElement.dataset.look = known
    this.choice.value = known
    document.dispatchEvent(new Event("dbwatch-look"))
  }
}
