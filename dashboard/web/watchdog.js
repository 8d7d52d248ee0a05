// Sees when the server falls silent, and loads the page anew once it can serve again.

const LOST_AFTER_MS = 3500
const NEVER_HEARD_AFTER_MS = 20_000 // scripts are loaded and a connection is made before the first word
const TRIES = "dbwatch-tries"

export class Watchdog {
  constructor(onLost) {
    this.heard = performance.now()
    this.onLost = onLost
    this.lost = false
    this.patienceMs = NEVER_HEARD_AFTER_MS
    this.timer = setInterval(() => this.look(), 1000)
  }

  hear() {
    this.heard = performance.now()
    this.lost = false
    this.patienceMs = LOST_AFTER_MS
    sessionStorage.removeItem(TRIES)
  }

  async look() {
    const silentMs = performance.now() - this.heard
    if (silentMs < this.patienceMs) return
    if (!this.lost) {
      this.lost = true
      this.lostAt = performance.now()
      this.onLost(Date.now() - silentMs)
      return
    }
    const tries = Number(sessionStorage.getItem(TRIES) ?? 0)
    if (this.asking || performance.now() - this.lostAt < Math.min(60, 2 ** tries) * 1000) return
    this.asking = true
    try {
      const answer = await fetch("./healthz", { cache: "no-store", redirect: "error" })
      if (answer.ok && this.lost) {
        sessionStorage.setItem(TRIES, String(tries + 1))
        location.reload()
      }
    } catch { /* still away */ } finally {
      this.asking = false
    }
  }

  end() { clearInterval(this.timer) }
}
