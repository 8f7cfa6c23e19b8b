// --- tables ---

function shownCell(cell, kind) {
  return kind === "text" || kind === "count" ? String(cell ?? "–") : kind === "difference" ? signed(cell) : fixed(cell);
}

function columnsOf(table, first = (row) => row[0]) {
  return table.columns.map(({ title, kind }, index) => ({
    title, text: kind === "text", value: (row) => row[index],
    cell: (row) => (index ? shownCell(row[index], kind) : first(row)),
  }));
}

function plainTable({ title, columns, rows }) {
  const head = columns.map((column) => element("th", { scope: "col", class: column.kind === "text" ? "text" : null },
    column.title));
  const body = rows.map((row) => element("tr", {}, element("th", { scope: "row" }, row[0]),
    ...row.slice(1).map((cell, index) => element("td", {}, shownCell(cell, columns[index + 1].kind)))));
  return scrollable(title, element("table", {}, element("caption", {}, title),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
}

// --- plots ---

const kinds = [...new Set(data.curves.map(({ kind }) => kind))];

function lineClass({ kind, model }) {
  return `kind-${kinds.indexOf(kind)}${model ? " other" : ""}`;
}

// AP at each IoU, a line for each kind; of the second results dashed.
function iouPlot() {
  const width = plotWidth(), height = 320, left = 48, right = 16, top = 14, bottom = 46;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "AP by IoU; the table below holds the same values" });
  const most = Math.max(0.1, Math.ceil(10 * Math.max(0, ...data.curves.flatMap(({ values }) => values))) / 10);
  const [low, high] = [data.ious[0], data.ious[data.ious.length - 1]];
  const x = (iou) => left + (iou - low) / (high - low) * (width - left - right);
  const y = (value) => height - bottom - value / most * (height - top - bottom);
  const { ticks, decimals } = niceTicks(0, most, 5);
  for (const tick of ticks) {
    picture.append(drawn("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" }),
      drawn("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end", class: "quiet" }, tick.toFixed(decimals)));
  }
  data.ious.forEach((iou, index) => {
    if (index % (width < 500 ? 3 : 1)) return;
    picture.append(drawn("text", { x: x(iou), y: height - bottom + 18, "text-anchor": "middle" }, iou.toFixed(2)));
  });
  for (const curve of data.curves) {
    const seen = curve.values.map((value, index) => [value, data.ious[index]]).filter(([value]) => value !== null);
    picture.append(drawn("polyline", { points: seen.map(([value, iou]) => `${x(iou)},${y(value)}`).join(" "),
      class: `curve ${lineClass(curve)}` }));
    for (const [value, iou] of seen) {
      const dot = drawn("circle", { cx: x(iou), cy: y(value), r: 3, class: `dot ${lineClass(curve)}` });
      dot.append(drawn("title", {}, `${curve.title}, IoU ${iou.toFixed(2)}: ${fixed(value)}`));
      picture.append(dot);
    }
  }
  picture.append(drawn("line", { x1: left, x2: width - right, y1: y(0), y2: y(0), class: "axis" }),
    drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", class: "quiet" },
      "IoU from which on a detection is right"));
  return picture;
}

function curveKey() {
  return element("ul", { class: "key" }, ...data.curves.map((curve) => {
    const line = element("span", { class: curve.model ? "line other" : "line" });
    line.style.color = ["var(--first)", "var(--second)", "#009e73"][kinds.indexOf(curve.kind)];
    return element("li", {}, line, curve.title);
  }));
}

function iouTable() {
  return plainTable({
    title: "AP by IoU",
    columns: [{ title: "IoU", kind: "text" }, ...data.curves.map(({ title }) => ({ title, kind: "value" }))],
    rows: data.ious.map((iou, index) => [iou.toFixed(2), ...data.curves.map(({ values }) => values[index])]),
  });
}

// --- pictures ---

function boxes(objects, [height, width]) {
  const layer = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  for (const { kind, words, box } of objects) {
    if (!box) continue;
    const [x, y, wide, tall] = box;
    const made = drawn("rect", { x, y, width: wide, height: tall, stroke: data.colours[kind] });
    made.append(drawn("title", {}, words));
    layer.append(made);
  }
  return layer;
}

function pictureCard(picture, number) {
  const views = linkedViews(picture.size, picture.spots);
  const panels = picture.panels.map(({ title, masks, objects }) => {
    const counts = Object.keys(data.colours).map((kind) => [kind, objects.filter((one) => one.kind === kind).length]);
    const layers = [picture.photo, masks].filter(Boolean).map((source, index) =>
      element("img", { src: source, alt: index ? "" : `${title} of ${picture.name}`, draggable: "false" }));
    const view = views.view(title, [...layers, boxes(objects, picture.size)]);
    view.classList.toggle("plain", !picture.photo);
    return element("figure", {}, view, element("figcaption", {}, title, element("br"),
      ...counts.filter(([, count]) => count).map(([kind, count]) => element("strong", {}, `${count} ${kind}`))));
  });
  // Two results' panels stand below one another, so that they can be compared.
  const columns = panels.length > 2 ? [0, 2].map((at) => element("div", {}, ...panels.slice(at, at + 2))) : panels;
  if (picture.photo) {
    columns.unshift(element("figure", {}, views.view("image", [element("img", { src: picture.photo, draggable: "false",
      alt: `image ${picture.name}` })]), element("figcaption", {}, "image")));
  }
  const card = element("article", { id: `picture-${number}`, "aria-labelledby": `picture-${number}-title` },
    element("h3", { id: `picture-${number}-title`, tabindex: "-1" }, picture.name),
    element("p", { class: "quiet" }, picture.heading), views.controls, element("div", { class: "panels" }, ...columns));
  views.start();
  return card;
}

// --- the page ---

const links = element("ul");
page.append(element("header", {}, element("h1", {}, data.title), ...data.about.map((line) => element("p", { class: "quiet" }, line)),
  element("nav", { "aria-label": "Sections" }, links)));

section("overall", "Overall").append(...data.overall.flatMap((table) => [plainTable(table), element("p", {})]),
  ...data.notes.map((line) => element("p", { class: "note" }, line)));

const plot = element("div");
let drawnFor = 0;
function redraw() {
  if (plotWidth() === drawnFor) return;
  drawnFor = plotWidth();
  plot.replaceChildren(iouPlot());
}
redraw();
addEventListener("resize", redraw);
section("by-iou", "AP by IoU").append(plot, curveKey(), iouTable());

section("classes", "By class").append(...sortableTable(data.classes.title, columnsOf(data.classes), data.classes.rows).nodes);

const pictureOf = new Map(data.pictures.map(({ name }, index) => [name, index]));
if (data.pictures.length) {
  section("pictures", "Worst images").append(
    element("p", { class: "note" }, "The images with the lowest F1 at IoU 0.5, with the detections from the score on that "
      + "the notes above name. Point at a box to see what it is; click into a picture to enlarge that place in all of its "
      + "panels, drag to move."),
    element("ul", { class: "key" }, ...data.key.map(({ colour, words }) => element("li", {}, swatch(colour), words))),
    ...data.pictures.map(pictureCard));
}

const linked = ([name]) => (pictureOf.has(name) ? element("a", { href: `#picture-${pictureOf.get(name)}` }, name) : name);
const imageTable = sortableTable(data.images.title, columnsOf(data.images, linked), data.images.rows);
const search = element("input", { type: "search", id: "search", oninput: (event) => {
  const wanted = event.target.value.toLowerCase();
  imageTable.keep(([name]) => name.toLowerCase().includes(wanted));
} });
section("images", "By image").append(element("label", { class: "controls" }, "Name contains", search), ...imageTable.nodes);

if (data.failed.length) {
  section("failed", "Could not be scored").append(element("ul", {}, ...data.failed.map(({ name, why }) =>
    element("li", {}, element("strong", {}, name), `: ${why}`))));
}
if (data.skipped.length) {
  section("skipped", "Left out").append(element("ul", {}, ...data.skipped.map((line) => element("li", {}, line))));
}

for (const { id, firstChild } of page.querySelectorAll("section")) {
  links.append(element("li", {}, element("a", { href: `#${id}` }, firstChild.textContent)));
}
