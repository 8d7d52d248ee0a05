// Tabs: one panel at a time, drawn when it is first shown. Arrow keys, Home and End go from tab to tab.

import { button, node } from "./dom.js"

let made = 0

// `panels`: what draws each, by its title. `onchange` is told the title of the one that is shown.
export function tabs(panels, first, onchange) {
  const titles = Object.keys(panels)
  const prefix = `tabs-${++made}`
  const bar = node("div", { class: "tab-bar", role: "tablist" })
  const all = titles.map((title, i) => {
    const panel = node("section", { role: "tabpanel", id: `${prefix}-panel-${i}`, "aria-labelledby": `${prefix}-tab-${i}`, tabindex: "0", hidden: "" })
    const tab = button(title, () => choose(i), { role: "tab", id: `${prefix}-tab-${i}`, "aria-controls": panel.id })
    return { tab, panel, draw: panels[title] }
  })
  bar.append(...all.map(({ tab }) => tab))
  bar.addEventListener("keydown", (e) => {
    const at = all.findIndex(({ tab }) => tab === document.activeElement)
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[e.key]
    if (to === undefined) return
    e.preventDefault()
    const next = (to + all.length) % all.length
    choose(next)
    all[next].tab.focus()
  })

  function choose(chosen) {
    all.forEach(({ tab, panel, draw }, i) => {
      tab.setAttribute("aria-selected", String(i === chosen))
      tab.tabIndex = i === chosen ? 0 : -1
      panel.hidden = i !== chosen
      if (i === chosen && !panel.children.length) panel.append(draw())
    })
    onchange(titles[chosen])
  }

  choose(Math.max(0, titles.indexOf(first)))
  return node("div", { class: "tabbed" }, bar, ...all.map(({ panel }) => panel))
}
