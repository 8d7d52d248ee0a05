// Puts a text into the clipboard; whether that worked. Also where the page is not served securely, and browsers have no
// clipboard for it.

import { node } from "./dom.js"

export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = node("textarea", { class: "unseen", "aria-hidden": "true" })
    field.value = text
    document.body.append(field)
    const had = document.activeElement
    field.select()
    const done = document.execCommand("copy")
    field.remove()
    had?.focus()
    return done
  }
}
