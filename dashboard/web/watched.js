// What has been on the visible screen of the feed, and what has come while nobody could look. The server keeps what is
// said of it (see dashboard/away/shown.py); a tab that is loaded again says once more what it may not have been able to.

const MOST = 60 // stretches, and rows of a table
const MEMORY = "dbwatch-watched"

// Ids of entries: "milliseconds-number".
function isBefore(one, other) {
  const [a, b] = [one.split("-"), other.split("-")]
  return smaller(a[0], b[0]) || (a[0] === b[0] && smaller(a[1], b[1]))
}

function smaller(one, other) { return one.length === other.length ? one < other : one.length < other.length }

// `began(positions)` is called once, with where the page begins; `back(positions)` when somebody looks again at a page
// to which something has come unseen: the page was hidden, or it was cut off, and what the server shows then may be the
// newest only.
export class Watched {
  constructor(page, { began, back }) {
    this.page = page
    this.began = began
    this.back = back
    this.streams = []
    this.at = null // by number of stream, up to where everything has come
    this.unsaid = {} // stretches [after, upto] by number of stream
    this.all = {} // the same since the page began
    this.rows = {} // the newest lines of each table: number of stream, id, and how many rows a line stands for
    this.blind = false
    this.isCut = false
    this.until = null // what a page that was cut off must have to be whole again
    this.asking = null
    page.link.on("fill", (message) => this.fill(message))
    page.link.on("news", ({ rows, grown, upTo }) => { this.drawn(rows); this.grown(grown); this.advance(upTo, this.visible) })
    page.link.on("beat", ({ upTo, rates }) => {
      if (rates === null) this.cut()
      this.advance(upTo, this.visible)
      this.say()
      if (rates !== null) this.rejoin()
    })
    document.addEventListener("visibilitychange", () => this.turned())
    addEventListener("pagehide", () => this.say())
  }

  get visible() { return document.visibilityState === "visible" && !this.blind && !this.isCut }

  // What an earlier page of this tab had shown and when it last did; `ms` is null when there was none.
  memory() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(`${MEMORY}:${this.page.visitor.name}`))
      return { shown: kept?.shown ?? {}, ms: kept?.ms ?? null }
    } catch {
      return { shown: {}, ms: null }
    }
  }

  // How many of the rows in the tables lie in these stretches.
  drawnWithin(stretches) {
    const within = ({ stream, id }) => (stretches[stream] ?? []).some(([after, upto]) => isBefore(after, id) && !isBefore(upto, id))
    return Object.values(this.rows).flat().filter(within).reduce((n, { total }) => n + total, 0)
  }

  fill({ streams, rows, perTable, upTo }) {
    this.streams = streams
    const full = Object.values(Object.groupBy(rows, (row) => row.table)).filter((own) => own.length >= perTable)
    this.rows = {}
    this.drawn(rows)
    if (this.at === null) {
      this.at = this.numbered(upTo)
      this.began({ ...this.at })
      return
    }
    // Another filter: what came while it was changed is in the tables if these go back far enough.
    const covers = full.every(([oldest]) => !isBefore(this.at[this.streams.indexOf(oldest.stream)] ?? "0-0", oldest.id))
    this.advance(upTo, this.visible && covers)
  }

  drawn(rows) {
    for (const { table, stream, id, total = 1 } of rows) {
      const own = this.rows[table] ??= []
      const line = { stream: this.streams.indexOf(stream), id, total }
      const at = total > 1 ? own.findIndex((old) => old.stream === line.stream && old.id === id) : -1
      if (at < 0) own.push(line)
      else own[at] = line
      if (own.length > MOST) own.shift()
    }
  }

  grown(lines) {
    for (const { stream, id, total } of lines) {
      const line = this.rows.updated?.find((old) => old.id === id && this.streams[old.stream] === stream)
      if (line) line.total = total
    }
  }

  advance(upTo, seen) {
    if (this.at === null) return
    for (const [number, id] of Object.entries(this.numbered(upTo))) {
      const after = this.at[number] ?? "0-0"
      if (!isBefore(after, id)) continue
      this.at[number] = id
      if (seen) for (const shown of [this.unsaid, this.all]) extend(shown[number] ??= [], after, id)
      else if (document.visibilityState !== "visible") this.blind = true
    }
    this.joined()
  }

  say() {
    if (!Object.keys(this.unsaid).length) return
    this.page.link.send({ shown: this.unsaid })
    this.unsaid = {}
    sessionStorage.setItem(`${MEMORY}:${this.page.visitor.name}`, JSON.stringify({ shown: this.all, ms: Date.now() }))
  }

  // Nothing comes any more, because the server or its Redis is away.
  cut() {
    this.asking?.abort()
    this.until = null
    if (this.isCut) return
    this.isCut = true
    this.cutMs = Date.now()
  }

  // Something comes again. It may be old: sent before the break, or all at once that a hanging network held back. So the
  // page is whole again only when it has all that is written by now.
  async rejoin() {
    if (!this.isCut || this.asking) return
    const { signal } = this.asking = new AbortController()
    try {
      this.until = await this.page.link.ask("away.ends", {}, { signal })
      this.joined()
    } catch { /* the next beat asks again */ } finally {
      if (this.asking?.signal === signal) this.asking = null
    }
  }

  joined() {
    if (!this.isCut || !this.until || this.at === null) return
    if (Object.entries(this.until).some(([number, id]) => isBefore(this.at[number] ?? "0-0", id))) return
    this.isCut = false
    this.until = null
    if (document.visibilityState !== "visible") this.blind = true
    else if (!this.blind) {
      this.hiddenMs = this.cutMs
      this.back({ ...this.at })
    }
  }

  turned() {
    if (document.visibilityState !== "visible") {
      this.say()
      this.hiddenMs = Date.now()
    } else if (this.blind) {
      this.blind = false
      this.back({ ...this.at })
    }
  }

  numbered(upTo) { return Object.fromEntries(Object.entries(upTo).map(([stream, id]) => [String(this.streams.indexOf(stream)), id])) }
}

function extend(stretches, after, upto) {
  const last = stretches.at(-1)
  if (last?.[1] === after) last[1] = upto
  else stretches.push([after, upto])
  if (stretches.length > MOST) stretches.shift()
}
