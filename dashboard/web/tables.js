// The live rows: Created, Updated and Deleted side by side, or as one feed; paused, or jumping back to live.

import { button, icon, node } from "./dom.js"
import { grow } from "./fan_out.js"
import { KINDS } from "./kinds.js"
import { addressOf, Table } from "./table.js"
import { rate } from "./words.js"

const TABLES = [
  { name: "created", title: "Created", empty: "Nothing created yet. New rows appear here by themselves." },
  { name: "updated", title: "Updated", empty: "Nothing updated yet. Changes appear here as old → new." },
  { name: "deleted", title: "Deleted", empty: "Nothing deleted yet." },
]
const ALL = { name: "all", title: "All changes", empty: "Nothing has changed yet. Changes appear here by themselves." }
const FILTERED = "Nothing yet that the filter lets through."
const LAYOUT = "dbwatch-layout"

export class Tables {
  constructor(page) {
    this.page = page
    this.rows = [] // the newest of each table, oldest first, so that the layout can change
    this.perTable = 60
    this.streams = []
    this.paused = false
    this.split = Object.fromEntries(TABLES.map((table) => [table.name, new Table(table, page)]))
    this.all = new Table(ALL, page)
    this.tabs = node("div", { class: "tabs", role: "group", "aria-label": "Table to show" }, ...TABLES.map(({ name, title }) =>
      node("button", { type: "button", class: name, "aria-pressed": String(name === "created"), onclick: () => this.choose(name) }, icon(name), title)))
    this.grid = node("div", { class: "tables" }, ...Object.values(this.split).map((table) => table.el), this.all.el)
    this.el = node("div", { class: "live", "data-table": "created" }, this.tabs, this.grid)
    this.pauseButton = button("", () => this.pause(!this.paused), { class: "tool", "aria-pressed": "false" })
    this.layoutButton = button("", () => this.arrange(this.layout === "one" ? "split" : "one"), { class: "tool" })
    this.pause(false)
    this.arrange(localStorage.getItem(LAYOUT) === "one" ? "one" : "split")
    this.el.addEventListener("click", (e) => this.open(e))
    this.el.addEventListener("keydown", (e) => { if (e.key === "Enter") this.open(e) })
    page.link.on("fill", (message) => this.fill(message))
    page.link.on("news", (message) => this.news(message))
  }

  get shown() { return this.layout === "one" ? [this.all] : Object.values(this.split) }

  choose(name) {
    this.el.dataset.table = name
    for (const tab of this.tabs.children) tab.setAttribute("aria-pressed", String(tab.classList.contains(name)))
  }

  pause(paused) {
    this.paused = paused
    for (const table of [this.all, ...Object.values(this.split)]) table.paused = paused
    this.pauseButton.setAttribute("aria-pressed", String(paused))
    this.pauseButton.replaceChildren(icon(paused ? "play" : "pause"), node("span", {}, paused ? "Go on" : "Pause"))
    if (!paused) for (const table of this.shown) table.release()
  }

  // Back to what is happening now: no pause, nothing scrolled.
  live() {
    this.pause(false)
    for (const table of this.shown) table.jump()
  }

  arrange(layout) {
    this.layout = layout
    localStorage.setItem(LAYOUT, layout)
    this.el.dataset.layout = layout
    this.layoutButton.replaceChildren(icon(layout === "one" ? "columns" : "rows"), node("span", {}, layout === "one" ? "Side by side" : "One feed"))
    this.draw()
  }

  fill({ rows, perTable, streams, filter }) {
    for (const table of [this.all, ...Object.values(this.split)]) table.empty.textContent = filter ? FILTERED : table.emptyText
    this.perTable = perTable
    this.streams = streams
    this.rows = this.placed(rows)
    this.draw()
  }

  draw() {
    const shown = this.layout === "one"
    this.all.replace(shown ? this.rows : [], this.perTable)
    for (const [name, table] of Object.entries(this.split)) {
      table.replace(shown ? [] : this.rows.filter((row) => row.table === name), this.perTable)
    }
  }

  // With the number of their stream, by which they are addressed.
  placed(rows) {
    return rows.map((row) => ({ ...row, shard: this.streams.indexOf(row.stream), ...(row.rows ? { rows: this.placed(row.rows) } : {}) }))
  }

  news(message) {
    const rows = this.placed(message.rows)
    for (const row of rows) this.keep(row)
    this.grow(this.placed(message.grown))
    if (this.rows.length > 8 * this.perTable) this.trim()
    if (this.layout === "one") {
      this.all.add(rows)
      return
    }
    for (const [name, table] of Object.entries(this.split)) {
      const own = rows.filter((row) => row.table === name)
      if (own.length) table.add(own)
    }
  }

  // In the place of the row that has become a fan-out, else as the newest.
  keep(row) {
    const at = row.rows ? this.rows.findLastIndex((old) => addressOf(old) === addressOf(row)) : -1
    if (at < 0) this.rows.push(row)
    else this.rows[at] = row
  }

  grow(grown) {
    const addresses = grown.map(addressOf)
    for (const [i, address] of addresses.entries()) {
      const group = this.rows.findLast((row) => row.rows && addressOf(row) === address)
      if (group) grow(group, grown[i])
    }
    for (const table of this.shown) table.grow(addresses)
  }

  trim() {
    const left = Object.fromEntries(TABLES.map(({ name }) => [name, this.perTable]))
    this.rows = this.rows.reverse().filter((row) => left[row.table]-- > 0).reverse()
  }

  // What each table's head says; null: not known.
  rates(views) {
    for (const [name, table] of Object.entries(this.split)) {
      const kinds = KINDS.filter((kind) => kind.table === name).map(({ kind }) => kind)
      table.count.textContent = views === null ? "" : `${rate(sum(views, kinds))}/s`
    }
    this.all.count.textContent = views === null ? "" : `${rate(sum(views, KINDS.filter((kind) => kind.table).map(({ kind }) => kind)))}/s`
  }

  open(event) {
    if (event.target.closest("button, a, [data-path]") || String(getSelection())) return
    const address = event.target.closest("tr[data-address]")?.dataset.address
    if (!address) return
    const [stream, id] = address.split("/")
    this.page.openRecord({ stream: Number(stream), id })
  }
}

function sum(views, kinds) {
  return Object.values(views).reduce((n, of) => n + kinds.reduce((m, kind) => m + (of[kind] ?? 0), 0), 0)
}
