// --- tables ---

function figureColumns() {
  return data.figures.map((figure, index) => ({
    title: figure.short,
    value: (row) => row.values[index],
    cell: (row) => fixed(row.values[index], figure.decimals),
  }));
}

function overallTable() {
  const compared = data.comparison;
  const heads = compared
    ? ["metric", ...data.models, "difference", `${compared.level} interval`, "definition"]
    : ["metric", "value", "definition"];
  const rows = data.figures.map((figure, index) => {
    const cells = [element("td", {}, fixed(data.overall[index], figure.decimals))];
    if (compared) {
      const found = compared.overall[index];
      cells[0].textContent = fixed(found.value, figure.decimals);
      cells.push(element("td", {}, fixed(found.against, figure.decimals)),
        element("td", {}, signed(found.difference, figure.decimals)),
        element("td", {}, interval(found, figure)));
    }
    const better = figure.lower ? "; less is better" : "";
    return element("tr", {}, element("th", { scope: "row" }, figure.name), ...cells,
      element("td", { class: "words" }, figure.definition + better));
  });
  const head = heads.map((title, index) => element("th", { scope: "col", class: index % (heads.length - 1) ? null : "text" },
    title));
  return scrollable("Overall figures",
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}

function interval(found, figure) {
  return found.low === null ? "–" : `${signed(found.low, figure.decimals)} to ${signed(found.high, figure.decimals)}`;
}

// --- plots ---

function figurePicker(label, change) {
  const options = data.figures.map((figure, index) => element("option", { value: index }, figure.name));
  const select = element("select", { onchange: (event) => change(Number(event.target.value)) }, ...options);
  const chosen = Math.max(data.figures.findIndex((figure) => figure.chosen), 0);
  select.value = chosen;
  change(chosen);
  let width = plotWidth();
  addEventListener("resize", () => {
    if (plotWidth() === width) return;
    width = plotWidth();
    change(Number(select.value));
  });
  return element("label", { class: "controls" }, label, select);
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1), below = Math.floor(at);
  return sorted[below] + (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]) * (at - below);
}

function histogram(figure, series) {
  const width = plotWidth(), height = 240, left = 44, right = 16, top = 14, bottom = 46;
  const all = series.flatMap((one) => one.values);
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
  if (!all.length) return element("p", {}, "No image has a value.");
  let low = Math.min(...all), high = Math.max(...all);
  if (high === low) [low, high] = [low - 0.5, high + 0.5];
  const bins = Math.max(6, Math.min(30, Math.ceil(2 * Math.sqrt(series[0].values.length))));
  const counts = series.map(({ values }) => {
    const found = new Array(bins).fill(0);
    for (const value of values) found[Math.min(bins - 1, Math.floor((value - low) / (high - low) * bins))]++;
    return found;
  });
  const most = Math.max(...counts.flat());
  const x = (value) => left + (value - low) / (high - low) * (width - left - right);
  const y = (count) => height - bottom - count / most * (height - top - bottom);
  for (const count of niceTicks(0, most, 4).ticks.filter(Number.isInteger)) {
    picture.append(drawn("line", { x1: left, x2: width - right, y1: y(count), y2: y(count), class: "grid" }),
      drawn("text", { x: left - 6, y: y(count) + 4, "text-anchor": "end", class: "quiet" }, count));
  }
  const { ticks, decimals } = niceTicks(low, high, width / 90);
  for (const tick of ticks) {
    picture.append(drawn("line", { x1: x(tick), x2: x(tick), y1: height - bottom, y2: height - bottom + 4, class: "axis" }),
      drawn("text", { x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, tick.toFixed(decimals)));
  }
  const wide = (width - left - right) / bins;
  counts[0].forEach((count, bin) => {
    if (!count) return;
    const bar = drawn("rect", { x: left + bin * wide + 1, y: y(count), width: Math.max(wide - 2, 1),
      height: height - bottom - y(count), class: "first bar" });
    const [from, to] = [bin, bin + 1].map((edge) => fixed(low + edge * (high - low) / bins, figure.decimals));
    bar.append(drawn("title", {}, `${from} to ${to}: ${count}`));
    picture.append(bar);
  });
  if (counts[1]) {
    let path = `M${left},${height - bottom}`;
    counts[1].forEach((count, bin) => { path += `V${y(count)}H${left + (bin + 1) * wide}`; });
    picture.append(drawn("path", { d: `${path}V${height - bottom}`, class: "second" }));
  }
  picture.append(drawn("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: "axis" }),
    drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", class: "quiet" },
      `${figure.name} of an image`));
  const words = series.map(({ title, values }) => {
    const sorted = values.slice().sort((a, b) => a - b);
    const [least, lower, middle, upper, most] = [0, 0.25, 0.5, 0.75, 1].map((share) => quantile(sorted, share));
    const text = (value) => fixed(value, figure.decimals);
    return `${title}: ${values.length} images, ${text(least)} to ${text(most)}, median ${text(middle)}, ` +
      `middle half ${text(lower)} to ${text(upper)}`;
  });
  picture.setAttribute("aria-label", `Distribution of ${figure.name}. ${words.join(". ")}`);
  return element("div", {}, picture, ...words.map((line, index) => element("p", { class: "note" },
    index ? "outline — " : series.length > 1 ? "bars — " : "", line)));
}

// Each class's difference with its interval, zero marked.
function forest(figure, index) {
  const rows = data.comparison.classes.filter((row) => row.values[index].difference !== null);
  if (!rows.length) return element("p", {}, "No class has a value in both.");
  const width = plotWidth(), left = Math.min(150, width / 3), right = 24, step = 22, top = 8, bottom = 44;
  const height = top + rows.length * step + bottom;
  const bounds = rows.flatMap(({ values }) => [values[index].difference, values[index].low, values[index].high])
    .filter((value) => value !== null);
  let low = Math.min(0, ...bounds), high = Math.max(0, ...bounds);
  if (high === low) [low, high] = [-0.01, 0.01];
  const x = (value) => left + (value - low) / (high - low) * (width - left - right);
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `Difference in ${figure.name} by class; the table below holds the same figures` });
  const { ticks, decimals } = niceTicks(low, high, width / 110);
  for (const tick of ticks) {
    const zero = Math.abs(tick) < 1e-12;
    picture.append(drawn("line", { x1: x(tick), x2: x(tick), y1: top, y2: height - bottom, class: zero ? "axis" : "grid" }),
      drawn("text", { x: x(tick), y: height - bottom + 16, "text-anchor": "middle" },
        tick.toFixed(decimals).replace("-", "−")));
  }
  rows.forEach(({ name, values }, row) => {
    const found = values[index], y = top + (row + 0.5) * step;
    const sure = beyond(found);
    const short = name.length > left / 7.5 ? `${name.slice(0, left / 7.5 - 1)}…` : name;
    picture.append(drawn("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, short));
    if (found.low !== null) {
      picture.append(drawn("line", { x1: x(found.low), x2: x(found.high), y1: y, y2: y, "stroke-width": 2,
        class: sure ? "sure" : "open" }));
    }
    const dot = drawn("circle", { cx: x(found.difference), cy: y, r: 4.5, class: sure ? "sure" : "open" });
    dot.append(drawn("title", {}, `${name}: ${signed(found.difference, figure.decimals)} (${interval(found, figure)})`));
    picture.append(dot);
  });
  picture.append(drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", class: "quiet" },
    `difference in ${figure.name}${figure.lower ? " (below 0 is better)" : ""}`));
  return picture;
}

// Boundary F1 over the tolerance, a line for each model inside the band of its interval.
function curvePlot(curves) {
  const width = plotWidth(), height = 320, left = 48, right = 16, top = 14, bottom = 46;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": "Boundary F1 by radius; the table below holds the same values" });
  const radii = curves[0].radii, first = radii[0], last = radii[radii.length - 1];
  const all = curves.flatMap(({ values, low, high }) => [...values, ...low, ...high]).filter((value) => value !== null);
  const least = Math.max(0, Math.floor(10 * Math.min(...all, 1)) / 10);
  const x = (radius) => (last === first ? (left + width - right) / 2
    : left + (radius - first) / (last - first) * (width - left - right));
  const y = (value) => height - bottom - (value - least) / (1 - least) * (height - top - bottom);
  const { ticks, decimals } = niceTicks(least, 1, 5);
  for (const tick of ticks) {
    picture.append(drawn("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" }),
      drawn("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end", class: "quiet" }, tick.toFixed(decimals)));
  }
  const every = Math.ceil(radii.length / Math.max(2, Math.floor(width / 45)));
  radii.forEach((radius, index) => {
    if (index % every) return;
    picture.append(drawn("line", { x1: x(radius), x2: x(radius), y1: height - bottom, y2: height - bottom + 4, class: "axis" }),
      drawn("text", { x: x(radius), y: height - bottom + 18, "text-anchor": "middle" }, radius));
  });
  curves.forEach((curve, model) => {
    const name = model ? "second" : "first";
    const line = (values) => values.map((value, index) => [value, index]).filter(([value]) => value !== null)
      .map(([value, index]) => `${x(radii[index])},${y(value)}`);
    const band = [...line(curve.high), ...line(curve.low).reverse()];
    if (band.length) picture.append(drawn("polygon", { points: band.join(" "), class: `${name} band` }));
    picture.append(drawn("polyline", { points: line(curve.values).join(" "), class: `${name} curve` }));
    curve.values.forEach((value, index) => {
      if (value === null) return;
      const dot = drawn("circle", { cx: x(radii[index]), cy: y(value), r: 3.5, class: `${name} dot` });
      dot.append(drawn("title", {}, `${curve.title}, ${radii[index]} px: ${fixed(value)}${between(curve, index)}`));
      picture.append(dot);
    });
  });
  picture.append(drawn("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, class: "axis" }),
    drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle", class: "quiet" },
      "tolerance, pixels"));
  return picture;
}

function between(curve, index) {
  return curve.low[index] === null ? "" : ` (${fixed(curve.low[index])} to ${fixed(curve.high[index])})`;
}

function curveTable(curves) {
  const rows = curves[0].radii.map((radius, index) => element("tr", {},
    element("th", { scope: "row" }, `${radius} px`),
    ...curves.map((curve) => element("td", {}, fixed(curve.values[index]) + between(curve, index)))));
  rows.push(element("tr", {}, element("th", { scope: "row" }, "area"),
    ...curves.map((curve) => element("td", {}, fixed(curve.area)))));
  const heads = ["radius", ...curves.map(({ title }) => title)].map((head, column) =>
    element("th", { scope: "col", class: column ? null : "text" }, head));
  return scrollable("Boundary F1 by radius", element("table", {}, element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows)));
}

// --- pictures ---

function pictureCard(picture, number) {
  const width = picture.size[1];
  const views = linkedViews(picture.size, picture.spots);

  function panel(title, layers, values, paled) {
    const images = layers.map((source, index) => element("img", { src: source, alt: index ? "" : `${title} of ${picture.name}`,
      draggable: "false" }));
    const shown = (wide) => {
      if (images.length !== 3) return; // errors twice: as thick lines for the whole, pixel by pixel for a part
      const fine = wide > 1.5 * width;
      images[1].classList.toggle("hidden", fine);
      images[2].classList.toggle("hidden", !fine);
    };
    return element("figure", {}, views.view(title, images, { paled, shown }), element("figcaption", {}, title, element("br"),
      ...values.map(([name, value]) => element("strong", {}, `${name} ${value}`))));
  }

  const columns = [[panel("ground truth", [picture.truth], [], false)]];
  if (picture.photo) columns[0].unshift(panel("image", [picture.photo], [], false));
  for (const one of picture.predictions) {
    columns.push([panel(one.title, [one.labels], one.values, false),
      panel(`boundary errors, ${one.title}`, [picture.photo || picture.truth, one.thick, one.fine], [], true)]);
  }
  // One model's panels stand side by side, two models' below one another so that they can be compared.
  const panels = columns.length > 2 ? columns.map((column) => element("div", {}, ...column)) : columns.flat();
  const card = element("article", { id: `picture-${number}`, "aria-labelledby": `picture-${number}-title` },
    element("h3", { id: `picture-${number}-title`, tabindex: "-1" }, picture.name),
    element("p", { class: "quiet" }, picture.heading),
    views.controls, element("div", { class: "panels" }, ...panels));
  views.start();
  return card;
}

function objectCard(one) {
  const [height, width] = one.size, [top, left, tall, wide] = one.box;
  const panels = one.panels.map(({ title, picture }) => {
    const frame = element("div", { class: "frame" });
    Object.assign(frame.style, { top: `${100 * top}%`, left: `${100 * left}%`, height: `${100 * tall}%`, width: `${100 * wide}%` });
    const view = element("div", { class: "part" }, element("img", { src: picture, alt: `${title} around ${one.words}` }), frame);
    view.style.aspectRatio = `${width} / ${height}`;
    return element("figure", {}, view, element("figcaption", {}, title));
  });
  return element("article", {}, element("h4", {}, linked(one.name)), element("p", { class: "quiet" }, one.words),
    element("div", { class: "parts" }, ...panels));
}

// --- the page ---

const links = element("ul");
page.append(element("header", {}, element("h1", {}, data.title), ...data.about.map((line) => element("p", { class: "quiet" }, line)),
  element("nav", { "aria-label": "Sections" }, links)));

section("overall", "Overall").append(overallTable(), ...data.notes.map((line) => element("p", { class: "note" }, line)));

const pictureOf = new Map();
data.pictures.forEach((picture, index) => { if (!pictureOf.has(picture.name)) pictureOf.set(picture.name, index); });
const linked = (name) => (pictureOf.has(name) ? element("a", { href: `#picture-${pictureOf.get(name)}` }, name) : name);

if (data.comparison) {
  const compared = data.comparison, place = section("comparison", "By how much they differ");
  const plot = element("div"), list = element("div");
  const picker = figurePicker("Metric", (index) => {
    const figure = data.figures[index];
    plot.replaceChildren(forest(figure, index));
    const rows = compared.moved[index].map((row) => element("tr", {}, element("th", { scope: "row" }, linked(row.name)),
      element("td", {}, fixed(row.value, figure.decimals)), element("td", {}, fixed(row.against, figure.decimals)),
      element("td", {}, signed(row.difference, figure.decimals))));
    const heads = ["image", ...data.models, "difference"];
    list.replaceChildren(element("h3", {}, "Images that moved most"), rows.length
      ? scrollable("Images that moved most",
        element("table", {}, element("thead", {}, element("tr", {}, ...heads.map((head, column) =>
          element("th", { scope: "col", class: column ? null : "text" }, head)))), element("tbody", {}, ...rows)))
      : element("p", {}, "None moved."));
  });
  place.append(...compared.words.map((line) => element("p", {}, line)), picker, plot, list);
}

if (data.curves.length) {
  const place = section("curve", "Boundary F1 by tolerance"), plot = element("div");
  let drawnFor = 0;
  const redraw = () => {
    if (plotWidth() === drawnFor) return;
    drawnFor = plotWidth();
    plot.replaceChildren(curvePlot(data.curves));
  };
  redraw();
  addEventListener("resize", redraw);
  place.append(plot, element("ul", { class: "key" }, ...data.curves.map(({ title }, model) =>
    element("li", {}, swatch(`var(--${model ? "second" : "first"})`), title))),
  element("p", { class: "note" }, "Mean over classes at each whole radius. Bands: 95 % bootstrap intervals over the images. " +
    "Area: under the line, divided by its range of radii; not an area over thresholds of a probability (ODS, AP)."),
  curveTable(data.curves));
}

const series = [{ title: data.models[0], of: (row) => row.values }];
if (data.comparison) series.push({ title: data.models[1], of: (row) => row.against });
const spread = element("div");
const spreadPicker = figurePicker("Metric", (index) => {
  spread.replaceChildren(histogram(data.figures[index], series.map(({ title, of }) => ({
    title, values: data.images.map(of).filter(Boolean).map((values) => values[index]).filter((value) => value !== null),
  }))));
});
section("images-spread", "How the images spread").append(spreadPicker, spread);

if (data.pictures.length) {
  const place = section("pictures", "Pictures");
  place.append(...data.pictureNotes.map((line) => element("p", { class: "note" }, line)),
    element("ul", { class: "key" }, ...data.errorKey.map(({ colour, words }) => element("li", {}, swatch(colour), words))),
    element("ul", { class: "key" }, ...data.classKey.map(({ colour, words }) => element("li", {}, swatch(colour), words))),
    ...data.pictures.map(pictureCard));
}

if (data.objects.length) {
  const place = section("objects", "Objects");
  place.append(element("p", { class: "note" }, "Pairs of lowest IoU, and the largest objects without a partner: missed in the " +
    "ground truth, spurious in the prediction. The frame is the object's box."));
  for (const kind of [...new Set(data.objects.map((one) => one.kind))]) {
    const heading = { "worst pair": "Worst pairs", missed: "Missed", spurious: "Spurious" }[kind] || kind;
    place.append(element("h3", {}, heading), element("div", { class: "objects" },
      ...data.objects.filter((one) => one.kind === kind).map(objectCard)));
  }
}

const classTable = sortableTable(`${data.classes.length} classes that occur`, [
  { title: "class", text: true, value: (row) => row.name, cell: (row) => row.name },
  { title: "id", value: (row) => row.class, cell: (row) => String(row.class) },
  ...figureColumns(),
  ...["missed", "spurious"].map((key) => ({ title: key, value: (row) => row[key], cell: (row) => String(row[key]) })),
], data.classes);
section("classes", "By class").append(...classTable.nodes);

if (data.groups.length) {
  section("groups", "Groups of classes").append(...sortableTable("Means over the classes of each group", [
    { title: "group", text: true, value: (row) => row.name, cell: (row) => row.name }, ...figureColumns(),
  ], data.groups).nodes);
}

const imageTable = sortableTable(`${data.images.length} images`, [
  { title: "image", text: true, value: (row) => row.name, cell: (row) => linked(row.name) },
  ...figureColumns(),
], data.images);
const search = element("input", { type: "search", id: "search", oninput: (event) => {
  const wanted = event.target.value.toLowerCase();
  imageTable.keep((row) => row.name.toLowerCase().includes(wanted));
} });
section("images", "By image").append(element("label", { class: "controls" }, "Name contains", search), ...imageTable.nodes);

if (data.failed.length) {
  section("failed", "Could not be scored").append(element("ul", {}, ...data.failed.map(({ name, why }) =>
    element("li", {}, element("strong", {}, name), `: ${why}`))));
}

for (const { id, firstChild } of page.querySelectorAll("section")) {
  links.append(element("li", {}, element("a", { href: `#${id}` }, firstChild.textContent)));
}
