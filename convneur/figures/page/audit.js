// --- values ---

function short(value, figures = 4) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  return value === 0 ? "0" : String(+value.toPrecision(figures));
}

function unitOf(value) {
  const scale = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([least]) => value >= least * 0.9999);
  return scale ? `${short(value / scale[0], 3)} ${scale[1]}` : short(value, 3);
}

function megabytes(bytes) {
  return bytes === null || bytes === undefined ? "–" : short(bytes / 1e6);
}

// A cell with a bar behind it: a share of the whole.
function barCell(words, share) {
  return element("td", { class: "bar", style: `--share: ${(100 * Math.max(0, Math.min(1, share || 0))).toFixed(1)}%` },
    element("span", {}, words));
}

function tableOf(label, heads, rows) {
  return scrollable(label, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head, index) =>
      element("th", { scope: "col", class: index && !["by", "in"].includes(head) ? null : "text" }, head)))),
    element("tbody", {}, ...rows)));
}

function paragraphs(lines, kind = null) {
  return lines.map((line) => element("p", { class: kind }, line));
}

// --- plots, both axes logarithmic ---

function powers(low, high, most) {
  const ticks = [];
  for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power++) ticks.push(10 ** power);
  const step = Math.ceil(ticks.length / most);
  if (ticks.length > 2) return ticks.filter((_, index) => index % step === 0);
  const fine = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of [1, 2, 5]) if (factor * 10 ** power >= low && factor * 10 ** power <= high) fine.push(factor * 10 ** power);
  }
  return fine;
}

function logPlot({ label, xs, ys, xTicks, xName, yName, write, height = 300 }) {
  const width = 480, left = 78, right = 22, top = 14, bottom = 46;
  const spread = (values, below, above) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [Math.log(low / below), Math.log(high * above)];
  };
  const [x0, x1] = spread(xs, 1.4, 1.6), [y0, y1] = spread(ys, 1.8, 1.8);
  const x = (value) => left + (Math.log(value) - x0) / (x1 - x0) * (width - left - right);
  const y = (value) => top + (y1 - Math.log(value)) / (y1 - y0) * (height - top - bottom);
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  for (const tick of powers(Math.exp(y0), Math.exp(y1), 6)) {
    picture.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      drawn("text", { class: "quiet", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, write(tick)));
  }
  let free = -Infinity;
  for (const [value, words] of xTicks || powers(Math.exp(x0), Math.exp(x1), 7).map((tick) => [tick, short(tick)])) {
    picture.append(drawn("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: height - bottom }));
    if (x(value) - 4 * words.length < free) continue; // two that would meet
    free = x(value) + 4 * words.length;
    picture.append(drawn("text", { class: "quiet", x: x(value), y: height - bottom + 17, "text-anchor": "middle" }, words));
  }
  picture.append(drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, xName),
    drawn("text", { x: 12, y: (top + height - bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 12 ${(top + height - bottom) / 2})` }, yName));
  return { picture, x, y, ends: { left, right: width - right, top, bottom: height - bottom } };
}

function marked(mark, words) {
  mark.append(drawn("title", {}, words));
  return mark;
}

function figured(caption, picture) {
  return element("figure", {}, element("figcaption", {}, caption), picture);
}

function growthPlot(key, caption, unit, name) {
  const points = data.growth.points.filter((point) => point[key]);
  if (!points.length) return null;
  const asked = new Set(data.growth.sizes.map((row) => row.name));
  const { picture, x, y, ends } = logPlot({ label: caption, xs: points.map((point) => point.pixels),
    ys: points.map((point) => point[key]), xTicks: points.map((point) => [point.pixels, point.label]),
    xName: "image size, by number of pixels", yName: name, write: (value) => `${unitOf(value)}${unit}` });
  const [first, last] = [points[0], points.at(-1)];
  const below = last[key] < first[key] / 1.25 * last.pixels / first.pixels; // names stand on the line's free side
  for (const slope of [1, 2]) {
    const end = (value) => first[key] / 1.25 * (value / first.pixels) ** slope;
    let far = last.pixels;
    while (y(end(far)) < ends.top && far > first.pixels) far /= 1.1;
    if (far <= first.pixels) continue;
    const named = first.pixels * (far / first.pixels) ** 0.75;
    picture.append(drawn("line", { class: "slope", x1: x(first.pixels), y1: y(first[key] / 1.25), x2: x(far), y2: y(end(far)) }),
      drawn("text", { class: "quiet over", x: x(named) + (slope === 1 && !below ? 30 : -8),
        y: y(end(named)) + (slope === 1 && !below ? 20 : 4), "text-anchor": "end" }, slope === 1 ? "linear" : "quadratic"));
  }
  picture.append(drawn("polyline", { class: "line", points: points.map((point) => `${x(point.pixels)},${y(point[key])}`).join(" ") }),
    ...points.map((point) => marked(drawn("circle", { class: asked.has(point.label) ? "dot" : "probe", cx: x(point.pixels),
      cy: y(point[key]), r: 5 }), `${point.label}: ${unitOf(point[key])}${unit}`)));
  return figured(caption, picture);
}

// --- the roofline ---

function roofline() {
  if (!data.ceilings || !data.tree || !data.tree.leaves.length) return null;
  const peak = 2 * data.ceilings.matmul_peak_macs_per_second;
  const cache = data.ceilings.cache_bandwidth_bytes_per_second, memory = data.ceilings.memory_bandwidth_bytes_per_second;
  if (!peak || !cache) return null;
  const rows = data.tree.rows, seen = (row) => row.macs && row.seconds && row.intensity;
  const leaves = data.tree.leaves.map((index) => rows[index]).filter(seen), whole = seen(rows[0]) ? rows[0] : null;
  if (!leaves.length) return null;
  const all = whole ? [...leaves, whole] : leaves;
  const rate = (row) => 2 * row.macs / row.seconds;
  const { picture, x, y, ends } = logPlot({ label: "Roofline", xs: [...all.map((row) => row.intensity), peak / memory],
    ys: [...all.map(rate), peak], xName: "FLOPs for each byte moved", yName: "FLOPs a second",
    write: (value) => unitOf(value), height: 340 });
  const roof = (bandwidth, kind, words) => {
    let start = 1e-6;
    while (x(start) < ends.left || y(start * bandwidth) > ends.bottom) start *= 1.02;
    const knee = peak / bandwidth;
    if (start >= knee) return;
    picture.append(drawn("polyline", { class: `roof ${kind}`,
      points: `${x(start)},${y(start * bandwidth)} ${x(knee)},${y(peak)} ${ends.right},${y(peak)}` }));
    const beside = Math.min(start * 1.6, knee);
    picture.append(drawn("text", { class: "quiet over", x: x(beside) + 8, y: y(beside * bandwidth) + 8 },
      `${words} ${short(bandwidth / 1e9, 3)} GB/s`));
  };
  roof(cache, "cache", "cache");
  roof(memory, "memory", "memory");
  picture.append(drawn("text", { class: "quiet", x: ends.right, y: y(peak) - 6, "text-anchor": "end" },
    `products of matrices ${short(peak / 1e9, 3)} GFLOP/s`));
  for (const row of leaves) {
    picture.append(marked(drawn("circle", { class: "module", cx: x(row.intensity), cy: y(rate(row)),
      r: Math.max(3, 16 * Math.sqrt(row.seconds / rows[0].seconds)) }),
    `${row.module || "(model)"}: ${short(1e3 * row.seconds)} ms, ${unitOf(rate(row))}FLOP/s, ${short(row.intensity)} FLOPs a byte`));
  }
  if (whole) {
    const [cx, cy] = [x(whole.intensity), y(rate(whole))];
    picture.append(marked(drawn("path", { class: "whole", d: `M${cx} ${cy - 8}l8 8l-8 8l-8 -8z` }),
      `the model: ${short(1e3 * whole.seconds)} ms, ${unitOf(rate(whole))}FLOP/s`));
  }
  return figured("Roofline: the model (diamond) and its modules, by area their share of the time", picture);
}

// --- time against count ---

function timePlot(rows) {
  const points = rows.filter((row) => row.macs && row.p50_seconds);
  if (points.length < 2) return null;
  const caption = "Measured time over multiply-adds; dashed: in proportion to the first";
  const { picture, x, y } = logPlot({ label: caption, xs: points.map((row) => row.macs), ys: points.map((row) => row.p50_seconds),
    xTicks: points.map((row) => [row.macs, unitOf(row.macs)]), xName: "multiply-adds of a call", yName: "seconds of a call",
    write: (value) => (value < 1 ? `${short(1e3 * value)} ms` : `${short(value)} s`), height: 340 });
  const [first, last] = [points[0], points.at(-1)];
  picture.append(drawn("line", { class: "slope", x1: x(first.macs), y1: y(first.p50_seconds), x2: x(last.macs),
    y2: y(first.p50_seconds * last.macs / first.macs) }),
  drawn("polyline", { class: "line", points: points.map((row) => `${x(row.macs)},${y(row.p50_seconds)}`).join(" ") }),
  ...points.flatMap((row) => [
    drawn("line", { class: "line", x1: x(row.macs), x2: x(row.macs), y1: y(row.p10_seconds), y2: y(row.p90_seconds) }),
    marked(drawn("circle", { class: "dot", cx: x(row.macs), cy: y(row.p50_seconds), r: 5 }),
      `${row.height}x${row.width}: ${short(1e3 * row.p50_seconds)} ms`)]));
  return figured(caption, picture);
}

// --- the page ---

function sizeName({ height, width }) {
  return height === width ? String(height) : `${height}x${width}`;
}

function headPart() {
  const broken = data.claims.some((claim) => !claim.holds);
  const counted = data.growth.sizes.filter((row) => row.macs !== null);
  const first = counted[0], timed = data.times && data.times.rows.find((row) => row.p50_seconds);
  const place = data.frontier && data.frontier.models[0];
  const facts = [
    ["parameters", data.params === null ? "–" : unitOf(data.params)],
    first && [`multiply-adds at ${first.name}`, unitOf(first.macs)],
    ["growth", data.growth.class || "undetermined"],
    first && first.peak_activation_bytes !== null && [`activations at ${first.name}`, `${megabytes(first.peak_activation_bytes)} MB`],
    timed && [`time at ${sizeName(timed)}`, `${short(1e3 * timed.p50_seconds, 3)} ms`],
    place && place.points_below !== null && ["from the frontier", `${signed(-place.points_below, 2)} points`],
  ].filter(Boolean);
  return element("header", {}, element("h1", {}, data.title),
    element("p", { class: `verdict ${data.claims.length ? (broken ? "fails" : "holds") : ""}` },
      `${data.verdict[0].toUpperCase()}${data.verdict.slice(1)}.`),
    ...(data.source ? [element("p", { class: "quiet" }, `From ${data.source}.`)] : []),
    ...(data.machine ? [element("p", { class: "quiet" }, `Times: ${data.machine}.`)] : []),
    element("dl", { class: "facts" }, ...facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
}

function claimList() {
  return element("ul", { class: "claims" }, ...data.claims.map((claim) =>
    element("li", { class: claim.holds ? "holds" : "fails" },
      element("span", { class: "mark-words" }, claim.holds ? "✓ holds" : "✗ does not hold"),
      element("span", { class: "claim" }, claim.claim), element("span", { class: "found" }, claim.found))));
}

function sizeTable() {
  const paper = data.growth.sizes.some((row) => row.macs_paper !== null);
  const heads = ["size", "GMACs", "GFLOPs", ...(paper ? ["paper GMACs"] : []), "kMACs per pixel", "activations MB", "launches"];
  return tableOf("Cost by size", heads, data.growth.sizes.map((row) => element("tr", {},
    element("th", { scope: "row" }, row.name),
    ...(row.macs === null ? [element("td", { class: "text", colspan: String(heads.length - 1) }, `refused: ${row.error}`)]
      : [short(row.macs / 1e9), short(row.flops / 1e9), ...(paper ? [row.macs_paper === null ? "–" : short(row.macs_paper / 1e9)] : []),
        short(row.macs_per_pixel / 1e3), megabytes(row.peak_activation_bytes), short(row.launches)]
        .map((cell) => element("td", {}, cell))))));
}

function moduleTable() {
  const rows = data.tree.rows, whole = rows[0], timed = whole.seconds !== undefined;
  const heads = ["module", ...(timed ? ["ms"] : []), "MMACs", "MB moved", "M params", "FLOPs per byte", "launches",
    ...(timed ? ["at least, ms", "by"] : [])];
  return tableOf("Cost by module", heads, rows.map((row) => element("tr", { class: row.depth === 0 ? "top" : null },
    element("th", { scope: "row", class: `deep${Math.min(3, row.depth)}` },
      `${row.module || "the model"}${row.rest ? " (rest)" : ""}`),
    ...(timed ? [barCell(short(1e3 * row.seconds), row.seconds / whole.seconds)] : []),
    barCell(row.macs === null ? "–" : short(row.macs / 1e6), row.macs / (whole.macs || 1)),
    barCell(megabytes(row.moved_bytes), row.moved_bytes / (whole.moved_bytes || 1)),
    element("td", {}, row.params === null ? "–" : (row.params / 1e6).toFixed(3)),
    element("td", {}, short(row.intensity)), element("td", {}, short(row.launches)),
    ...(timed ? [element("td", {}, row.least_seconds === null ? "–" : short(1e3 * row.least_seconds, 3)),
      element("td", { class: "text" }, row.limited_by || "–")] : []))));
}

function timeTable(rows) {
  const peak = data.ceilings.matmul_peak_macs_per_second;
  return tableOf("Time by size", ["size", "median ms", "p90 ms", "images/s", "GMACs/s", "of the peak", "peak MB", "of the count"],
    rows.map((row) => element("tr", {}, element("th", { scope: "row" }, sizeName(row)),
      ...(row.error !== null ? [element("td", { class: "text", colspan: "7" }, `not timed: ${row.error}`)]
        : [short(1e3 * row.p50_seconds), short(1e3 * row.p90_seconds), short(row.images_per_second),
          row.macs_per_second === null ? "–" : short(row.macs_per_second / 1e9),
          row.macs_per_second === null || !peak ? "–" : `${Math.round(100 * row.macs_per_second / peak)} %`,
          megabytes(row.peak_growth_bytes), row.peak_ratio === null ? "–" : `${fixed(row.peak_ratio, 2)}×`]
          .map((cell) => element("td", {}, cell))))));
}

page.append(headPart());
if (data.claims.length) section("claims", "Claims").append(claimList());

section("growth", "How the cost grows").append(element("p", { class: "lead" }, `${data.growth.headline}.`),
  element("div", { class: "pair" }, ...[growthPlot("macs", "Multiply-adds", "", "multiply-adds"),
    growthPlot("memory", "Peak memory of activations", "B", "bytes")].filter(Boolean)),
  element("p", { class: "note" }, "Filled: sizes asked for; hollow: sizes that the verdict is found from."),
  sizeTable(), element("details", { open: true }, element("summary", {}, "What was found"), ...paragraphs(data.growth.words)));

section("counted", "What is counted, and what is not").append(
  ...paragraphs(data.counters.length ? data.counters : ["It was counted once."]),
  data.uncounted.length ? tableOf("Operators without a formula", ["operator", "calls", "in"], data.uncounted.map((one) =>
    element("tr", {}, element("th", { scope: "row" }, one.operator), element("td", {}, String(one.calls)),
      element("td", { class: "text" }, one.modules.map((path) => path || "the model itself").join(", ")))))
    : element("p", {}, "Every operator that computes has a formula: nothing is uncounted."));

if (data.tree) {
  const plots = [roofline(), data.times && timePlot(data.times.rows)].filter(Boolean);
  section("modules", "Where the cost is").append(element("p", { class: "quiet" }, `${data.tree.title}.`), moduleTable());
  if (plots.length) page.lastElementChild.append(element("div", { class: "pair" }, ...plots));
}
if (data.times) {
  section("time", "Time against count").append(timeTable(data.times.rows), ...paragraphs(data.timeWords),
    element("p", { class: "note" }, `Machine: ${data.machine}.`));
}
if (data.frontier) {
  section("frontier", "Beside published models").append(...paragraphs(data.frontier.headlines, "lead"),
    frontierPlot(data.frontier), frontierTable(data.frontier), ...paragraphs(data.frontier.words, "note"));
}
if (data.notes.length) section("notes", "Left out").append(...paragraphs(data.notes));
section("terms", "What the values are").append(...paragraphs(data.terms));
page.append(element("footer", {}, element("p", {}, `Made by ${document.querySelector("meta[name=generator]").content}; `
  + "this page is one file and fetches nothing.")));
