// The line above the tables: a filter is typed and applied by Enter, shown in its parts, and kept in the URL and for the
// user. The server understands it (see dashboard/filters); nothing is evaluated here.

import { bdi, button, icon, node } from "./dom.js"
import { FilterHelp } from "./filter_help.js"
import { SavedFilters } from "./filter_saved.js"

const BEGUN = "dbwatch-filter-begun" // in this tab, so that a reload without a filter stays without one

export class FilterBar {
  constructor(page) {
    this.page = page
    this.doing = Promise.resolve()
    this.input = node("input", { id: "filter-text", type: "text", class: "filter-text", dir: "auto", autocomplete: "off", autocapitalize: "off",
      spellcheck: "false", enterkeyhint: "search", placeholder: "matrix   view:comments   imdb.rating > 8", "aria-describedby": "filter-error",
      oninput: () => this.edited(), onkeydown: (e) => this.key(e) })
    this.clear = button(icon("close"), () => { this.input.focus(); page.setFilter("") }, { class: "filter-clear", "aria-label": "Clear the filter", hidden: "" })
    this.submit = node("button", { class: "tool filter-apply", hidden: "" }, "Apply")
    this.chips = node("ul", { class: "chips", "aria-label": "Parts of the filter", hidden: "" })
    this.error = node("div", { class: "filter-error", id: "filter-error", role: "alert" })
    this.told = node("p", { class: "unseen", role: "status" })
    const help = new FilterHelp((text) => this.put(text))
    const saved = new SavedFilters(page)
    this.el = node("div", { class: "filter" },
      node("form", { class: "filter-line", role: "search", "aria-label": "Filter", onsubmit: (e) => { e.preventDefault(); this.apply(this.input.value) } },
        node("div", { class: "filter-field" }, node("label", { for: "filter-text" }, icon("funnel"), node("span", {}, "Filter")), this.input, this.clear),
        this.submit, saved.el, help.el),
      this.error, this.chips, this.told)
    page.setFilter = (text) => this.apply(text)
    page.addCondition = (path, value, how = {}) => this.add(path, { value }, how)
    page.address.on("filter", (text) => this.apply(text ?? "", { push: false }))
  }

  // Begin to watch the feed: through the filter that the URL names, else through the one that the user applied last.
  begin() {
    const named = this.page.address.get("filter")
    const again = sessionStorage.getItem(BEGUN)
    sessionStorage.setItem(BEGUN, "1")
    return this.then(async () => {
      let understood
      try {
        understood = await this.page.link.ask("filter.begin", { text: named ?? (again ? "" : null) })
      } catch {
        this.page.link.send({ watch: named ?? "" })
        return
      }
      this.page.filter = understood.ok ? understood.text : ""
      this.watch()
      if (!understood.ok) {
        this.fail(understood)
        return
      }
      this.page.address.set({ filter: understood.text })
      this.show(understood)
    })
  }

  // Look through this filter, if it parses. `push`: the browser's back button undoes it.
  apply(text, { push = true } = {}) {
    return this.change("filter.check", () => ({ text }), push)
  }

  // A condition more, made of `value`, `json` (the JSON of one) or `shown` (the text of one).
  add(path, value, { negate = false } = {}) {
    return this.change("filter.add", () => ({ text: this.page.filter, path, ...value, negate }))
  }

  // One after the other: each begins with what the one before it has made.
  then(act) {
    this.doing = this.doing.then(act)
    return this.doing
  }

  change(what, args, push = true) {
    return this.then(async () => {
      let understood
      try {
        understood = await this.page.link.ask(what, args())
      } catch (error) {
        this.page.say(error.message, { level: "bad" })
        return
      }
      if (!understood.ok) {
        this.fail(understood)
        return
      }
      this.page.filter = understood.text
      this.page.address.set({ filter: understood.text }, { push })
      this.show(understood)
      this.watch()
      this.page.link.ask("filter.keep", { text: understood.text }).catch((error) => this.page.say(error.message, { level: "bad" }))
    })
  }

  watch() {
    this.page.link.send({ watch: this.page.filter })
    document.dispatchEvent(new CustomEvent("dbwatch-filter", { detail: this.page.filter }))
  }

  show({ text, parts }) {
    this.input.value = text
    this.edited()
    this.chips.hidden = parts.length === 0
    this.chips.replaceChildren(...parts.map((part, index) => this.chip(part, index)))
    const n = parts.length
    this.told.textContent = n ? `Filter applied: ${n} ${n === 1 ? "condition" : "conditions"}` : "No filter"
  }

  chip({ text, what }, index) {
    return node("li", { class: "chip", "data-what": what, title: text }, bdi(text),
      button(icon("turn"), () => this.part("filter.turn", index), { "aria-label": `Turn round: ${text}`, title: "Turn round: what it lets through is left out" }),
      button(icon("close"), () => this.part("filter.remove", index), { "aria-label": `Remove: ${text}`, title: "Remove" }))
  }

  async part(what, index) {
    await this.change(what, () => ({ text: this.page.filter, index }))
    const chip = this.chips.children[Math.min(index, this.chips.children.length - 1)]
    const next = chip?.querySelector(what === "filter.turn" ? "button" : "button:last-child") ?? this.input
    next.focus()
  }

  // The place is marked, in the field and below it.
  fail({ text, at, expected, found }) {
    const chars = [...text]
    const length = found.startsWith("`") ? [...found].length - 2 : chars[at] ? 1 : 0
    const before = chars.slice(0, at).join("")
    const marked = chars.slice(at, at + length).join("")
    this.input.value = text
    this.edited()
    this.input.setAttribute("aria-invalid", "true")
    this.error.replaceChildren(
      node("code", { class: "filter-place", "aria-hidden": "true" }, shortened(before), node("mark", {}, marked), chars.slice(at + length, at + length + 40).join("")),
      node("p", {}, `Column ${at + 1}: expected `, ...coded(expected), ", found ", ...coded(found), "."))
    this.input.focus()
    this.input.setSelectionRange(before.length, before.length + marked.length)
  }

  put(text) {
    this.input.value = text
    this.edited()
    this.input.focus()
  }

  edited() {
    this.input.removeAttribute("aria-invalid")
    this.error.replaceChildren()
    this.submit.hidden = this.input.value.trim() === this.page.filter
    this.clear.hidden = !this.input.value
  }

  key(event) {
    if (event.key !== "Escape") return
    event.preventDefault()
    this.input.value = this.page.filter
    this.edited()
    this.input.blur()
  }
}

const shortened = (text) => { const chars = [...text]; return chars.length > 60 ? `…${chars.slice(-60).join("")}` : text }

// What stands between backticks is code.
const coded = (text) => text.split("`").map((part, i) => (i % 2 ? node("code", {}, part) : part))
