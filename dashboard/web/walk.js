// From row to row by the arrow keys, in whatever has rows of records: one stop of the Tab key for each table, not one
// for each row.

const ROW = "tr[data-address], tr[data-group]"

// What of a row takes the focus: the row, or the button that opens a fan-out.
const handle = (row) => (row.matches("[data-group]") ? row.querySelector("button") : row)

export function walk(root) {
  root.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return
    const scroller = event.target.closest?.(".scroller")
    const row = event.target.closest?.(ROW)
    if (!scroller || (event.target !== scroller && !(row && event.target === handle(row)))) return
    const next = goal(event.key, scroller, row)
    if (!next) return
    event.preventDefault()
    if (next === scroller) {
      scroller.focus({ preventScroll: true })
      return
    }
    handle(next).focus({ preventScroll: true })
    next.scrollIntoView({ block: "nearest" })
  })
}

function goal(key, scroller, row) {
  const rows = scroller.querySelectorAll(ROW)
  switch (key) {
    case "ArrowDown": return row ? beside(row, "nextElementSibling") : rows[0]
    case "ArrowUp": return row ? beside(row, "previousElementSibling") : null
    case "Home": return row && rows[0]
    case "End": return row && rows[rows.length - 1]
    case "Escape": return row && scroller
    default: return null
  }
}

function beside(row, side) {
  let next = row[side]
  while (next && !next.matches(ROW)) next = next[side]
  return next
}
