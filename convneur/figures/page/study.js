const ROW = 26; // pixels of a twin's line in a plot

// --- tables ---

// heads: titles, the first over names; rows: a name and cells each, text or nodes.
function table(caption, heads, rows) {
  const head = heads.map((title, index) => element("th", { scope: "col", class: index ? null : "text" }, title));
  const body = rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name),
    ...cells.map((cell) => element("td", {}, cell))));
  return scrollable(caption, element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
}

function meanTable() {
  const heads = ["twin", "runs", "M params", `GMACs ${data.crop}`, ...data.metrics.map((metric) => metric.short)];
  return table("Mean of the runs ± standard deviation", heads, data.twins.map((twin) => [
    twin.twin, String(twin.runs), fixed(twin.params / 1e6, 2), (twin.macs / 1e9).toPrecision(3),
    ...data.metrics.map(({ key }) => fixed(twin.mean[key])
      + (twin.spread[key] === null ? "" : ` ± ${fixed(twin.spread[key])}`)),
  ]));
}

function differenceCell(found) {
  if (!found || found.difference === null) return "–";
  const interval = found.low === null ? null
    : element("span", { class: "interval" }, `[${signed(found.low)}, ${signed(found.high)}]`);
  return element("span", { class: beyond(found) ? "sure-text" : null }, signed(found.difference), interval);
}

function differenceTable(others) {
  const heads = ["twin", "seeds", ...data.metrics.map((metric) => metric.short), "printed, top-1"];
  return table(`Minus ${data.reference}, ${data.level} intervals`, heads, others.map((twin) => [
    twin.twin, String(twin.seeds.length),
    ...data.metrics.map(({ key }) => differenceCell(twin.difference && twin.difference[key])),
    twin.printed_difference === null ? "–" : `${signed(twin.printed_difference, 1)} points`,
  ]));
}

function runTable() {
  const folds = data.runs.some((run) => run.fold !== null);
  const heads = ["twin", "seed", ...(folds ? ["fold"] : []), "images", "best step", "validation",
    ...data.metrics.map((metric) => metric.short)];
  return table("Each run", heads, data.runs.map((run) => [
    run.twin, String(run.seed), ...(folds ? [String(run.fold)] : []), String(run.images), String(run.best_step),
    fixed(run.validation), ...data.metrics.map(({ key }) => fixed(run[key])),
  ]));
}

// --- plots ---

// A line per twin; marks(twin, x, y) gives what stands on it. values: all that must be in view.
function plot(label, twins, values, write, marks) {
  const width = 430, left = 172, right = 16, top = 6, height = top + ROW * twins.length + 24;
  let low = Math.min(...values), high = Math.max(...values);
  const air = (high - low) * 0.08 || 0.01;
  [low, high] = [low - air, high + air];
  const x = (value) => left + (value - low) / (high - low) * (width - left - right);
  const bottom = top + ROW * twins.length;
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const { ticks, decimals } = niceTicks(low, high, 4);
  for (const tick of ticks) {
    picture.append(drawn("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom }),
      drawn("text", { class: "quiet", x: x(tick), y: bottom + 16, "text-anchor": "middle" }, write(tick, decimals)));
  }
  if (low < 0 && high > 0) picture.append(drawn("line", { class: "axis", x1: x(0), x2: x(0), y1: top, y2: bottom }));
  twins.forEach((twin, index) => {
    const y = top + ROW * (index + 0.5);
    const short = twin.twin.length > 22 ? `${twin.twin.slice(0, 21)}…` : twin.twin;
    const name = drawn("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, short);
    name.append(drawn("title", {}, twin.twin));
    picture.append(name, ...marks(twin, x, y));
  });
  return picture;
}

function runPlot({ key, short, name }) {
  const of = (twin) => data.runs.filter((run) => run.twin === twin.twin && run[key] !== null);
  const twins = data.twins.filter((twin) => of(twin).length);
  const values = twins.flatMap((twin) => of(twin).map((run) => run[key]));
  if (!values.length) return null;
  return figured(titled(short, name), plot(`${name} of each run`, twins, values, fixed, (twin, x, y) => [
    ...of(twin).map((run) => {
      const dot = drawn("circle", { class: "run", cx: x(run[key]), cy: y, r: 4 });
      dot.append(drawn("title", {}, `${run.folder.replace("runs/", "")}: ${fixed(run[key])}`));
      return dot;
    }),
    drawn("line", { class: "mean", x1: x(twin.mean[key]), x2: x(twin.mean[key]), y1: y - 8, y2: y + 8 }),
  ]));
}

function differencePlot({ key, short, name }, others) {
  const twins = others.filter((twin) => twin.difference && twin.difference[key].difference !== null);
  if (!twins.length) return null;
  const values = [0, ...twins.flatMap((twin) => ["low", "difference", "high"].map((part) => twin.difference[key][part])
    .filter((value) => value !== null))];
  return figured(titled(short, name), plot(`${name} minus that of ${data.reference}`, twins, values, signed, (twin, x, y) => {
    const found = twin.difference[key], kind = beyond(found) ? "sure" : "open";
    const dot = drawn("circle", { class: kind, cx: x(found.difference), cy: y, r: 4.5 });
    dot.append(drawn("title", {}, `${twin.twin}: ${signed(found.difference)}`));
    const line = found.low === null ? []
      : [drawn("line", { class: `${kind} interval`, x1: x(found.low), x2: x(found.high), y1: y, y2: y })];
    return [...line, dot];
  }));
}

function titled(short, name) {
  return short.length > 1 ? name : `${short}: ${name}`; // B and T stand for more
}

function figured(caption, picture) {
  return element("figure", {}, element("figcaption", {}, caption), picture);
}

function panels(figures) {
  return element("div", { class: "panels" }, ...figures.filter((one) => one !== null));
}

// --- the page ---

page.append(element("h1", {}, data.title), ...data.about.map((line) => element("p", { class: "quiet" }, line)));
section("scores", "Scores").append(meanTable(),
  element("p", { class: "note" }, "Below: a dot is a run, the line the mean."), panels(data.metrics.map(runPlot)));
const others = data.twins.filter((twin) => twin.twin !== data.reference);
if (others.length) {
  section("differences", `Differences from ${data.reference}`).append(differenceTable(others),
    element("p", { class: "note" }, `Below: the difference and its ${data.level} interval; coloured where that leaves `
      + "out 0."), panels(data.metrics.map((metric) => differencePlot(metric, others))));
}
section("meaning", "What the values are").append(...data.words.map((line) => element("p", {}, line)));
section("runs", "Runs").append(runTable());
