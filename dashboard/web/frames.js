// When the sky is drawn: in the cosmos look, while the page is seen, so often as its parts ask for and less when the page
// is busy; a single still frame where less motion is asked for.

import { lookNow } from "./looks.js"
import { slowdown } from "./orbits.js"

const JUDGED_EVERY_MS = 500

export class Frames {
  // `frames` and `busyMs` count what was drawn and the time that took, for those who measure.
  constructor() {
    this.still = matchMedia("(prefers-reduced-motion: reduce)")
    this.parts = []
    this.timeS = 0
    this.frames = 0
    this.busyMs = 0
    this.slower = 1
    for (const [target, event] of [[document, "visibilitychange"], [document, "dbwatch-look"], [this.still, "change"]]) {
      target.addEventListener(event, () => this.begin())
    }
  }

  get shown() { return lookNow() === "cosmos" }

  get moving() { return !this.still.matches }

  // A part has `draw(seconds since it was drawn)` and `perSecond()`, how often it is to be drawn now.
  add(part) {
    this.parts.push(part)
    this.begin()
  }

  // Begin anew, as the look, the wish for less motion and the page's being seen ask for it now.
  begin() {
    cancelAnimationFrame(this.next)
    for (const part of this.parts) part.hide(!this.shown)
    if (!this.shown || document.hidden) return
    for (const part of this.parts) this.draw(part, 0)
    if (!this.moving) return
    this.tick = this.judged = performance.now()
    this.gapMs = 1000 / 60
    for (const part of this.parts) part.last = this.tick
    this.next = requestAnimationFrame((now) => this.run(now))
  }

  run(now) {
    if (!this.moving) { // the event that tells it can come late
      this.begin()
      return
    }
    this.next = requestAnimationFrame((later) => this.run(later))
    const gapMs = Math.max(0, now - this.tick)
    this.tick = now
    this.timeS += Math.min(gapMs, 1000) / 1000
    this.judge(now, gapMs)
    for (const part of this.parts) {
      if (now - part.last < (1000 / part.perSecond()) * this.slower - 4) continue
      this.draw(part, Math.min((now - part.last) / 1000, 1))
      part.last = now
    }
  }

  judge(now, gapMs) {
    this.gapMs += (Math.min(gapMs, 200) - this.gapMs) * 0.05
    if (now - this.judged < JUDGED_EVERY_MS) return
    this.judged = now
    this.slower = slowdown(this.gapMs, this.slower)
  }

  draw(part, seconds) {
    const began = performance.now()
    part.draw(seconds)
    this.frames += 1
    this.busyMs += performance.now() - began
  }
}

const SHARPEST = 1.5 // device pixels per pixel, at most

// A canvas as large as its place, ready to be drawn on in pixels of the page.
export class Sheet {
  constructor(canvas) {
    this.canvas = canvas
    this.pen = canvas.getContext("2d")
    this.width = this.height = 0
    this.sharp = 1
  }

  fit(width, height) {
    this.sharp = Math.min(devicePixelRatio, SHARPEST)
    this.width = width
    this.height = height
    this.canvas.width = Math.round(width * this.sharp)
    this.canvas.height = Math.round(height * this.sharp)
  }

  clean() {
    this.pen.setTransform(1, 0, 0, 1, 0, 0)
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height)
    this.pen.scale(this.sharp, this.sharp)
    return this.pen
  }
}

// The colour of a variable of the theme.
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
