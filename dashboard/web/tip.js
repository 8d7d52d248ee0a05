// One tooltip for the page. It comes by pointer, by keyboard focus and by a tap; it stays while the pointer is on it, and
// Escape sends it away (WCAG 1.4.13).

import { node } from "./dom.js"

const SHOW_MS = 150
const HIDE_MS = 200
const GAP_PX = 6

const el = node("div", { class: "tip", id: "tip", role: "tooltip", hidden: "" })
let target = null
let timer = 0

el.addEventListener("pointerenter", () => clearTimeout(timer))
el.addEventListener("pointerleave", () => later(hide, HIDE_MS))
addEventListener("scroll", (e) => { if (!el.contains(e.target)) hide() }, { passive: true, capture: true })
addEventListener("resize", () => hide())
document.addEventListener("pointerdown", (e) => { if (target && !el.contains(e.target) && !target.contains(e.target)) hide() })

function later(act, ms) {
  clearTimeout(timer)
  timer = setTimeout(act, ms)
}

function hide() {
  clearTimeout(timer)
  target?.removeAttribute("aria-describedby")
  target = null
  el.hidden = true
}

function show(on, write) {
  clearTimeout(timer)
  if (target !== on) target?.removeAttribute("aria-describedby")
  target = on
  const home = on.closest("main, aside, header") ?? document.body // within a landmark; it stands over all wherever it is
  if (el.parentElement !== home) home.append(el)
  el.replaceChildren(...write())
  el.hidden = false
  on.setAttribute("aria-describedby", el.id)
  place()
}

// Below what it explains, above where there is no room below; never beyond the window.
function place() {
  const at = target.getBoundingClientRect()
  const own = el.getBoundingClientRect()
  const left = Math.min(at.left, innerWidth - own.width - 8)
  const below = at.bottom + GAP_PX + own.height <= innerHeight
  el.style.left = `${Math.max(8, left)}px`
  el.style.top = `${Math.max(8, below ? at.bottom + GAP_PX : at.top - GAP_PX - own.height)}px`
}

// `write` gives what it says, as nodes, each time it is shown. The target must be focusable.
export function explain(on, write) {
  on.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") later(() => show(on, write), SHOW_MS) })
  on.addEventListener("pointerleave", (e) => { if (e.pointerType === "mouse") later(hide, HIDE_MS) })
  on.addEventListener("focus", () => { if (on.matches(":focus-visible")) show(on, write) })
  on.addEventListener("blur", () => { if (target === on) hide() })
  on.addEventListener("click", () => show(on, write))
  on.addEventListener("keydown", (e) => {
    if (e.key !== "Escape" || target !== on) return
    e.preventDefault()
    e.stopPropagation()
    hide()
  })
}

// What it says has changed while it is shown.
export function rewrite(on, write) {
  if (target === on) show(on, write)
}
