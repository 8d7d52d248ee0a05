// Makes elements. Every text from the database goes into the page as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg"
const ICONS = {
  created: "M8 3v10M3 8h10",
  updated: "M3 6h9M9.5 3.5 12 6 9.5 8.5M13 10H4M6.5 7.5 4 10l2.5 2.5",
  deleted: "M3 8h10",
  audit: "M3.5 2.5h9v11h-9zM6 5.5h4M6 8h4M6 10.5h2.5",
  out: "M6.5 3H3v10h3.5M7 8h6.5M11 5.5 13.5 8 11 10.5",
  close: "M4 4l8 8M12 4l-8 8",
  pause: "M6 3.5v9M10 3.5v9",
  play: "M5 3.5v9l7-4.5z",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  rows: "M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.7h11",
  chevron: "M6 3.5 10.5 8 6 12.5",
  clock: "M8 2.5a5.5 5.5 0 1 1-5.2 3.7M8 5v3.2l2.2 1.6M2.5 3v3.2h3.2",
  menu: "M3 4.5h10M3 8h10M3 11.5h10",
  funnel: "M2.5 3.5h11L9.3 8.4v4.4l-2.6-1.3V8.4z",
  bookmark: "M4.5 2.5h7v11L8 10.6l-3.5 2.9z",
  turn: "M3 6.2h10M3 9.8h10M10.6 3 5.4 13",
  question: "M5.7 6.1a2.3 2.3 0 1 1 3.4 2C8.3 8.6 8 9 8 10M8 12.6v.2",
}

// Attributes that begin with "on" are listeners; null, undefined and false leave an attribute out.
export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value)
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value)
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return made
}

export function drawing(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

export function icon(name) {
  return drawing(
    "svg",
    { class: `icon ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    drawing("path", { d: ICONS[name] }),
  )
}

// A value of the database: kept apart from what surrounds it, also where it is written from right to left.
export const bdi = (text, cls = "") => node("bdi", cls ? { class: cls } : {}, text)

export const button = (label, onclick, attributes = {}) => node("button", { type: "button", onclick, ...attributes }, label)
