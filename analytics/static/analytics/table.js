// The numbers of a chart as a table: for who reads numbers, and for screen readers.

/** A cell is a text, or `{text, href}`. All but the first column are numbers unless said. */
export function tableOf({ caption, headers, rows, numeric = true }) {
  const head = element(
    "tr",
    headers.map((text) => element("th", [text], { scope: "col" })),
  );
  const table = element("table", [
    element("caption", [caption]),
    element("thead", [head]),
    element(
      "tbody",
      rows.map((row) => element("tr", row.map(cell))),
    ),
  ]);
  table.classList.toggle("lb-numeric", numeric);
  return table;
}

export function element(name, children = [], attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A name of unfold's font of icons, whose words nobody is to hear. */
export function iconOf(name) {
  return element("span", [name], { class: "material-symbols-outlined", "aria-hidden": "true" });
}

export function link(text, href) {
  return element("a", [text], { href, class: "text-link" });
}

function cell(value, index) {
  const content = typeof value === "object" ? link(value.text, value.href) : value;
  return index ? element("td", [content]) : element("th", [content], { scope: "row" });
}
