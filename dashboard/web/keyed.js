// Draws items in their order and keeps the element of each, so that focus and selection stay where they are.
export function keyed(parent, items, keyOf, make, show) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  const active = parent.contains(document.activeElement) ? document.activeElement : null
  const now = items.map((item) => {
    const key = keyOf(item)
    const child = before.get(key) ?? make(item)
    child.dataset.key = key
    show(child, item)
    return child
  })
  const same = now.length === parent.children.length && now.every((child, i) => child === parent.children[i])
  if (same) return
  parent.replaceChildren(...now)
  if (active?.isConnected) active.focus({ preventScroll: true })
}
