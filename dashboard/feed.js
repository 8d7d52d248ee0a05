// Ties Bokeh's connection to the page, whose own modules draw it (see dashboard/web/main.js). They are not imported here:
// Panel's loader would make second ones.

function drawn() {
  if (window.dbwatch) return Promise.resolve(window.dbwatch)
  return new Promise((resolve) => document.addEventListener("dbwatch", () => resolve(window.dbwatch), { once: true }))
}

export async function render({ model }) {
  const page = await drawn()
  page.connected({
    send: (message) => model.send_msg(message),
    hear: (handler) => model.on("msg:custom", handler),
    ended: (handler) => model.on("remove", handler),
    visitor: { name: model.visitor, role: model.role },
  })
  return document.createElement("div")
}
