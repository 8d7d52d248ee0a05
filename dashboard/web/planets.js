// A planet for each view, in the page's head: as fast as the view changes, and a ring goes out from it when rows of it
// are deleted. The legend below the page says the same as text.

import { bdi, node } from "./dom.js"
import { colour, Sheet } from "./frames.js"
import * as orbits from "./orbits.js"
import { badge, COLOURS, sprite } from "./planet_drawings.js"
import { rate } from "./words.js"

const MOST = 24 // planets; of more views the busiest have one
const IN_LEGEND = 6
const NARROWEST = 70 // pixels, that planets need to go round
const MARGIN = 14
const PER_SECOND = 30

const sum = (numbers) => numbers.reduce((all, n) => all + n, 0)

export class Planets {
  constructor(page, frames) {
    this.frames = frames
    this.planets = []
    this.sprites = new Map()
    this.rates = null // by view, null when they are not known
    this.angles = new Map()
    this.pulses = new Map()
    this.said = []
    const canvas = node("canvas")
    this.sheet = new Sheet(canvas)
    this.stage = node("div", { class: "stage", "aria-hidden": "true" }, canvas)
    this.list = node("ul")
    this.legend = node("footer", { class: "sky-legend" }, node("h2", { class: "unseen" }, "Planets: changes a second by view"), this.list)
    page.link.on("beat", ({ rates }) => this.hear(rates?.views ?? null))
    new ResizeObserver(() => this.fit()).observe(this.stage)
    frames.add(this)
  }

  // What a second has brought: the rates by view and kind.
  hear(views) {
    this.rates = views && Object.fromEntries(Object.entries(views).map(([view, kinds]) => [view, sum(Object.values(kinds))]))
    if (views) this.place(Object.keys(views))
    for (const [view, kinds] of Object.entries(views ?? {})) if (kinds.d) this.pulses.set(view, this.frames.timeS)
    for (const [view, speed] of this.said) {
      const text = this.rates ? `${rate(this.rates[view] ?? 0)}/s` : "–"
      if (speed.textContent !== text) speed.textContent = text
    }
  }

  place(views) {
    const chosen = views.length <= MOST ? views : views.sort((a, b) => this.rates[b] - this.rates[a]).slice(0, MOST)
    if (chosen.length === this.planets.length && this.planets.every(({ view }) => chosen.includes(view))) return
    this.planets = orbits.planets(chosen, COLOURS)
    this.angles = orbits.advanced(this.angles, this.planets, {}, 0)
    this.said = this.planets.slice(0, IN_LEGEND).map(({ view }) => [view, node("span", { class: "speed" })])
    this.list.replaceChildren(...this.said.map(([view, speed], i) => node("li", {}, badge(this.planets[i]), bdi(view), " ", speed)))
    if (this.planets.length > IN_LEGEND) this.list.append(node("li", {}, `and ${this.planets.length - IN_LEGEND} more`))
    this.paint()
    this.frames.begin()
  }

  fit() {
    const { width, height } = this.stage.getBoundingClientRect()
    this.sheet.fit(width, height)
    this.ground = width < NARROWEST ? null : { x: MARGIN, y: MARGIN / 2, width: width - 2 * MARGIN, height: height - MARGIN }
    this.paint()
    this.frames.begin()
  }

  paint() {
    const size = Math.min(12, Math.max(5, this.sheet.height / 8)) * this.sheet.sharp
    this.sprites = new Map(this.planets.map((planet) => [planet.view, sprite(planet, size * (0.75 + (orbits.hash(planet.view) % 50) / 100))]))
  }

  hide(hidden) { this.stage.hidden = this.legend.hidden = hidden }

  perSecond() { return PER_SECOND }

  draw(seconds) {
    this.angles = orbits.advanced(this.angles, this.planets, this.rates ?? {}, seconds)
    if (!this.ground) return
    const pen = this.sheet.clean()
    this.drawOrbits(pen)
    const places = this.planets.map((planet) => [planet, orbits.placeOf(planet, this.angles.get(planet.view), this.ground)])
    for (const [planet, place] of places) if (place.near < 0.5) this.drawPlanet(pen, planet, place)
    this.drawSun(pen)
    for (const [planet, place] of places) if (place.near >= 0.5) this.drawPlanet(pen, planet, place)
  }

  drawOrbits(pen) {
    this.ink ??= { star: colour("star"), thread: colour("thread"), sun: colour("sun") }
    pen.strokeStyle = this.ink.thread
    pen.lineWidth = 1
    pen.globalAlpha = 0.32
    for (const planet of this.planets) {
      const { x, y, rx, ry } = orbits.orbitOf(planet, this.ground)
      pen.beginPath()
      pen.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI)
      pen.stroke()
    }
  }

  drawSun(pen) {
    const [x, y, reach] = [this.sheet.width / 2, this.sheet.height / 2, this.ground.height * 0.42]
    const light = pen.createRadialGradient(x, y, 0, x, y, reach)
    light.addColorStop(0, this.ink.star)
    light.addColorStop(0.22, this.ink.sun)
    light.addColorStop(1, `${this.ink.sun}00`)
    pen.globalAlpha = 1
    pen.fillStyle = light
    pen.fillRect(x - reach, y - reach, 2 * reach, 2 * reach)
  }

  drawPlanet(pen, planet, { x, y, near }) {
    const { canvas, reach } = this.sprites.get(planet.view)
    const size = ((0.7 + 0.3 * near) * reach) / this.sheet.sharp
    pen.globalAlpha = 1
    pen.drawImage(canvas, x - size, y - size, 2 * size, 2 * size)
    if (this.frames.moving) this.drawPulse(pen, planet, x, y, size / 2.6)
  }

  drawPulse(pen, planet, x, y, radius) {
    const ring = this.pulses.has(planet.view) ? orbits.pulse(this.frames.timeS - this.pulses.get(planet.view)) : null
    if (ring === null) return
    pen.globalAlpha = ring.brightness
    pen.strokeStyle = this.ink.star
    pen.lineWidth = 1.5
    pen.beginPath()
    pen.arc(x, y, radius * ring.reach * 1.2, 0, 2 * Math.PI)
    pen.stroke()
  }
}
