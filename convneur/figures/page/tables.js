// --- tables ---

const ROWS = 100; // of a long table, until all are asked for

// columns: {title, text, value(row), cell(row)}; the first names the row. Cells are text or nodes.
function sortableTable(caption, columns, rows) {
  const body = element("tbody");
  const heads = columns.map((column, index) =>
    element("th", { scope: "col", class: column.text ? "text" : null, "aria-sort": "none" },
      element("button", { type: "button", onclick: () => sortBy(index) }, column.title)));
  const more = element("button", { type: "button", onclick: () => { limit = Infinity; fill(); } });
  const table = element("table", { class: "sortable" }, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads)), body);
  let limit = ROWS, order = rows.slice(), kept = () => true;

  function sortBy(index) {
    const falling = heads[index].getAttribute("aria-sort") === (columns[index].text ? "ascending" : "none");
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== index ? "none" : falling ? "descending" : "ascending"));
    const value = columns[index].value, sign = falling ? -1 : 1;
    order = rows.slice().sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null); // undefined figures last, either way
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    });
    fill();
  }

  function fill() {
    const all = order.filter(kept);
    body.replaceChildren(...all.slice(0, limit).map((row) => element("tr", {}, ...columns.map((column, index) =>
      index === 0 ? element("th", { scope: "row" }, column.cell(row))
        : element("td", { class: column.text ? "text" : null }, column.cell(row))))));
    more.textContent = `Show all ${all.length}`;
    more.hidden = all.length <= limit;
  }

  fill();
  const nodes = [scrollable(caption, table), element("div", { class: "controls" }, more)];
  return { nodes, keep(test) { kept = test; fill(); } };
}

function swatch(colour) {
  const made = element("span", { class: "swatch" });
  made.style.background = colour;
  return made;
}

// As wide as there is room for, so that type in a plot is as large as elsewhere.
function plotWidth() {
  return Math.max(280, Math.min(860, page.clientWidth - 32));
}
