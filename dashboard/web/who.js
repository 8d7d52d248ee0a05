// Who is signed in, as what, and the way out. What a role may do is decided on the server; here it is only shown.

import { bdi, button, icon, node } from "./dom.js"

async function signOut() {
  const xsrf = document.cookie.split("; ").find((c) => c.startsWith("_xsrf="))?.slice(6) ?? ""
  const proof = { "X-XSRFToken": decodeURIComponent(xsrf.replace(/^"|"$/g, "")) }
  let next = "./login"
  try {
    const left = await fetch("./logout", { method: "POST", headers: proof })
    if (left.redirected) next = left.url
  } finally {
    location.replace(next)
  }
}

export class Who {
  constructor(page, audit) {
    this.page = page
    this.audit = audit
    this.el = node("div", { class: "who" })
    page.link.on("visitor", ({ name, role }) => this.show({ name, role }))
  }

  show(visitor) {
    const { role: before } = this.page.visitor
    this.page.visitor = visitor
    if (before && before !== visitor.role) this.page.say(`Your role is now ${visitor.role}.`)
    const admin = visitor.role === "admin"
    if (!admin) this.audit.close()
    if (before === visitor.role && this.el.childElementCount) return
    this.el.replaceChildren(
      ...(admin ? [button(icon("audit"), () => this.audit.open(), { class: "tool", "aria-label": "Audit", title: "Audit: who did what" })] : []),
      node("span", { class: "visitor", title: `${visitor.name}, ${visitor.role}` },
        bdi(visitor.name, "name"), node("small", { class: "role" }, visitor.role)),
      button(icon("out"), signOut, { class: "tool", "aria-label": "Sign out", title: "Sign out" }))
  }
}
