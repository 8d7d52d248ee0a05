// The difference of two rows as a tree (see dashboard/record/diffs.py): what changed is open, what stayed is folded away.

import { bdi, button, node } from "./dom.js"
import { itemNode, nameNode, plain, Spot, valueNode } from "./value_tree.js"
import { count } from "./words.js"

const SIGNS = { added: "+", removed: "−", changed: "~", same: "=" }

// `before` and `after` are the spots of the two rows; `whole` shows more of what was left out.
export function diffNode(top, { before, after, whole }) {
  if (top.children === null) return valueNode(top.new ?? top.old, top.new ? after : before)
  if (top.kind === "same") {
    return node("div", {}, node("p", { class: "hint" }, "No field changed."), children(top, before, after, whole))
  }
  return children(top, before, after, whole)
}

function children(parent, before, after, whole) {
  const list = node("ul", { class: "tree diff-tree" })
  for (const child of parent.children) {
    if (child.kind === "fold") list.append(folded(child, after))
    else list.append(changed(child, was(child, before), after.below(child.name), whole))
  }
  if (parent.left_out) {
    const says = `${count(parent.left_out)} more ${parent.left_out === 1 ? "change" : "changes"}`
    list.append(node("li", { class: "left-out" }, whole ? button(`Show more (${says})`, whole, { class: "show-more" }) : `… ${says}; see Row`))
  }
  return list
}

// Where the child stood before. An element that stays has the place that it has after: nothing can be asked by that.
function was(child, before) {
  const spot = before.below(child.name)
  return typeof child.name === "number" && child.kind !== "removed" ? new Spot({ ...spot, more: null }) : spot
}

// The places of elements that stay are those in the row after: before others came or went they may have been others.
function folded(fold, spot) {
  const list = node("ul", { class: "tree" })
  const made = node("details", { class: "fold" }, node("summary", {}, `${count(fold.count)} unchanged`), list)
  made.addEventListener("toggle", () => {
    if (!made.open || list.children.length) return
    list.append(...fold.items.map(({ name, value }) => itemNode(name, value, spot.below(name))))
    if (fold.count > fold.items.length) {
      list.append(node("li", { class: "left-out" }, `… ${count(fold.count - fold.items.length)} more; see Row`))
    }
  })
  return node("li", {}, made)
}

function changed(child, before, after, whole) {
  const line = node("li", { class: `change ${child.kind}` },
    node("span", { class: "sign", "aria-hidden": "true" }, SIGNS[child.kind]), node("span", { class: "unseen" }, `${child.kind} `),
    nameNode(child.name))
  if (child.children !== null) {
    line.append(children(child, before, after, whole))
  } else if (child.kind === "changed") {
    line.append(...becomes(child, before, after))
  } else {
    line.append(valueNode(child.new ?? child.old, child.new ? after : before))
  }
  return line
}

function becomes({ old, new: now, mark }, before, after) {
  const arrow = node("span", { class: "arrow", role: "img", "aria-label": "becomes" }, " → ")
  if (old.items !== null || now.items !== null || mark === null) {
    return [node("del", {}, valueNode(old, before)), arrow, node("ins", {}, valueNode(now, after))]
  }
  const long = old.size > 120 || now.size > 120
  return [node("div", { class: long ? "texts long" : "texts" },
    node("del", {}, marked(old, mark, before)), long ? null : arrow, node("ins", {}, marked(now, mark, after)))]
}

// A text with its changed middle marked; of a long one only that part is here.
function marked(value, mark, spot) {
  const chars = [...value.text]
  const from = mark.prefix - value.start
  const to = Math.min(chars.length, Math.max(from, value.size - mark.suffix - value.start))
  const pieces = document.createDocumentFragment()
  pieces.append(chars.slice(0, from).join(""), to > from ? node("mark", {}, chars.slice(from, to).join("")) : "", chars.slice(to).join(""))
  const end = value.start + chars.length
  const out = node("span", {},
    value.start ? node("span", { class: "left-out" }, `… ${count(value.start)} characters before … `) : null,
    plain(value, spot, value.size === 0 ? '""' : pieces))
  if (end < value.size) out.append(node("span", { class: "left-out" }, ` … ${count(value.size - end)} characters more`))
  return out
}

// What the changed fields hold now, when what they held before is not known.
export function newValues(values) {
  return node("ul", { class: "tree diff-tree" }, ...values.map(({ path, text }) =>
    node("li", { class: "change changed" }, node("span", { class: "sign", "aria-hidden": "true" }, "~"),
      node("span", { class: "field" }, bdi(path), ": "), node("span", { class: "hint" }, "not known"),
      node("span", { class: "arrow", role: "img", "aria-label": "becomes" }, " → "), node("ins", {}, bdi(text)))))
}
