// How the planets look, drawn once each: on the sky, and in its legend.

import { drawing } from "./dom.js"
import { colour } from "./frames.js"

export const COLOURS = 8

// A planet of a radius on a canvas of its own, in device pixels; `reach` is half the canvas's width.
export function sprite(planet, radius) {
  const reach = Math.ceil(radius * 2.6)
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = 2 * reach
  const pen = canvas.getContext("2d")
  const ink = colour(`planet-${planet.colour}`)
  pen.translate(reach, reach)
  glow(pen, ink, radius, reach)
  if (planet.pattern === "ring") ring(pen, ink, radius, Math.PI, 2 * Math.PI)
  ball(pen, planet, ink, radius)
  if (planet.pattern === "ring") ring(pen, ink, radius, 0, Math.PI)
  if (planet.pattern === "moon") disc(pen, ink, radius * 1.55, -radius * 0.9, radius * 0.28)
  return { canvas, reach }
}

// The same planet for the legend.
export function badge(planet) {
  const fill = `fill: var(--planet-${planet.colour})`
  const line = `fill: none; stroke: var(--planet-${planet.colour}); stroke-width: 1.6`
  const parts = [drawing("circle", { cx: 8, cy: 8, r: planet.pattern === "plain" ? 5.5 : 4.5, style: fill })]
  if (planet.pattern === "ring") parts.push(drawing("ellipse", { cx: 8, cy: 8, rx: 7.4, ry: 2.4, transform: "rotate(-18 8 8)", style: line }))
  if (planet.pattern === "moon") parts.push(drawing("circle", { cx: 14, cy: 3, r: 1.7, style: fill }))
  if (planet.pattern === "bands") {
    parts.push(drawing("path", { d: "M4 6.6h8M3.7 9.4h8.6", style: "stroke: var(--sky); stroke-width: 1.3" }))
  }
  return drawing("svg", { class: "badge", viewBox: "0 0 16 16", "aria-hidden": "true" }, ...parts)
}

function glow(pen, ink, radius, reach) {
  const light = pen.createRadialGradient(0, 0, radius * 0.8, 0, 0, reach)
  light.addColorStop(0, `${ink}90`)
  light.addColorStop(1, `${ink}00`)
  pen.fillStyle = light
  pen.fillRect(-reach, -reach, 2 * reach, 2 * reach)
}

function ball(pen, planet, ink, radius) {
  disc(pen, ink, 0, 0, radius)
  pen.save()
  pen.beginPath()
  pen.arc(0, 0, radius, 0, 2 * Math.PI)
  pen.clip()
  if (planet.pattern === "bands") {
    pen.fillStyle = "#00000040"
    for (const y of [-0.55, -0.05, 0.4]) pen.fillRect(-radius, y * radius, 2 * radius, radius * 0.24)
  }
  const night = pen.createRadialGradient(-radius * 0.5, -radius * 0.5, radius * 0.3, 0, 0, radius * 1.15)
  night.addColorStop(0, "#00000000")
  night.addColorStop(1, "#00000088")
  pen.fillStyle = night
  pen.fillRect(-radius, -radius, 2 * radius, 2 * radius)
  pen.restore()
}

function ring(pen, ink, radius, from, to) {
  pen.strokeStyle = `${ink}d0`
  pen.lineWidth = Math.max(1, radius * 0.2)
  pen.beginPath()
  pen.ellipse(0, 0, radius * 1.8, radius * 0.5, -0.3, from, to)
  pen.stroke()
}

function disc(pen, ink, x, y, radius) {
  pen.fillStyle = ink
  pen.beginPath()
  pen.arc(x, y, radius, 0, 2 * Math.PI)
  pen.fill()
}
