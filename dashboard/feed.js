// Draws what the server tells (see messages.py). Every text from the database goes into the page as text, never as HTML.

const TABLES = [
  { name: "created", title: "Created", empty: "Nothing created yet. New rows appear here by themselves." },
  { name: "updated", title: "Updated", empty: "Nothing updated yet. Changes appear here as old → new." },
  { name: "deleted", title: "Deleted", empty: "Nothing deleted yet." },
]
const KINDS = [
  { kind: "c", title: "created", table: "created" },
  { kind: "u", title: "updated", table: "updated" },
  { kind: "caused", title: "re-joined", table: "updated" },
  { kind: "d", title: "deleted", table: "deleted" },
  { kind: "r", title: "first read", table: null },
]
const ICONS = {
  created: "M8 3v10M3 8h10",
  updated: "M3 6h9M9.5 3.5 12 6 9.5 8.5M13 10H4M6.5 7.5 4 10l2.5 2.5",
  deleted: "M3 8h10",
}
const LOST_AFTER_MS = 3500
const MOST_ARRIVALS = 5 // more rows within so long are not lit up: it would only flicker, and cost frames
const ARRIVALS_MS = 200
const SVG = "http://www.w3.org/2000/svg"

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" })

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value)
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value)
  }
  made.append(...children.filter((child) => child !== null && child !== undefined))
  return made
}

function drawing(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

function icon(name) {
  return drawing(
    "svg",
    { class: `icon ${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    drawing("path", { d: ICONS[name] }),
  )
}

// A value of the database: kept apart from what surrounds it, also where it is written from right to left.
const bdi = (text, cls = "") => node("bdi", cls ? { class: cls } : {}, text)

const rate = (n) => (n === 0 ? "0" : n.toLocaleString(undefined, { maximumFractionDigits: n < 10 ? 1 : 0 }))
const milliseconds = (n) => (n >= 10000 ? `${rate(n / 1000)} s` : `${rate(n)} ms`)

function ago(sinceMs, nowMs) {
  const s = Math.max(0, Math.round((nowMs - sinceMs) / 1000))
  if (s < 90) return `${s} s`
  if (s < 5400) return `${Math.round(s / 60)} min`
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`
}

// ---------------------------------------------------------------------------------------------------------------- rows

function joined([lookup, text]) {
  return node("span", { class: "joined" }, node("span", { class: "label" }, lookup), " ",
    text === null ? node("span", { class: "none" }, "none") : bdi(text))
}

function diff([path, old, next]) {
  return node("div", { class: "diff" }, bdi(path, "path"), " ",
    old === null ? null : bdi(old, "old"), node("span", { class: "arrow", "aria-label": "becomes" }, " → "), bdi(next, "new"))
}

function tableRow(row) {
  const main = node("td", { class: "what" },
    node("div", { class: "title" }, row.text ? bdi(row.text) : bdi(row.key, "key")))
  if (row.joined.length) main.append(node("div", { class: "joins" }, ...row.joined.map(joined)))
  if (row.diffs.length) main.append(node("div", { class: "diffs" }, ...row.diffs.map(diff)))
  if (row.more) main.append(node("div", { class: "label" }, `and ${row.more} more fields`))
  if (row.cause !== null) {
    main.append(node("div", { class: "cause" }, "because its ", bdi(row.cause), " changed"))
  }
  const hint = `${row.view} ${row.key}\n${moment.format(row.ts_ms)}, in Redis ${Math.max(0, row.at_ms - row.ts_ms)} ms later`
  return node("tr", { "data-id": `${row.stream} ${row.id}`, title: hint },
    node("td", { class: "when" }, clock.format(row.ts_ms), bdi(row.view, "view")), main)
}

// One table: newest on top. While it is being read (pointer on it, or scrolled) it stands still and counts what waits.
class Table {
  constructor({ name, title, empty }) {
    this.name = name
    this.limit = 60
    this.waiting = []
    this.known = new Set()
    this.arrivals = []
    this.reading = false
    this.body = node("tbody")
    this.empty = node("p", { class: "empty" }, empty)
    this.count = node("span", { class: "rate" })
    this.more = node("button", { class: "more", type: "button", hidden: "", onclick: () => this.jump() })
    this.scroller = node("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `${title} rows` },
      node("table", {}, node("caption", { class: "unseen" }, `${title}, newest first`),
        node("colgroup", {}, node("col", { class: "when" }), node("col")),
        node("thead", { class: "unseen" }, node("tr", {}, ...["Time and view", "Row"].map((t) => node("th", { scope: "col" }, t)))),
        this.body),
      this.empty)
    this.scroller.addEventListener("scroll", () => { if (this.scroller.scrollTop < 4) this.flush() }, { passive: true })
    this.el = node("section", { class: `table ${name}`, "data-table": name, "aria-label": title },
      node("header", {}, icon(name), node("h2", {}, title), this.count, this.more), this.scroller)
    this.el.addEventListener("pointerenter", (e) => { if (e.pointerType === "mouse") this.reading = true })
    this.el.addEventListener("pointerleave", () => { this.reading = false; if (!this.held) this.flush() })
  }

  get held() { return this.reading || this.scroller.scrollTop >= 4 }

  replace(rows, limit) {
    this.limit = limit
    this.known.clear()
    this.waiting = []
    this.body.replaceChildren()
    this.add(rows, false)
  }

  add(rows, live = true) {
    this.waiting.push(...rows)
    if (live && this.held) this.count_waiting()
    else this.flush(live)
  }

  count_waiting() {
    this.waited = (this.waited ?? 0)
    const n = this.waiting.length
    if (n > this.limit) { this.waited += n - this.limit; this.waiting.splice(0, n - this.limit) }
    const all = this.waiting.length + this.waited
    this.more.hidden = all === 0
    this.more.textContent = `${all.toLocaleString()} new ↑`
  }

  jump() {
    this.scroller.scrollTop = 0
    this.reading = false
    this.flush()
  }

  // How many rows have arrived within the last moment, with these.
  lately(count) {
    const now = performance.now()
    this.arrivals = [...this.arrivals.filter(([at]) => now - at < ARRIVALS_MS), [now, count]]
    return this.arrivals.reduce((sum, [, more]) => sum + more, 0)
  }

  flush(live = true) {
    const fresh = this.waiting.slice(-this.limit).filter((row) => !this.known.has(`${row.stream} ${row.id}`))
    this.waiting = []
    this.waited = 0
    this.more.hidden = true
    if (!fresh.length) return
    const drawn = document.createDocumentFragment()
    for (const row of fresh) {
      this.known.add(`${row.stream} ${row.id}`)
      drawn.prepend(tableRow(row))
    }
    if (live && this.lately(fresh.length) <= MOST_ARRIVALS) for (const row of drawn.children) row.className = "fresh"
    this.body.prepend(drawn)
    while (this.body.rows.length > this.limit) {
      this.known.delete(this.body.lastElementChild.dataset.id)
      this.body.lastElementChild.remove()
    }
    this.empty.hidden = true
  }
}

// ------------------------------------------------------------------------------------------------------------- figures

class Figures {
  constructor() {
    this.total = node("strong", { class: "number" }, "–")
    this.line = drawing("polyline", { class: "line" })
    this.area = drawing("polygon", { class: "area" })
    this.chart = drawing("svg", { class: "spark", viewBox: "0 0 59 20", preserveAspectRatio: "none", role: "img",
      "aria-label": "Records per second in the last minute" }, this.area, this.line)
    this.peak = node("span", { class: "label peak" })
    this.latencies = ["p50", "p95", "p99"].map((p) => [p, node("strong", { class: "number", "data-latency": p }, "–")])
    this.views = node("tbody")
    this.el = node("div", { class: "figures" },
      node("section", { class: "figure total", title: "Records written to Redis per second, all views and kinds" },
        node("h2", {}, "Records/s"), this.total),
      node("section", { class: "figure chart" }, node("h2", {}, "Last minute ", this.peak), this.chart),
      node("section", { class: "figure latency", title: "From the commit in the database to the entry in Redis; of changes of rows themselves" },
        node("h2", {}, "Latency"),
        node("dl", {}, ...this.latencies.map(([p, value]) => node("div", {}, node("dt", {}, p), node("dd", {}, value))))),
      node("section", { class: "figure views" },
        node("table", {}, node("caption", { class: "unseen" }, "Records per second, by view and kind"),
          node("thead", {}, node("tr", {}, node("th", { scope: "col" }, "per second"),
            ...KINDS.map(({ title }) => node("th", { scope: "col" }, title)))), this.views)))
  }

  show(rates) {
    if (rates === null) {
      this.total.textContent = "–"
      for (const [, value] of this.latencies) value.textContent = "–"
      this.views.replaceChildren()
      this.line.setAttribute("points", "")
      this.area.setAttribute("points", "")
      this.peak.textContent = ""
      return
    }
    this.total.textContent = rate(rates.total)
    for (const [p, value] of this.latencies) {
      value.textContent = rates.latency === null ? "–" : milliseconds(rates.latency[p])
    }
    const top = Math.max(1, ...rates.series)
    const points = rates.series.map((n, i) => `${i},${(19 - (18 * n) / top).toFixed(2)}`)
    this.line.setAttribute("points", points.join(" "))
    this.area.setAttribute("points", `0,20 ${points.join(" ")} ${points.length - 1},20`)
    this.peak.textContent = `peak ${rate(Math.max(...rates.series))}/s`
    this.views.replaceChildren(...Object.entries(rates.views).map(([view, kinds]) =>
      node("tr", {}, node("th", { scope: "row" }, bdi(view)),
        ...KINDS.map(({ kind }) => node("td", { class: `${kind} ${kinds[kind] ? "" : "zero"}`, "data-kind": kind }, rate(kinds[kind] ?? 0))))))
  }
}

// -------------------------------------------------------------------------------------------------------------- status

class Status {
  constructor() {
    this.label = node("strong")
    this.detail = node("span", { class: "detail" })
    this.el = node("div", { class: "status", role: "status", "data-level": "busy" }, node("i", { class: "dot", "aria-hidden": "true" }),
      this.label, this.detail)
    this.show({ level: "busy", label: "Connecting", detail: "", since_ms: null }, Date.now())
  }

  show({ level, label, detail, since_ms }, nowMs) {
    const since = since_ms === null ? "" : ` (for ${ago(since_ms, nowMs)}, since ${clock.format(since_ms)})`
    if (this.el.dataset.level !== level) this.el.dataset.level = level
    if (this.label.textContent !== label) this.label.textContent = label
    if (this.detail.textContent !== detail + since) this.detail.textContent = detail + since
  }
}

// Sees when the server falls silent, and loads the page anew once it can serve again.
class Line {
  constructor(onLost) {
    this.heard = performance.now()
    this.onLost = onLost
    this.lost = false
    this.timer = setInterval(() => this.look(), 1000)
  }

  hear() {
    this.heard = performance.now()
    this.lost = false
    sessionStorage.removeItem("dbwatch-tries")
  }

  async look() {
    const silentMs = performance.now() - this.heard
    if (silentMs < LOST_AFTER_MS) return
    if (!this.lost) {
      this.lost = true
      this.lostAt = performance.now()
      this.onLost(Date.now() - silentMs)
      return
    }
    const tries = Number(sessionStorage.getItem("dbwatch-tries") ?? 0)
    if (this.asking || performance.now() - this.lostAt < Math.min(60, 2 ** tries) * 1000) return
    this.asking = true
    try {
      const answer = await fetch("./healthz", { cache: "no-store", redirect: "error" })
      if (answer.ok && this.lost) {
        sessionStorage.setItem("dbwatch-tries", String(tries + 1))
        location.reload()
      }
    } catch { /* still away */ } finally {
      this.asking = false
    }
  }

  end() { clearInterval(this.timer) }
}

// ----------------------------------------------------------------------------------------------------------------- page

async function signOut() {
  const xsrf = document.cookie.split("; ").find((c) => c.startsWith("_xsrf="))?.slice(6) ?? ""
  const proof = { "X-XSRFToken": decodeURIComponent(xsrf.replace(/^"|"$/g, "")) }
  try {
    await fetch("./logout", { method: "POST", headers: proof })
  } finally {
    location.replace("./login")
  }
}

function mark() {
  return drawing("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", fill: "none" },
    drawing("ellipse", { cx: 16, cy: 16, rx: 15, ry: 6, class: "orbit", transform: "rotate(-24 16 16)" }),
    drawing("circle", { cx: 16, cy: 16, r: 6.5, class: "planet" }),
    drawing("circle", { cx: 28.6, cy: 10.2, r: 2.2, class: "moon" }))
}

export function render({ model }) {
  const status = new Status()
  const figures = new Figures()
  const tables = Object.fromEntries(TABLES.map((table) => [table.name, new Table(table)]))
  const notice = node("p", { class: "notice", role: "status", hidden: "" })
  const tabs = node("div", { class: "tabs", role: "group", "aria-label": "Table to show" }, ...TABLES.map(({ name, title }) =>
    node("button", { type: "button", class: name, "aria-pressed": String(name === "created"), onclick: () => choose(name) }, icon(name), title)))
  const root = node("div", { class: "root", "data-table": "created" },
    node("header", { class: "top" }, node("h1", {}, mark(), "DB Watch"), status.el,
      node("div", { class: "who" }, bdi(model.visitor, "name"), node("button", { type: "button", class: "out", onclick: signOut }, "Sign out"))),
    figures.el, notice, tabs, node("main", { class: "tables" }, ...Object.values(tables).map((table) => table.el)))

  function choose(name) {
    root.dataset.table = name
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.classList.contains(name)))
  }

  const line = new Line((sinceMs) => {
    status.show({ level: "down", label: "Cut off", detail: "the server does not answer; what is shown is old", since_ms: sinceMs }, Date.now())
    root.classList.add("stale")
    figures.show(null)
  })

  const handlers = {
    fill({ rows, perTable }) {
      for (const [name, table] of Object.entries(tables)) table.replace(rows.filter((row) => row.table === name), perTable)
    },
    news({ rows }) {
      for (const [name, table] of Object.entries(tables)) {
        const own = rows.filter((row) => row.table === name)
        if (own.length) table.add(own)
      }
    },
    beat({ status: now, rates, leftOut, unreadable, nowMs }) {
      status.show(now, nowMs ?? Date.now())
      root.classList.toggle("stale", now.level === "down")
      figures.show(now.level === "down" ? null : rates)
      for (const [name, table] of Object.entries(tables)) {
        const kinds = KINDS.filter((kind) => kind.table === name).map(({ kind }) => kind)
        const sum = rates === null ? null : Object.values(rates.views).reduce((n, of) => n + kinds.reduce((m, k) => m + (of[k] ?? 0), 0), 0)
        table.count.textContent = sum === null || now.level === "down" ? "" : `${rate(sum)}/s`
      }
      const said = []
      if (leftOut) said.push(`Too many to show them all: the newest are here, about ${rate(leftOut)} a second are left out.`)
      if (unreadable) said.push(`${unreadable.toLocaleString()} entries of the feed could not be read.`)
      notice.hidden = !said.length
      notice.textContent = said.join(" ")
    },
  }

  model.on("msg:custom", (text) => {
    line.hear()
    const message = JSON.parse(text)
    handlers[message.type]?.(message)
  })
  model.on("remove", () => line.end())
  model.send_msg({ hello: true })
  return root
}
