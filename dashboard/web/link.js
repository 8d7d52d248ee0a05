// The way to the server: questions and their answers, and messages by type. It stands before the connection does, so
// that the page can be drawn at once; what is asked before then waits.

export class Link {
  constructor() {
    this.handlers = new Map()
    this.asked = new Map()
    this.next = 1
    this.waiting = []
    this.send = (message) => this.waiting.push(message)
    this.on("answer", ({ to, value }) => this.settle(to, (question) => question.resolve(value)))
    this.on("failed", ({ to, message }) => this.settle(to, (question) => question.reject(new Error(message))))
    this.on("progress", ({ to, value }) => this.asked.get(to)?.progress?.(value))
  }

  connected({ send, hear }) {
    this.send = send
    hear((text) => {
      const message = JSON.parse(text)
      for (const handler of this.handlers.get(message.type) ?? []) handler(message)
      for (const handler of this.handlers.get("*") ?? []) handler(message)
    })
    for (const message of this.waiting.splice(0)) send(message)
  }

  // "*" hears everything, after those of its type.
  on(type, handler) {
    if (!this.handlers.has(type)) this.handlers.set(type, [])
    this.handlers.get(type).push(handler)
  }

  // Rejects with an error whose message is a line for people. `signal` aborts, here and on the server.
  ask(what, args = {}, { progress, signal } = {}) {
    const number = this.next++
    return new Promise((resolve, reject) => {
      if (signal?.aborted) { reject(signal.reason); return }
      this.asked.set(number, { resolve, reject, progress })
      signal?.addEventListener("abort", () => {
        if (!this.asked.delete(number)) return
        this.send({ cancel: number })
        reject(signal.reason)
      })
      this.send({ ask: number, what, args })
    })
  }

  // The connection has broken: nothing that was asked will be answered.
  broken() {
    for (const number of [...this.asked.keys()]) {
      this.settle(number, (question) => question.reject(new Error("the connection to the server has broken; try again")))
    }
  }

  settle(number, how) {
    const question = this.asked.get(number)
    this.asked.delete(number)
    if (question) how(question)
  }
}
