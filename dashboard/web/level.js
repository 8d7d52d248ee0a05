// How well a figure is: a shape, a colour and a word, so that none of them is the only cue.

import { drawing, node } from "./dom.js"

const SHAPES = {
  ok: "M3.5 8.5l3 3 6-7",
  warn: "M8 2.5l6 11H2zM8 6.5v3M8 11.4v.2",
  bad: "M5.2 2.5h5.6l2.7 2.7v5.6l-2.7 2.7H5.2l-2.7-2.7V5.2zM6 6l4 4M10 6l-4 4",
  unknown: "M6 6a2 2 0 1 1 2.6 2c-.5.2-.6.5-.6 1.2M8 11.8v.2",
}
const WORDS = { ok: "well", warn: "warning", bad: "bad", unknown: "not known" }

export class Level {
  constructor() {
    this.path = drawing("path", { d: SHAPES.unknown })
    this.word = node("span", { class: "unseen" }, "")
    this.el = node("span", { class: "level", "data-level": "unknown" },
      drawing("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, this.path), this.word)
  }

  show(level) {
    if (this.el.dataset.level === level && this.word.textContent) return
    this.el.dataset.level = level
    this.path.setAttribute("d", SHAPES[level] ?? SHAPES.unknown)
    this.word.textContent = `${WORDS[level] ?? level}: `
  }
}

// Text with `commands` between backquotes.
export function worded(text) {
  return text.split("`").map((part, i) => (i % 2 ? node("code", {}, part) : part))
}

// What a figure means, how it stands, and what to do.
export function explanation(figure) {
  if (!figure) return [node("p", {}, "How this stands is being asked for.")]
  const now = [figure.value, figure.detail].filter(Boolean).join("; ")
  return [
    node("p", {}, figure.meaning),
    node("p", { class: "tip-more" }, node("strong", {}, "Now: "), now),
    figure.todo ? node("p", { class: "worded" }, node("strong", {}, "What to do: "), ...worded(figure.todo)) : null,
  ].filter(Boolean)
}
