// The sky behind the page, in the cosmos look only: stars and constellations that turn, now and then a shooting star,
// and a planet for each view, as fast as the view changes; a ring goes out from it when rows of it are deleted. What it
// shows stands in the legend as text. It gives way to the page: 30 frames a second at most and fewer when the page is
// busy, none while it is hidden, and a single still one where less motion is asked for.

import { bdi, node } from "./dom.js"
import { lookNow } from "./looks.js"
import * as orbits from "./orbits.js"
import { badge, COLOURS, sprite } from "./planet_drawings.js"
import { rate } from "./words.js"

const SEED = 1999
const SHARPEST = 1.5 // device pixels per pixel, at most
const MOST_STARS = 220
const MOST_PLANETS = 24
const IN_LEGEND = 6
const NARROWEST = 70 // pixels, that planets need to go round
const MARGIN = 12

export class Sky {
  // `frames` and `busyMs` count what was drawn and the time it took, for those who measure.
  constructor(page, canvas) {
    this.canvas = canvas
    this.pen = canvas.getContext("2d")
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
    this.stars = orbits.stars(SEED, MOST_STARS)
    this.constellations = orbits.constellations(SEED, 8)
    this.planets = []
    this.rates = {}
    this.angles = new Map()
    this.pulses = new Map()
    this.usual = null
    this.calledS = null
    this.timeS = 0
    this.frames = 0
    this.busyMs = 0
    this.stage = null
    this.ground = node("div", { class: "stage", "aria-hidden": "true" })
    this.list = node("ul", {})
    this.el = node("footer", { class: "legend" }, node("h2", { class: "unseen" }, "Planets: changes a second by view"), this.list)
    canvas.sky = this
    page.link.on("beat", ({ rates }) => this.hear(rates?.views ?? null))
    addEventListener("resize", () => this.fit())
    addEventListener("scroll", () => this.stand(), { passive: true })
    this.around = new ResizeObserver(() => { this.stand(); this.drawSprites() })
    for (const [of, event] of [[document, "visibilitychange"], [document, "dbwatch-look"], [this.still, "change"]]) {
      of.addEventListener(event, () => this.begin())
    }
    this.fit()
    this.begin()
  }

  // What a second has brought: the rates by view and kind, null when they are not known.
  hear(views) {
    const now = Object.fromEntries(Object.entries(views ?? {}).map(([view, kinds]) => [view, Object.values(kinds).reduce((sum, n) => sum + n, 0)]))
    this.rates = now
    this.known = views !== null
    const placed = views !== null && this.place(views)
    const total = Object.values(now).reduce((sum, n) => sum + n, 0)
    if (this.usual !== null && orbits.isBurst(total, this.usual)) this.calledS = this.timeS
    this.usual = orbits.usualNow(this.usual, total)
    for (const [view, kinds] of Object.entries(views ?? {})) if (kinds.d) this.pulses.set(view, this.timeS)
    this.tell()
    if (placed && this.still.matches) this.begin()
  }

  // The busiest views have planets, when there are very many. Whether others have them now than before.
  place(views) {
    const names = Object.keys(views)
    const chosen = names.length <= MOST_PLANETS ? names : names.sort((a, b) => this.rates[b] - this.rates[a]).slice(0, MOST_PLANETS)
    const same = chosen.length === this.planets.length && this.planets.every(({ view }) => chosen.includes(view))
    if (same) return false
    this.planets = orbits.planets(chosen, COLOURS)
    this.angles = orbits.advanced(this.angles, this.planets, {}, 0)
    this.drawSprites()
    this.list.replaceChildren()
    return true
  }

  tell() {
    if (this.list.childElementCount !== Math.min(this.planets.length, IN_LEGEND + 1)) {
      this.said = this.planets.slice(0, IN_LEGEND).map((planet) => [planet.view, node("span", { class: "speed" })])
      this.list.replaceChildren(...this.said.map(([view, speed], i) => node("li", {}, badge(this.planets[i]), bdi(view), " ", speed)))
      const more = this.planets.length - IN_LEGEND
      if (more > 0) this.list.append(node("li", {}, `and ${more} more`))
    }
    for (const [view, speed] of this.said ?? []) {
      const text = this.known ? `${rate(this.rates[view] ?? 0)}/s` : "–"
      if (speed.textContent !== text) speed.textContent = text
    }
  }

  fit() {
    this.sharp = Math.min(devicePixelRatio, SHARPEST)
    this.window = { width: innerWidth, height: innerHeight }
    this.canvas.width = Math.round(this.window.width * this.sharp)
    this.canvas.height = Math.round(this.window.height * this.sharp)
    this.drawSprites()
    if (this.shown) this.draw(0)
  }

  // To be called once the page stands: what is beside the stage moves it, too.
  settle() { for (const beside of this.ground.parentElement.children) this.around.observe(beside) }

  // Where the planets go round: measured only when it can have moved, for measuring in every frame would cost layouts.
  stand() {
    const { x, y, width, height } = this.ground.getBoundingClientRect()
    this.stage = width < NARROWEST ? null : { x: x + MARGIN, y: y + MARGIN / 2, width: width - 2 * MARGIN, height: height - MARGIN }
    if (this.shown && this.still.matches) this.begin()
  }

  drawSprites() {
    const size = Math.min(12, Math.max(5, (this.stage?.height ?? 0) / 7)) * this.sharp
    const style = getComputedStyle(document.documentElement)
    this.ink = Object.fromEntries(["star", "thread", "sun"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))
    this.sprites = new Map(this.planets.map((planet) => [planet.view, sprite(planet, size * (0.75 + (orbits.hash(planet.view) % 50) / 100))]))
  }

  get shown() { return lookNow() === "cosmos" }

  // Begin anew, as the look, the visitor's wish for less motion and the window's being seen now ask for it.
  begin() {
    cancelAnimationFrame(this.next)
    this.canvas.hidden = this.el.hidden = !this.shown
    if (!this.shown || document.hidden) return
    if (this.still.matches) {
      this.draw(0)
      return
    }
    this.last = this.tick = performance.now()
    this.gapMs = 1000 / 60
    this.periodMs = 1000 / 30
    this.next = requestAnimationFrame((now) => this.run(now))
  }

  run(now) {
    if (this.still.matches) { // the event that tells it can come late
      this.begin()
      return
    }
    this.next = requestAnimationFrame((later) => this.run(later))
    this.gapMs += (Math.min(now - this.tick, 200) - this.gapMs) * 0.05
    this.tick = now
    if (now - this.last < this.periodMs - 4) return
    this.periodMs = orbits.periodFor(this.gapMs, this.periodMs)
    const seconds = Math.min((now - this.last) / 1000, 1)
    this.last = now
    this.draw(seconds)
  }

  draw(seconds) {
    const began = performance.now()
    this.timeS += seconds
    this.angles = orbits.advanced(this.angles, this.planets, this.rates, seconds)
    this.pen.setTransform(1, 0, 0, 1, 0, 0)
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height)
    this.pen.scale(this.sharp, this.sharp)
    this.drawStars()
    this.drawConstellations()
    this.drawMeteor()
    if (this.stage !== null) this.drawOrbits()
    this.frames += 1
    this.busyMs += performance.now() - began
  }

  drawStars() {
    const { pen } = this
    pen.fillStyle = this.ink.star
    for (const star of this.stars) {
      const [x, y] = orbits.turned(star.at, this.timeS, this.window)
      if (x < 0 || y < 0 || x > this.window.width || y > this.window.height) continue
      pen.globalAlpha = orbits.twinkle(star, this.timeS)
      pen.fillRect(x, y, star.size, star.size)
    }
  }

  drawConstellations() {
    const { pen } = this
    pen.strokeStyle = this.ink.thread
    pen.lineWidth = 0.8
    for (const { points, lines } of this.constellations) {
      const places = points.map((point) => orbits.turned(point, this.timeS, this.window))
      pen.globalAlpha = 0.26
      pen.beginPath()
      for (const [from, to] of lines) {
        pen.moveTo(...places[from])
        pen.lineTo(...places[to])
      }
      pen.stroke()
      pen.globalAlpha = 0.9
      pen.fillStyle = this.ink.star
      for (const [x, y] of places) pen.fillRect(x - 1, y - 1, 2.2, 2.2)
    }
  }

  drawMeteor() {
    if (this.still.matches) return
    const seen = orbits.meteor(SEED, this.timeS, this.calledS)
    if (seen === null) return
    const [head, tail] = [seen.head, seen.tail].map(([x, y]) => [x * this.window.width, y * this.window.height])
    const light = this.pen.createLinearGradient(...tail, ...head)
    light.addColorStop(0, `${this.ink.star}00`)
    light.addColorStop(1, this.ink.star)
    this.pen.globalAlpha = seen.brightness
    this.pen.strokeStyle = light
    this.pen.lineWidth = 1.8
    this.pen.beginPath()
    this.pen.moveTo(...tail)
    this.pen.lineTo(...head)
    this.pen.stroke()
  }

  drawOrbits() {
    const { pen } = this
    pen.strokeStyle = this.ink.thread
    pen.lineWidth = 1
    pen.globalAlpha = 0.3
    for (const planet of this.planets) {
      const { x, y, rx, ry } = orbits.orbitOf(planet, this.stage)
      pen.beginPath()
      pen.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI)
      pen.stroke()
    }
    const places = this.planets.map((planet) => [planet, orbits.placeOf(planet, this.angles.get(planet.view), this.stage)])
    for (const [planet, place] of places) if (place.near < 0.5) this.drawPlanet(planet, place)
    this.drawSun()
    for (const [planet, place] of places) if (place.near >= 0.5) this.drawPlanet(planet, place)
  }

  drawSun() {
    const { pen, stage } = this
    const [x, y, reach] = [stage.x + stage.width / 2, stage.y + stage.height / 2, stage.height * 0.42]
    const light = pen.createRadialGradient(x, y, 0, x, y, reach)
    light.addColorStop(0, this.ink.star)
    light.addColorStop(0.22, this.ink.sun)
    light.addColorStop(1, `${this.ink.sun}00`)
    pen.globalAlpha = 1
    pen.fillStyle = light
    pen.fillRect(x - reach, y - reach, 2 * reach, 2 * reach)
  }

  drawPlanet(planet, { x, y, near }) {
    const { canvas, reach } = this.sprites.get(planet.view)
    const size = ((0.7 + 0.3 * near) * reach) / this.sharp
    this.pen.globalAlpha = 1
    this.pen.drawImage(canvas, x - size, y - size, 2 * size, 2 * size)
    this.drawPulse(planet, x, y, size / 2.6)
  }

  drawPulse(planet, x, y, radius) {
    if (!this.pulses.has(planet.view) || this.still.matches) return
    const ring = orbits.pulse(this.timeS - this.pulses.get(planet.view))
    if (ring === null) return
    this.pen.globalAlpha = ring.brightness
    this.pen.strokeStyle = this.ink.star
    this.pen.lineWidth = 1.5
    this.pen.beginPath()
    this.pen.arc(x, y, radius * ring.reach * 1.2, 0, 2 * Math.PI)
    this.pen.stroke()
  }
}
