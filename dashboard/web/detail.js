// One record in the drawer: what changed, the row, the raw record, and what it was made of. Its address is in the URL.

import { copied } from "./copied.js"
import { tabs } from "./detail_tabs.js"
import { diffNode, newValues } from "./diff_tree.js"
import { bdi, button, icon, node } from "./dom.js"
import { Spot, valueNode } from "./value_tree.js"
import { ago, count, milliseconds, moment } from "./words.js"

const KINDS = { c: "created", u: "updated", d: "deleted", r: "read" }

export class Detail {
  constructor(page) {
    this.page = page
    this.tab = "Changes"
    page.openRecord = ({ stream, id }) => this.open(`${stream}/${id}`)
    page.address.on("record", (address) => (address === null ? this.leave() : this.open(address)))
    const given = page.address.get("record")
    if (given !== null) this.open(given)
  }

  async open(address, whole = false) {
    this.asking?.abort()
    const asking = this.asking = new AbortController()
    const el = node("article", { class: "record", "aria-busy": "true" }, node("p", { class: "hint" }, "Loading …"))
    this.page.drawer.open({ title: "Record", el, address: { record: address }, onclose: () => { asking.abort(); this.shown = null } })
    this.shown = address
    try {
      const answer = await this.page.link.ask("record", { address, whole }, { signal: asking.signal })
      if (answer.missing) this.missing(el, answer)
      else this.show(el, answer.detail, whole)
    } catch (error) {
      if (!asking.signal.aborted) el.replaceChildren(node("p", { class: "problem", role: "alert" }, error.message))
    }
    el.removeAttribute("aria-busy")
  }

  leave() { if (this.shown !== null) this.page.drawer.close() }

  missing(el, { missing, address, oldestMs, newestMs }) {
    const why = {
      trimmed: "This record is no longer in the feed: it was trimmed.",
      none: "There is no such record in the feed.",
      empty: "There is no such record: this stream of the feed is empty.",
    }[missing]
    this.title("Not in the feed")
    const range = `The feed has what Redis took from ${moment.format(oldestMs)} to ${moment.format(newestMs)}.`
    el.replaceChildren(node("p", { class: "problem", role: "alert" }, why),
      node("p", {}, oldestMs === null ? null : range), node("p", { class: "hint" }, "Address: ", bdi(address, "key")))
  }

  title(text) { this.page.drawer.title.replaceChildren(bdi(text)) }

  show(el, detail, whole) {
    this.title(detail.title || `${detail.view} ${detail.key}`)
    const address = `${detail.stream}/${detail.id}`
    const more = (field, path, start) => this.page.link.ask("record.part", { address, field, path, start })
    const spot = (field) => new Spot({ field, more })
    const problem = detail.problem === null ? [] : [node("p", { class: "problem" }, `This record cannot be read: ${detail.problem}`)]
    el.replaceChildren(head(detail, this.page), this.tools(detail), ...problem,
      ...detail.notes.map((note) => node("p", { class: "hint" }, note)),
      tabs({
        Changes: () => this.changes(detail, spot, whole),
        Row: () => row(detail, spot(detail.row_is)),
        Raw: () => raw(detail, this.page, more),
        Origin: () => origin(detail),
      }, this.tab, (name) => { this.tab = name }))
  }

  changes(detail, spot, whole) {
    if (detail.diff === null) {
      return detail.new_values.length ? newValues(detail.new_values) : node("p", { class: "hint" }, "There is nothing to compare.")
    }
    const again = whole ? null : () => this.open(`${detail.stream}/${detail.id}`, true)
    return diffNode(detail.diff, { before: spot("before"), after: spot("after"), whole: again })
  }

  tools(detail) {
    const says = node("span", { class: "hint", role: "status" })
    const step = (label, newer) => button(label, (e) => this.step(detail, newer, says, e.currentTarget), { class: "tool" })
    const copy = button("Copy link", () => this.copy(new URL(detail.address, location.href).href, "The link"), { class: "tool" })
    const older = step("‹ Earlier", false)
    const newer = step("Later ›", true)
    const history = node("a", { class: "tool", href: detail.history, onclick: (e) => {
      if (e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return // in a tab of its own
      e.preventDefault()
      this.page.openHistory({ view: detail.view, key: detail.key })
    } }, "History of this row")
    return node("div", { class: "record-tools" }, older, newer, history, copy, says)
  }

  // To the record of the same row before or after this one. A long way is gone in several steps.
  async step(detail, newer, says, pressed) {
    pressed.disabled = true
    let address = `${detail.stream}/${detail.id}`
    try {
      for (;;) {
        const [stream, id] = address.split("/")
        const args = { stream: Number(stream), id, view: detail.view, key: detail.key, newer }
        const found = await this.page.link.ask("record.beside", args, { signal: this.asking.signal })
        if (found.address !== null) { await this.open(found.address); return }
        if (found.stopped !== "budget" || found.at === null) break
        says.textContent = `Looking … ${moment.format(found.atMs)}`
        address = found.at
      }
      says.textContent = newer ? "There is no later record of this row." : "There is no earlier record of this row in the feed."
    } catch (error) {
      if (!this.asking.signal.aborted) says.textContent = error.message
    } finally { pressed.disabled = false }
  }

  async copy(text, what) {
    const done = await copied(text)
    this.page.say(done ? `${what} was copied.` : `${what} could not be copied: the browser does not allow it.`, { level: done ? "ok" : "bad" })
  }
}

const clicked = (path, text, cls) => {
  const made = bdi(text, `value ${cls}`)
  Object.assign(made.dataset, { path, value: JSON.stringify(text) })
  made.tabIndex = 0
  made.setAttribute("role", "button")
  made.title = "Look for this"
  return made
}

function head(detail, page) {
  const kind = KINDS[detail.op] ?? "updated"
  const when = detail.ts_ms === null ? detail.at_ms : detail.ts_ms
  const late = detail.latency.ms === null ? null : ` · in Redis ${milliseconds(Math.max(0, detail.latency.ms))} later`
  return node("header", { class: "record-head" },
    node("p", { class: `op ${kind}` }, kind === "read" ? null : icon(kind), detail.op_says),
    node("p", {}, clicked(":view", detail.view, "view-name"), " ", clicked(":key", detail.key, "key")),
    detail.joined.length ? node("p", { class: "joins" }, ...detail.joined.map(([lookup, text]) =>
      node("span", {}, node("span", { class: "label" }, bdi(lookup)), " ", text === null ? node("span", { class: "none" }, "none") : bdi(text)))) : null,
    detail.cause === null ? null : node("p", { class: "cause" }, bdi(detail.cause)),
    node("p", { class: "hint" }, moment.format(when), ` (${ago(when, page.nowMs())} ago)`, late))
}

function row(detail, spot) {
  if (detail.row === null) return node("p", { class: "hint" }, "There is no row.")
  return node("div", {}, detail.row_is === "before" ? node("p", { class: "hint" }, "The row as it was before.") : null, valueNode(detail.row, spot))
}

function raw(detail, page, more) {
  const copy = button("Copy as JSON", async () => {
    copy.disabled = true
    try {
      const fields = {}
      for (const { name, text, size } of detail.raw) fields[name] = await wholeText(name, text, size, more)
      const done = await copied(JSON.stringify({ id: detail.id, ...fields }, null, 2))
      page.say(done ? "The record was copied." : "The record could not be copied: the browser does not allow it.", { level: done ? "ok" : "bad" })
    } catch (error) { page.say(error.message, { level: "bad" }) } finally { copy.disabled = false }
  }, { class: "tool" })
  return node("div", {}, node("p", { class: "hint" }, "The fields of the entry as they are in Redis. ", copy),
    node("dl", { class: "raw" }, ...detail.raw.map(({ name, text, size }) => node("div", {},
      node("dt", {}, bdi(name), size > 1000 ? node("span", { class: "label" }, ` ${count(size)} characters`) : null),
      node("dd", {}, rawText(name, text, size, more))))))
}

function rawText(name, text, size, more) {
  const spot = new Spot({ field: name, more: (field, _path, start) => more(field, null, start) })
  return valueNode({ type: "string", size, start: 0, text, items: null }, spot)
}

async function wholeText(name, text, size, more) {
  let whole = text
  for (let end = [...text].length; end < size;) {
    const part = await more(name, null, end)
    if (!part.text) break
    whole += part.text
    end += [...part.text].length
  }
  return whole
}

function origin(detail) {
  const line = (name, value, says) => node("div", {}, node("dt", {}, name), node("dd", {}, value, says ? node("p", { class: "hint" }, says) : null))
  const ms = detail.latency.ms
  return node("div", { class: "origin" },
    detail.cause === null ? null : node("p", { class: "cause" }, bdi(detail.cause)),
    node("h3", {}, "Versions"),
    node("ul", { class: "plain" }, ...detail.versions.map((sentence) => node("li", {}, bdi(sentence)))),
    node("h3", {}, "Times"),
    node("dl", { class: "times" },
      detail.ts_ms === null ? null : line(detail.op === "r" ? "Read as of" : "Committed", precise(detail.ts_ms), detail.op === "r" ? "The collections were read as they were at this time." : "When the source committed the change, by its clock."),
      line("In Redis", precise(detail.at_ms), "When Redis took the entry, by its clock: the first part of its id."),
      line("Latency", ms === null ? "–" : ms < 0 ? `−${milliseconds(-ms)}` : milliseconds(ms), detail.latency.says),
      line("Position", bdi(detail.position, "key"), "Where the change that caused this record stands in the source."),
      line("Entry", bdi(`${detail.stream}/${detail.id}`, "key"), "Number of the feed's stream, and the entry's id.")))
}

const exact = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
  second: "2-digit", fractionalSecondDigits: 3 })
const precise = (ms) => exact.format(ms)
