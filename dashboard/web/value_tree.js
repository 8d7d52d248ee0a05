// A JSON value as a tree (see dashboard/record/values.py): what is nested opens, what was left out can be asked for, and a plain
// value can be clicked to look for others like it.

import { bdi, button, node } from "./dom.js"
import { count } from "./words.js"

const LONGEST_CLICKED = 200
const OPEN_UP_TO = 12 // items of what is nested; more are shown when asked for
const UNITS = { string: "characters", object: "fields", array: "elements" }

// Where a value stands: `path` for filters (elements stand under the path of their array), `steps` exactly, `field` is
// the record's field that holds it, and `more(field, steps, start)` asks for the rest.
export class Spot {
  constructor({ path = "", steps = [], field = null, more = null }) {
    Object.assign(this, { path, steps, field, more })
  }

  below(name) {
    const path = typeof name === "number" ? this.path : this.path ? `${this.path}.${name}` : name
    return new Spot({ ...this, path, steps: [...this.steps, name] })
  }

  get canAsk() { return this.more !== null && this.field !== null }
}

export function valueNode(value, spot) {
  return value.items === null ? plain(value, spot) : nested(value, spot)
}

// A plain value. `inner` draws its text otherwise.
export function plain(value, spot, inner = null) {
  const shown = bdi("", `value of-${value.type}`)
  shown.append(inner ?? (value.type === "string" && value.size === 0 ? '""' : value.text))
  const whole = value.start === 0 && value.text.length >= value.size
  if (whole && value.size <= LONGEST_CLICKED && spot.path) {
    shown.dataset.path = spot.path
    shown.dataset.value = value.type === "string" ? JSON.stringify(value.text) : value.text
    shown.tabIndex = 0
    shown.setAttribute("role", "button")
    shown.title = "Look for this value"
  }
  if (inner) return shown
  const end = value.start + [...value.text].length
  const before = value.start ? node("span", { class: "left-out" }, `… ${count(value.start)} characters before …`) : null
  return node("span", {}, before, shown, end < value.size ? moreText(value, spot, shown, end) : null)
}

function moreText(value, spot, shown, end) {
  const rest = node("span", { class: "left-out" })
  const left = () => `… ${count(value.size - end)} ${UNITS.string} more`
  if (!spot.canAsk) { rest.textContent = left(); return rest }
  const ask = button(`Show more (${count(value.size - end)} ${UNITS.string})`, async () => {
    ask.disabled = true
    try {
      const part = await spot.more(spot.field, spot.steps, end)
      shown.append(part.text)
      end = part.start + [...part.text].length
      if (end >= value.size || !part.text) rest.remove()
      else ask.textContent = `Show more (${count(value.size - end)} ${UNITS.string})`
    } catch (error) { rest.append(" ", error.message) } finally { ask.disabled = false }
  }, { class: "show-more" })
  rest.append(ask)
  return rest
}

function nested(value, spot, open = spot.steps.length === 0 || value.size <= OPEN_UP_TO) {
  const sign = value.type === "array" ? ["[", "]"] : ["{", "}"]
  if (value.size === 0) return node("span", { class: "value empty-value" }, sign.join(""))
  const says = `${sign[0]} ${count(value.size)} ${value.size === 1 ? UNITS[value.type].slice(0, -1) : UNITS[value.type]} ${sign[1]}`
  const list = node("ul", { class: "tree" })
  const draw = () => { if (!list.children.length) addItems(list, value, spot) }
  if (spot.steps.length === 0) { draw(); return list }
  const made = node("details", { class: "nested", open }, node("summary", {}, says), list)
  made.addEventListener("toggle", () => { if (made.open) draw() })
  if (open) draw()
  return made
}

function addItems(list, value, spot) {
  for (const { name, value: item } of value.items) list.append(itemNode(name, item, spot.below(name)))
  const end = value.start + value.items.length
  if (end >= value.size) return
  const left = `${count(value.size - end)} ${UNITS[value.type]}`
  const rest = node("li", { class: "left-out" })
  if (!spot.canAsk) rest.textContent = `… ${left} more`
  else {
    const ask = button(`Show more (${left})`, async () => {
      ask.disabled = true
      try {
        const part = await spot.more(spot.field, spot.steps, end)
        rest.remove()
        if (part.items?.length) addItems(list, { ...part, size: part.size }, spot)
      } catch (error) { rest.append(" ", error.message); ask.disabled = false }
    }, { class: "show-more" })
    rest.append(ask)
  }
  list.append(rest)
}

export function itemNode(name, value, spot) {
  return node("li", {}, nameNode(name), valueNode(value, spot))
}

export function nameNode(name) {
  return node("span", { class: "field" }, typeof name === "number" ? node("span", { class: "place" }, `[${name}]`) : bdi(name), ": ")
}
