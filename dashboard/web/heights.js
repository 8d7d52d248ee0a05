// How high the bars of the timeline are: by the square root, so that 1 and 5,000 a second are both seen. Changes set the
// scale; the first read, a thousand times as much, goes beyond it and is cut off, unless there is nothing else. Pure.

const LEAST = 0.05 // of a bar in which anything was written

const sum = (numbers) => numbers.reduce((all, n) => all + n, 0)

// Of bars, each a count by kind, of which `changing` are changes: `bars`, each with `parts`, the heights by kind, 1 in all at the top of the scale, and
// whether it is `cut`; what is `highest`, whether that is `ofChanges`, and how much the highest that is `cut` holds, else 0.
export function heights(all, changing) {
  const totals = all.map((sums) => sum(Object.values(sums)))
  const changes = Math.max(0, ...all.map((sums) => sum(changing.map((kind) => sums[kind] ?? 0))))
  const highest = changes || Math.max(0, ...totals)
  const bars = all.map((sums, n) => {
    const total = totals[n]
    const height = total ? Math.min(1, Math.max(LEAST, Math.sqrt(total / highest))) : 0
    return { parts: Object.fromEntries(Object.entries(sums).map(([kind, count]) => [kind, total ? (height * count) / total : 0])), cut: total > highest }
  })
  return { bars, highest, ofChanges: changes > 0, cut: Math.max(0, ...totals.filter((total) => total > highest)) }
}
