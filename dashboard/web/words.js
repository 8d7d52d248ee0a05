// Figures and moments in words.

export const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })
export const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false })

export const count = (n) => n.toLocaleString()
export const rate = (n) => (n === 0 ? "0" : n.toLocaleString(undefined, { maximumFractionDigits: n < 10 ? 1 : 0 }))
export const milliseconds = (n) => (n >= 10000 ? `${rate(n / 1000)} s` : `${rate(n)} ms`)

// How long, in the unit that says it best.
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 90) return `${s} s`
  if (s < 5400) return `${Math.round(s / 60)} min`
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`
}

export const ago = (sinceMs, nowMs) => duration(nowMs - sinceMs)
