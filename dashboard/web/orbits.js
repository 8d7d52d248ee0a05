// Where everything in the sky is: values from a seed, a time and rates. Touches no page, so it can be tested by itself.
// Angles are radians, times seconds; places in a window are pixels, other places are parts of one.

const TURN = 2 * Math.PI
const IDLE_SPEED = 0.012 // a planet whose view rests still moves, once around in nine minutes
const TOP_SPEED = 0.9
const TOP_RATE = 5000 // changes a second from which on a planet goes no faster
const METEOR_EVERY_S = 17
const METEOR_LASTS_S = 1.1
const PULSE_LASTS_S = 0.9

const PATTERNS = ["plain", "bands", "ring", "moon"]

// Numbers from 0 to 1, always the same ones for a seed.
function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let n = Math.imul(state ^ (state >>> 15), 1 | state)
    n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n
    return ((n ^ (n >>> 14)) >>> 0) / 4294967296
  }
}

export function hash(text) {
  let n = 0x811c9dc5
  for (const char of text) n = Math.imul(n ^ char.codePointAt(0), 0x01000193)
  return n >>> 0
}

// Stars of a disc around the pole; `at` is [distance, angle].
export function stars(seed, count) {
  const next = seeded(seed)
  return Array.from({ length: count }, () => ({
    at: [Math.sqrt(next()), next() * TURN],
    size: next() < 0.12 ? 2 : 1,
    brightness: 0.35 + 0.65 * next(),
    phase: next() * TURN,
    period: 2.5 + 5 * next(),
  }))
}

// Groups of stars, each joined by its shortest threads: `lines` are pairs of indices into `points`.
export function constellations(seed, count) {
  const next = seeded(seed ^ 0x5eed)
  return Array.from({ length: count }, (_, i) => {
    const middle = [0.25 + 0.7 * ((i + next()) / count), (i * 2.399963 + next() * 0.6) % TURN]
    const points = Array.from({ length: 4 + Math.floor(next() * 4) }, () => {
      const [x, y] = cartesian(middle)
      return polar([x + (next() - 0.5) * 0.26, y + (next() - 0.5) * 0.26])
    })
    return { points, lines: threads(points) }
  })
}

// How bright a star is at a time, from 0 to 1.
export function twinkle(star, timeS) {
  return star.brightness * (0.72 + 0.28 * Math.sin(star.phase + (timeS / star.period) * TURN))
}

// Where a place on the disc of stars stands in a window, when the disc has turned around its pole.
export function turned([distance, angle], timeS, { width, height }) {
  const reach = 0.62 * Math.hypot(width, height)
  const now = angle + timeS * 0.0035
  return [width * 0.5 + Math.cos(now) * distance * reach, height * 0.42 + Math.sin(now) * distance * reach]
}

// A planet for each view, from the innermost orbit outwards. Colour and pattern come from the view's name; as long as
// there are colours left no two planets share one.
export function planets(views, colours) {
  const taken = new Set()
  return [...views].sort().map((view, orbit, all) => {
    const of = hash(view)
    let colour = of % colours
    while (taken.size < colours && taken.has(colour)) colour = (colour + 1) % colours
    taken.add(colour)
    return { view, colour, orbit, orbits: all.length, pattern: PATTERNS[(of >>> 8) % PATTERNS.length], start: ((of >>> 12) % 628) / 100 }
  })
}

// How fast a planet goes when its view changes so often a second: by the logarithm, so that 1 and 5,000 both tell.
export function speed(rate) {
  const share = Math.log1p(Math.min(Math.max(rate, 0), TOP_RATE)) / Math.log1p(TOP_RATE)
  return IDLE_SPEED + (TOP_SPEED - IDLE_SPEED) * share
}

// The angles by view after a while; those that are new begin where their name says.
export function advanced(angles, planetsNow, rates, seconds) {
  return new Map(planetsNow.map(({ view, start }) => [view, ((angles.get(view) ?? start) + seconds * speed(rates[view] ?? 0)) % TURN]))
}

// The ellipse of a planet's orbit on a stage, a rectangle of the window.
export function orbitOf({ orbit, orbits }, { x, y, width, height }) {
  const share = orbits === 1 ? 0.7 : 0.36 + (0.64 * orbit) / (orbits - 1)
  return { x: x + width / 2, y: y + height / 2, rx: (width / 2) * share, ry: (height / 2) * share }
}

// Where a planet is on its orbit; `near` is 0 at the back and 1 in front.
export function placeOf(planet, angle, stage) {
  const { x, y, rx, ry } = orbitOf(planet, stage)
  return { x: x + Math.cos(angle) * rx, y: y + Math.sin(angle) * ry, near: (Math.sin(angle) + 1) / 2 }
}

// The ring that goes out from a planet at a delete: how far (1 is its own size) and how bright, null when it is over.
export function pulse(ageS) {
  if (ageS < 0 || ageS >= PULSE_LASTS_S) return null
  const part = ageS / PULSE_LASTS_S
  return { reach: 1 + 1.8 * part, brightness: 1 - part }
}

// The shooting star of a time, null when there is none: one now and then by itself, and one that begins at `calledS`
// (a burst of changes). There is never a second one.
export function meteor(seed, timeS, calledS = null) {
  if (calledS !== null && timeS >= calledS && timeS < calledS + METEOR_LASTS_S) {
    return streak(seeded(seed ^ Math.floor(calledS * 1000)), (timeS - calledS) / METEOR_LASTS_S)
  }
  const turn = Math.floor(timeS / METEOR_EVERY_S)
  const next = seeded(seed + turn * 7919)
  const begins = turn * METEOR_EVERY_S + next() * (METEOR_EVERY_S - METEOR_LASTS_S)
  if (timeS < begins || timeS >= begins + METEOR_LASTS_S) return null
  return streak(next, (timeS - begins) / METEOR_LASTS_S)
}

// Whether so many changes a second are a burst, by what was usual.
export function isBurst(rate, usual) { return rate >= 20 && rate > 3 * usual }

// What is usual, one second later.
export function usualNow(usual, rate) { return usual === null ? rate : usual + (rate - usual) * 0.1 }

// How many times slower than it would like the sky is drawn, when the page draws a frame every `gapMs`: it gives way.
export function slowdown(gapMs, now) {
  if (gapMs > 30) return Math.min(now * 2, 16)
  return gapMs < 22 ? Math.max(now / 2, 1) : now
}

function streak(next, part) {
  const [x, y] = [0.08 + 0.7 * next(), 0.02 + 0.3 * next()]
  const angle = 0.35 + 0.5 * next()
  const length = 0.16 + 0.16 * next()
  const side = next() < 0.5 ? 1 : -1
  const way = [side * Math.cos(angle) * length, Math.sin(angle) * length]
  return { head: [x + way[0] * part, y + way[1] * part], tail: [x + way[0] * Math.max(0, part - 0.35), y + way[1] * Math.max(0, part - 0.35)],
    brightness: Math.sin(Math.PI * part) }
}

// The shortest threads that join all points: Prim's algorithm.
function threads(points) {
  const places = points.map(cartesian)
  const joined = [0]
  const lines = []
  while (joined.length < places.length) {
    let best = null
    for (const from of joined) {
      for (let to = 0; to < places.length; to++) {
        if (joined.includes(to)) continue
        const length = Math.hypot(places[from][0] - places[to][0], places[from][1] - places[to][1])
        if (best === null || length < best.length) best = { from, to, length }
      }
    }
    joined.push(best.to)
    lines.push([best.from, best.to])
  }
  return lines
}

const cartesian = ([distance, angle]) => [distance * Math.cos(angle), distance * Math.sin(angle)]
const polar = ([x, y]) => [Math.hypot(x, y), (Math.atan2(y, x) + TURN) % TURN]
