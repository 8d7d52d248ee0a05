// What can be written in a filter, by examples that are put into the field when they are clicked.

import { button, node } from "./dom.js"
import { Popup } from "./popup.js"

const EXAMPLES = [
  ["matrix", "a text anywhere in the row"],
  ['"the matrix"', "a text with a space"],
  ["view:comments", "one view"],
  ["op:deleted", "created, updated, deleted or read"],
  ["imdb.rating > 8", "a field: = != < <= > >="],
  ["title ~ matrix", "a field that holds a text; !~ does not"],
  ["genres = Drama", "an array that holds a value"],
  ["released >= 1999-03-01", "a time, or a day"],
  ["user.name != null", "a field that is there and not null"],
  ["poster exists", "a field that is there"],
  ["changed:title", "updates of one field"],
  ["cause:movie", "what a change of a joined row caused; cause:none"],
  ["key:573a1390f29313caabcd42e8", "one row"],
  ["view:movies (year < 1930 or year > 2020)", "both; or; not and - turn round"],
]

export class FilterHelp {
  // `use` gets the text of an example.
  constructor(use) {
    const examples = EXAMPLES.map(([text, words]) =>
      node("li", {}, button(node("code", {}, text), () => { this.popup.close(); use(text) }), node("span", {}, words)))
    this.popup = new Popup({ symbol: "question", label: "Help with filters", short: "Help", el: node("div", { class: "filter-help" },
      node("p", {}, "Conditions beside each other must all hold. Click one to begin with it; Enter applies it."),
      node("ul", {}, ...examples),
      node("p", {}, "A click on a value in a row adds it; with Alt it is left out.")) })
    this.el = this.popup.el
  }
}
