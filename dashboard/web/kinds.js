// The kinds of records, as they are counted and shown.

export const KINDS = [
  { kind: "c", title: "created", table: "created" },
  { kind: "u", title: "updated", table: "updated" },
  { kind: "caused", title: "re-joined", table: "updated" },
  { kind: "d", title: "deleted", table: "deleted" },
  { kind: "r", title: "first read", table: null },
]
