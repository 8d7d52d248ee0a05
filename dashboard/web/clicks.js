// A click on a value makes it a condition of the filter, wherever the value stands: whoever shows one marks it, with
// `data-path` (where it stands in the row; `:view`, `:op`, `:key`, `:cause` and `:changed` for what the record says of itself)
// and `data-value` (its JSON) or `data-shown` (the text that people see of it). With Alt, rows that have it are left out.
// A menu offers both: by the right button, a long press, or the key f on the row or value that has the focus.

import { bdi, button, node } from "./dom.js"

const VALUE = "[data-path]"

export function marked(el, path, { value, shown }) {
  el.dataset.path = path
  if (value === undefined) el.dataset.shown = shown
  else el.dataset.value = JSON.stringify(value)
  el.title = "Click: only these. Alt and click: leave these out"
  return el
}

export class Clicks {
  // `add` takes a path, `{json}` or `{shown}`, and `{negate}`.
  constructor(add) {
    this.add = add
    this.list = node("ul")
    this.menu = node("div", { class: "value-menu", role: "group", "aria-label": "Filter by a value", hidden: "" }, this.list)
    this.menu.addEventListener("keydown", (e) => { if (e.key === "Escape") { e.preventDefault(); this.close(true) } })
    this.menu.addEventListener("focusout", (e) => { if (e.relatedTarget && !this.menu.contains(e.relatedTarget)) this.close() })
    document.addEventListener("click", (e) => this.click(e))
    document.addEventListener("contextmenu", (e) => this.context(e))
    document.addEventListener("keydown", (e) => this.key(e))
    document.addEventListener("pointerdown", (e) => { if (!this.menu.contains(e.target)) this.close() })
  }

  click(event) {
    const el = event.target.closest?.(VALUE)
    if (!el || event.button !== 0 || String(getSelection())) return
    event.preventDefault()
    this.take(el, event.altKey)
  }

  key(event) {
    const el = event.target.closest?.(VALUE)
    if (!el || el !== event.target || event.defaultPrevented || (event.key !== "Enter" && event.key !== " ")) return
    event.preventDefault()
    this.take(el, event.altKey)
  }

  context(event) {
    const el = event.target.closest?.(VALUE)
    if (!el || String(getSelection())) return
    event.preventDefault()
    this.open([el], { x: event.clientX, y: event.clientY })
  }

  // For the key f: the values of what has the focus.
  ofFocus() {
    const at = document.activeElement
    const values = at?.matches(VALUE) ? [at] : [...(at?.closest("tr")?.querySelectorAll(VALUE) ?? [])]
    if (!values.length) return
    const { left, bottom } = at.getBoundingClientRect()
    this.open(values.slice(0, 20), { x: left, y: bottom })
  }

  take(el, negate) { this.add(el.dataset.path, valueOf(el), { negate }) }

  open(values, { x, y }) {
    this.back = document.activeElement
    this.list.replaceChildren(...values.map((el) => this.item(el)))
    this.menu.hidden = false
    const { width, height } = this.menu.getBoundingClientRect()
    this.menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`
    this.menu.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`
    this.menu.querySelector("button").focus()
  }

  item(el) {
    const path = el.dataset.path
    const act = (negate) => () => { this.add(path, valueOf(el), { negate }); this.close(true) }
    const text = textOf(el)
    const name = `${path.replace(/^:/, "")} ${text}`
    return node("li", {}, node("span", {}, bdi(path.replace(/^:/, ""), "path"), " ", bdi(text)),
      button("Only these", act(false), { class: "tool", "aria-label": `Only these: ${name}` }),
      button("Leave out", act(true), { class: "tool", "aria-label": `Leave out: ${name}` }))
  }

  close(back = false) {
    if (this.menu.hidden) return
    this.menu.hidden = true
    if (back && this.back?.isConnected) this.back.focus({ preventScroll: true })
  }
}

function textOf({ dataset }) {
  if (dataset.value === undefined) return dataset.shown
  return dataset.value.startsWith('"') ? JSON.parse(dataset.value) : dataset.value
}

const valueOf = ({ dataset }) => (dataset.value === undefined ? { shown: dataset.shown } : { json: dataset.value })
