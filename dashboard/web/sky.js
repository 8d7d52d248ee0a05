// The sky behind the page: stars and constellations that turn slowly, now and then a shooting star, and one when a burst
// of changes comes.

import { colour, Sheet } from "./frames.js"
import * as orbits from "./orbits.js"

const SEED = 1999
const STARS = 220
const CONSTELLATIONS = 8
const SLOW = 8 // frames a second that are enough for stars, which go some pixels a second
const QUICK = 30

export class Sky {
  constructor(page, frames, canvas) {
    this.frames = frames
    this.sheet = new Sheet(canvas)
    this.stars = orbits.stars(SEED, STARS)
    this.constellations = orbits.constellations(SEED, CONSTELLATIONS)
    this.usual = null
    this.calledS = null
    canvas.sky = frames
    page.link.on("beat", ({ rates }) => this.hear(rates?.total ?? 0))
    addEventListener("resize", () => { this.fit(); frames.begin() })
    this.fit()
    frames.add(this)
  }

  hear(rate) {
    if (this.usual !== null && orbits.isBurst(rate, this.usual)) this.calledS = this.frames.timeS
    this.usual = orbits.usualNow(this.usual, rate)
  }

  fit() { this.sheet.fit(innerWidth, innerHeight) }

  hide(hidden) { this.sheet.canvas.hidden = hidden }

  get meteor() { return this.frames.moving ? orbits.meteor(SEED, this.frames.timeS, this.calledS) : null }

  perSecond() { return this.meteor === null ? SLOW : QUICK }

  draw() {
    this.ink ??= { star: colour("star"), thread: colour("thread") }
    const pen = this.sheet.clean()
    this.drawStars(pen)
    this.drawConstellations(pen)
    if (this.meteor !== null) this.drawMeteor(pen, this.meteor)
  }

  drawStars(pen) {
    const { width, height } = this.sheet
    pen.fillStyle = this.ink.star
    for (const star of this.stars) {
      const [x, y] = orbits.turned(star.at, this.frames.timeS, this.sheet)
      if (x < 0 || y < 0 || x > width || y > height) continue
      pen.globalAlpha = orbits.twinkle(star, this.frames.timeS)
      pen.fillRect(x, y, star.size, star.size)
    }
  }

  drawConstellations(pen) {
    pen.strokeStyle = this.ink.thread
    pen.lineWidth = 0.8
    for (const { points, lines } of this.constellations) {
      const places = points.map((point) => orbits.turned(point, this.frames.timeS, this.sheet))
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

  drawMeteor(pen, { head, tail, brightness }) {
    const [from, to] = [tail, head].map(([x, y]) => [x * this.sheet.width, y * this.sheet.height])
    const light = pen.createLinearGradient(...from, ...to)
    light.addColorStop(0, `${this.ink.star}00`)
    light.addColorStop(1, this.ink.star)
    pen.globalAlpha = brightness
    pen.strokeStyle = light
    pen.lineWidth = 1.8
    pen.beginPath()
    pen.moveTo(...from)
    pen.lineTo(...to)
    pen.stroke()
  }
}
