const FAR = 8; // positions that an arrow moves with Shift

function bytes(text) {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

// A map's codes are unpacked when it is first looked at.
function codes(map) {
  if (!map.unpacked) {
    const packed = bytes(map.codes);
    const view = new DataView(packed.buffer);
    map.unpacked = map.bits === 8 ? packed
      : map.bits === 16 ? Uint16Array.from({ length: packed.length / 2 }, (_, k) => view.getUint16(2 * k, true))
      : Float32Array.from({ length: packed.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  }
  return map.unpacked;
}

function step(map) {
  return (map.range[1] - map.range[0]) / (2 ** map.bits - 1);
}

function valueAt(map, index) {
  return map.bits === 32 ? codes(map)[index] : map.range[0] + codes(map)[index] * step(map);
}

function plain(value) {
  return String(Number(value.toPrecision(4))).replaceAll("-", "−");
}

// No more digits than the map's steps can tell apart.
function shown(value, map) {
  if (map.bits === 32) return plain(value);
  const decimals = Math.floor(-Math.log10(step(map)));
  if (!Number.isFinite(decimals) || decimals > 9) return plain(value);
  return value.toFixed(Math.max(decimals, 0)).replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}

const state = { stage: 0, row: data.opens.row, map: data.opens.map, y: 0, x: 0 };
const stageOf = () => data.stages[state.stage];
const rowOf = () => stageOf().rows.find(({ row }) => row === state.row);
// A gate lacks absmean and pca, in whose place the picture has its mean.
const meanOf = (row) => /^gate\b/.test(row.row) && ["absmean", "pca"].includes(state.map) && row.maps.find(({ key }) => key === "mean");
const mapIn = (row) => row.maps.find(({ key }) => key === state.map) || (row.maps.length === 1 && row.maps[0]) || meanOf(row) || null;
const mapOf = () => mapIn(rowOf()) || rowOf().maps[0]; // a row that lacks the chosen map shows its first one
const tables = Object.fromEntries(Object.entries(data.colours).map(([name, text]) => [name, bytes(text)]));

// --- what is there ---

const [photoHeight, photoWidth] = data.size;
const photo = element("img", { src: data.photo, alt: "", draggable: "false" });
const canvas = element("canvas"), mark = element("div", { class: "mark" }), ring = element("div", { class: "ring" });
const outline = data.outline ? element("img", { src: data.outline, alt: "", draggable: "false" }) : null;
const drawn = element("template");
drawn.innerHTML = '<svg preserveAspectRatio="none" aria-hidden="true"><path class="under"/><path class="over"/></svg>';
const borders = drawn.content.firstChild;
const view = element("div", { class: "view", id: "view", tabindex: "0", role: "application", "aria-describedby": "keys" },
  photo, canvas, outline, borders, ring, mark);
view.style.aspectRatio = `${photoWidth} / ${photoHeight}`;
view.style.maxWidth = `max(12rem, ${75 * photoWidth / photoHeight}vh)`;
const reading = element("output", { class: "reading", id: "reading", "aria-live": "polite" });
const where = element("p", { class: "quiet", id: "where" });
const ramp = element("canvas", { width: 256, height: 1 });
const [least, most] = [element("span"), element("span")];
const spread = element("p", { class: "quiet", id: "spread" });
const stageWords = element("p", { class: "quiet", id: "stage-words" });

const pick = (change) => element("select", { onchange: (event) => { change(event.target.value); show(); } });
const stagePick = pick((value) => {
  const from = stageOf(), to = data.stages[Number(value)];
  state.y = Math.floor((state.y + 0.5) * to.height / from.height);
  state.x = Math.floor((state.x + 0.5) * to.width / from.width);
  state.stage = Number(value);
});
const rowPick = pick((value) => { state.row = value; });
const mapPick = pick((value) => { state.map = value; });
const opacity = element("input", { type: "range", min: 0, max: 100, step: 5, value: Math.round(100 * data.opacity),
  oninput: () => { canvas.style.opacity = opacity.value / 100; opacity.setAttribute("aria-valuetext", `${opacity.value} %`); } });
const here = element("tbody");
const strip = element("div", { class: "rows", role: "group", "aria-label": "All rows of this stage" });
const tick = (checked, change) => element("input", { type: "checkbox", checked,
  onchange: (event) => change(event.target.checked) });
const bordersPick = data.stages.some((stage) => stage.borders.length)
  ? tick(data.borders, (seen) => { borders.style.display = seen ? "" : "none"; }) : null;
const outlinePick = outline ? tick(true, (seen) => { outline.style.display = seen ? "" : "none"; }) : null;
if (!data.borders) borders.style.display = "none";

function options(select, groups, chosen) {
  const made = groups.filter(([, items]) => items.length).map(([label, items]) => {
    const found = items.map(([value, text]) => element("option", { value }, text));
    return label ? element("optgroup", { label }, ...found) : found;
  }).flat();
  select.replaceChildren(...made);
  select.value = chosen;
}

// --- what is seen of it ---

function show() {
  const stage = stageOf();
  if (!rowOf()) state.row = stage.rows[0].row;
  const row = rowOf();
  const map = mapOf(), table = tables[map.colours];
  options(stagePick, [[null, data.stages.map((one, index) => [index, one.name])]], state.stage);
  options(rowPick, [[null, stage.rows.map((one) => [one.row, `${data.names[one.row][0]}: ${data.names[one.row][1]}`])]],
    state.row);
  const named = (over) => row.maps.filter(({ key }) => key.startsWith("channel ") !== over).map(({ key, name }) => [key, name]);
  options(mapPick, [["Over channels", named(true)], ["Single channels", named(false)]], map.key);

  paintMap(canvas, map);
  borders.setAttribute("viewBox", `0 0 ${stage.width} ${stage.height}`);
  const lines = stage.borders.map((line) => `M${line.map(([x, y]) => `${x} ${y}`).join("L")}`).join("");
  for (const path of borders.children) path.setAttribute("d", lines);
  canvas.style.opacity = opacity.value / 100;
  const bar = new ImageData(256, 1);
  for (let k = 0; k < 256; k++) bar.data.set([...table.subarray(3 * k, 3 * k + 3), 255], 4 * k);
  if (map.limits[0] === map.limits[1]) {
    for (let k = 0; k < 256; k++) bar.data.set([...table.subarray(384, 387), 255], 4 * k);
  }
  ramp.getContext("2d").putImageData(bar, 0, 0);
  least.textContent = plain(map.limits[0]);
  most.textContent = plain(map.limits[1]);
  spread.textContent = `This map: least ${plain(map.range[0])}, largest ${plain(map.range[1])}.` +
    (map.logarithmic ? " Colours are by the logarithm." : "");
  stageWords.textContent = stage.words;
  ring.style.display = isReads(state.row) ? "" : "none";
  if (isReads(state.row)) place(ring, stage, data.reads.models[state.row.endsWith("second") ? 1 : 0][state.stage].position);
  linkRows();
  point();
}

function paintMap(target, map) {
  const stage = stageOf(), table = tables[map.colours];
  target.width = stage.width;
  target.height = stage.height;
  const pixels = new ImageData(stage.width, stage.height), count = stage.width * stage.height;
  const scaled = map.logarithmic ? (value) => Math.log(Math.max(value, map.limits[0])) : (value) => value;
  const [low, high] = map.limits.map(scaled);
  for (let index = 0; index < count; index++) {
    const at = 3 * (high > low
      ? Math.min(Math.max(Math.floor((scaled(valueAt(map, index)) - low) / (high - low) * 256), 0), 255) : 128);
    pixels.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * index);
  }
  target.getContext("2d").putImageData(pixels, 0, 0);
}

// Every row of the stage in small, each with its mark at the same position; one that is chosen is shown in large.
let linked = [];
function linkRows() {
  const shownAs = `${state.stage} ${state.map} ${data.reads ? data.reads.at : ""}`;
  if (strip.dataset.of !== shownAs) {
    strip.dataset.of = shownAs;
    linked = stageOf().rows.map((row) => {
      const small = element("canvas"), dot = element("div", { class: "mark" });
      paintMap(small, mapIn(row) || row.maps[0]);
      const frame = element("span", { class: "small" }, small, dot);
      frame.style.aspectRatio = `${photoWidth} / ${photoHeight}`;
      const button = element("button", { type: "button", onclick: () => { state.row = row.row; show(); } },
        frame, element("span", {}, data.names[row.row][0]));
      button.addEventListener("pointermove", (event) => followIn(frame, event));
      return { row: row.row, button, dot };
    });
    const kept = document.activeElement && strip.contains(document.activeElement) ? [...strip.children].indexOf(document.activeElement) : -1;
    strip.replaceChildren(...linked.map(({ button }) => button));
    if (kept >= 0 && strip.children[kept]) strip.children[kept].focus();
  }
  for (const { row, button } of linked) button.setAttribute("aria-pressed", row === state.row ? "true" : "false");
}

function place(sign, stage, [y, x] = [state.y, state.x]) {
  sign.style.left = `${100 * x / stage.width}%`;
  sign.style.top = `${100 * y / stage.height}%`;
  sign.style.width = `${100 / stage.width}%`;
  sign.style.height = `${100 / stage.height}%`;
}

function point() {
  const stage = stageOf(), map = mapOf();
  const index = state.y * stage.width + state.x;
  for (const sign of [mark, ...linked.map(({ dot }) => dot)]) place(sign, stage);
  reading.replaceChildren(element("strong", {}, shown(valueAt(map, index), map)),
    ` at row ${state.y}, column ${state.x}`);
  const covered = (k, count, size) =>
    `${Math.ceil(k * size / count)} to ${Math.ceil((k + 1) * size / count) - 1}`;
  where.textContent = `Pixels ${covered(state.y, stage.height, photoHeight)} down, ` +
    `${covered(state.x, stage.width, photoWidth)} across, of ${photoHeight} × ${photoWidth}.`;
  here.replaceChildren(...stage.rows.map((row) => {
    const own = row.row === state.row ? map : mapIn(row);
    const cells = own ? [shown(valueAt(own, index), own), plain(own.range[0]), plain(own.range[1])] : ["–", "–", "–"];
    return element("tr", { "aria-current": row.row === state.row ? "true" : null },
      element("th", { scope: "row" }, data.names[row.row][0]), ...cells.map((text) => element("td", {}, text)));
  }));
  view.setAttribute("aria-label", `${data.names[state.row][0]}, ${stage.name.toLowerCase()}, ${map.name}`);
}

function go(y, x) {
  const stage = stageOf();
  const [row, column] = [Math.min(Math.max(y, 0), stage.height - 1), Math.min(Math.max(x, 0), stage.width - 1)];
  if (row === state.y && column === state.x) return;
  [state.y, state.x] = [row, column];
  point();
}

function followIn(frame, event) {
  const box = frame.getBoundingClientRect(), stage = stageOf();
  go(Math.floor((event.clientY - box.top - frame.clientTop) / frame.clientHeight * stage.height),
    Math.floor((event.clientX - box.left - frame.clientLeft) / frame.clientWidth * stage.width));
}

const follow = (event) => followIn(view, event);

view.addEventListener("pointerdown", follow);
view.addEventListener("pointermove", follow);
view.addEventListener("click", () => { if (isReads(state.row)) readHere(); });
view.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const far = event.shiftKey ? FAR : 1;
  const act = {
    ArrowUp: () => go(state.y - far, state.x), ArrowDown: () => go(state.y + far, state.x),
    ArrowLeft: () => go(state.y, state.x - far), ArrowRight: () => go(state.y, state.x + far),
    Home: () => go(state.y, 0), End: () => go(state.y, stageOf().width - 1), Enter: readHere,
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- where a read comes from ---

const isReads = (row) => row.startsWith("reads");
const readAnywhere = Boolean(data.reads && data.reads.anywhere);

function halves(text) {
  const view = new DataView(bytes(text).buffer);
  return Float64Array.from({ length: view.byteLength / 2 }, (_, k) => {
    const word = view.getUint16(2 * k, true), sign = word & 0x8000 ? -1 : 1, power = word >> 10 & 31, part = word & 1023;
    return power ? sign * 2 ** (power - 15) * (1 + part / 1024) : sign * 2 ** -24 * part;
  });
}

function singles(text) {
  const view = new DataView(bytes(text).buffer);
  return Float64Array.from({ length: view.byteLength / 4 }, (_, k) => view.getFloat32(4 * k, true));
}

// What a stage's reads are made of is unpacked when a position is first chosen.
function partsOf(reads) {
  if (!reads.parts) {
    const chunkView = new DataView(bytes(reads.chunk).buffer), initial = singles(reads.initial);
    const chunk = Uint32Array.from({ length: chunkView.byteLength / 4 }, (_, k) => chunkView.getUint32(4 * k, true));
    const members = reads.step.map(() => []);
    chunk.forEach((t, token) => members[t].push(token));
    reads.parts = { queries: halves(reads.queries), keys: halves(reads.keys), values: halves(reads.values), chunk, members,
      initial, gram: singles(reads.gram), m: Math.round(Math.sqrt(initial.length)) };
  }
  return reads.parts;
}

// Shares of W_e y by token, along W_e y, with the sums of M_0, the position's own chunk and the others. From the last write
// that the position sees backwards: b = a + s; a <- keep a - b P; s <- eta b, where P = step k^T k. See docs/reach.md.
function readOf(reads, position) {
  const { queries, keys, values, chunk, members, initial, gram, m } = partsOf(reads);
  const weights = new Float64Array(chunk.length), own = chunk[position];
  let a = queries.slice(position * m, (position + 1) * m), s = new Float64Array(m);
  for (let t = reads.seen[own] - 1; t >= 0; t--) {
    const b = a.map((value, k) => value + s[k]), next = a.map((value) => reads.keep[t] * value);
    for (const token of members[t]) {
      let weight = 0;
      for (let k = 0; k < m; k++) weight += keys[token * m + k] * b[k];
      weight *= reads.step[t];
      weights[token] = weight;
      for (let k = 0; k < m; k++) next[k] -= weight * keys[token * m + k];
    }
    a = next;
    s = b.map((value) => reads.eta[t] * value);
  }
  const start = new Float64Array(m), whole = new Float64Array(m);
  for (let k = 0; k < m; k++) for (let l = 0; l < m; l++) start[l] += a[k] * initial[k * m + l];
  whole.set(start);
  for (let token = 0; token < weights.length; token++) {
    if (weights[token]) for (let k = 0; k < m; k++) whole[k] += weights[token] * values[token * m + k];
  }
  const along = new Float64Array(m);
  for (let k = 0; k < m; k++) for (let l = 0; l < m; l++) along[l] += whole[k] * gram[k * m + l];
  const inner = (vector, at = 0, array = vector) => { let sum = 0; for (let k = 0; k < m; k++) sum += array[at + k] * along[k]; return sum; };
  const size = inner(whole);
  const shares = new Float32Array(weights.length);
  if (!(size > 0)) return { shares, sums: [null, null, null] };
  let [inside, outside] = [0, 0];
  for (let token = 0; token < weights.length; token++) {
    if (!weights[token]) continue;
    const share = weights[token] * inner(null, token * m, values) / size;
    shares[token] = share;
    if (chunk[token] === own) inside += share; else outside += share;
  }
  return { shares, sums: [inner(start) / size, inside, outside] };
}

const largestOf = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// A map of other values, as if it had been stored so; 0 in the middle of its colours.
function replaceMap(map, values, largest) {
  const ends = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  Object.assign(map, { unpacked: values, bits: 32, range: ends, limits: [-largest, largest] });
}

// Reads at a pixel of the image as given, as `--reads ROW,COL` would.
function readAt(row, column) {
  data.reads.at = [row, column];
  data.stages.forEach((stage, index) => {
    const along = (at, of, size, count) => Math.min(Math.floor(Math.floor(at * size / of) / stage.stride), count - 1);
    const [y, x] = [along(row, data.reads.of[0], photoHeight, stage.height), along(column, data.reads.of[1], photoWidth, stage.width)];
    const found = data.reads.models.map((stages) => {
      const made = readOf(stages[index], y * stage.width + x);
      Object.assign(stages[index], { position: [y, x], sums: made.sums });
      return made.shares;
    });
    const shared = Math.max(...found.map(largestOf)) || 1;
    for (const { row: name, maps } of stage.rows.filter((one) => isReads(one.row))) {
      if (name.endsWith("difference")) {
        const difference = found[0].map((value, token) => value - found[1][token]);
        replaceMap(maps[0], difference, largestOf(difference));
      } else replaceMap(maps[0], found[name.endsWith("second") ? 1 : 0], shared);
    }
  });
  for (const [name, words] of Object.entries(data.names)) {
    if (isReads(name)) words[0] = words[0].replace(/^Read at \d+, \d+/, `Read at ${row}, ${column}`);
  }
  sayReads();
  show();
}

// The token that the mark is on, by the pixel of the given image in its middle.
function readHere() {
  if (!readAnywhere) return;
  const stage = stageOf();
  const middle = (at, size, of) => Math.floor((Math.min(stage.stride * (at + 0.5), size - 0.5)) * of / size);
  if (!isReads(state.row)) state.row = "reads";
  readAt(middle(state.y, photoHeight, data.reads.of[0]), middle(state.x, photoWidth, data.reads.of[1]));
}

const readSums = element("tbody");
const readTitle = element("caption", { "aria-live": "polite" });
function sayReads() {
  readTitle.textContent = `Read at row ${data.reads.at[0]}, column ${data.reads.at[1]} of the image as given`;
  const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)}%`.replace("-", "−"));
  readSums.replaceChildren(...data.reads.models.flatMap((stages, which) => stages.map(({ sums }, index) => element("tr", {},
    element("th", { scope: "row" }, `${which ? "second model, " : ""}${data.stages[index].name.toLowerCase()}`),
    ...sums.slice(data.reads.attention ? 1 : 0).map((share) => element("td", {}, percent(share)))))));
}

function readsTable() {
  sayReads();
  const head = ["", ...(data.reads.attention ? [] : ["M_0"]), data.reads.attention ? "own token" : "own chunk", "others"];
  const how = readAnywhere ? element("button", { type: "button", onclick: readHere }, "Read at the marked position") : null;
  return element("div", { class: "reads" }, scrollable("Where the read comes from", element("table", {}, readTitle, element("thead", {},
    element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))), readSums)), how);
}

// --- saving ---

const LARGE = 1024; // pixels on the long side of a saved picture, at least

function fileName(suffix) {
  const part = (text) => text.toLowerCase().replace(/[^a-z0-9.]+/g, "-").replace(/^-|-$/g, "");
  return `${[data.stem.replace(/[\\/:*?"<>|]/g, "-"), part(stageOf().name), part(state.row), part(mapOf().key)].join("-")}.${suffix}`;
}

function save(suffix, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  element("a", { href: url, download: fileName(suffix) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  saved.textContent = `Saved ${fileName(suffix)}.`;
}

// The map as it is seen: over the image by the opacity, with the lines that are shown.
function picture() {
  const factor = Math.max(1, Math.ceil(LARGE / Math.max(photoWidth, photoHeight)));
  const whole = element("canvas", { width: factor * photoWidth, height: factor * photoHeight }), to = whole.getContext("2d");
  const { width, height } = whole;
  to.drawImage(photo, 0, 0, width, height);
  to.imageSmoothingEnabled = false;
  to.globalAlpha = opacity.value / 100;
  to.drawImage(canvas, 0, 0, width, height);
  to.globalAlpha = 1;
  if (outline && outline.style.display !== "none") to.drawImage(outline, 0, 0, width, height);
  if (borders.style.display !== "none") {
    const stage = stageOf();
    for (const [colour, thick] of [["#000", 3], ["#fff", 1]]) {
      to.strokeStyle = colour;
      to.lineWidth = factor * thick;
      for (const line of stage.borders) {
        to.beginPath();
        line.forEach(([x, y], k) => to[k ? "lineTo" : "moveTo"](x * width / stage.width, y * height / stage.height));
        to.stroke();
      }
    }
  }
  return whole;
}

function asSvg() {
  const map = mapOf(), below = 22, wide = Math.max(photoWidth, 160), high = photoHeight * wide / photoWidth;
  const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const words = `${data.names[state.row][0]}, ${stageOf().name}, ${map.name}: ${plain(map.range[0])} to ${plain(map.range[1])}`;
  return `<svg xmlns="${borders.namespaceURI}" viewBox="0 0 ${wide} ${high + below}" width="${wide}" height="${high + below}">` +
    `<image href="${picture().toDataURL("image/png")}" width="${wide}" height="${high}" preserveAspectRatio="none"/>` +
    `<text x="0" y="${high + 15}" font-family="DejaVu Sans, sans-serif" font-size="${Math.min(11, wide / words.length * 1.6)}">` +
    `${escaped(words)}</text></svg>\n`;
}

function asCsv() {
  const stage = stageOf(), map = mapOf();
  return Array.from({ length: stage.height }, (_, y) =>
    Array.from({ length: stage.width }, (_, x) => Number(valueAt(map, y * stage.width + x).toPrecision(8))).join(",")).join("\n") + "\n";
}

// NumPy's format 1.0: float32, rows first.
function asNpy() {
  const stage = stageOf(), map = mapOf(), count = stage.width * stage.height;
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${stage.height}, ${stage.width}), }`;
  const padded = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + "\n";
  const start = new Uint8Array(10 + padded.length);
  start.set([0x93, ...[..."NUMPY"].map((sign) => sign.charCodeAt(0)), 1, 0, padded.length & 255, padded.length >> 8]);
  start.set([...padded].map((sign) => sign.charCodeAt(0)), 10);
  const values = new DataView(new ArrayBuffer(4 * count));
  for (let index = 0; index < count; index++) values.setFloat32(4 * index, valueAt(map, index), true);
  return [start, values.buffer];
}

const saved = element("output", { class: "quiet", "aria-live": "polite" });
const saving = element("div", { class: "controls", role: "group", "aria-label": "Save this map" },
  ...[
    ["PNG", () => picture().toBlob((blob) => save("png", [blob], "image/png"))],
    ["SVG", () => save("svg", [asSvg()], "image/svg+xml")],
    ["CSV", () => save("csv", [asCsv()], "text/csv")],
    ["NPY", () => save("npy", asNpy(), "application/octet-stream")],
  ].map(([name, act]) => element("button", { type: "button", onclick: act, "aria-label": `Save as ${name}` }, name)), saved);

// --- the page ---

const scrolled = (title, head, body) => scrollable(title,
  element("table", {}, element("caption", {}, title), element("thead", {}, element("tr", {},
    ...head.map((text, column) => element("th", { scope: "col", class: column ? null : "text" }, text)))), body));

const kept = data.stages.map((stage) => {
  const found = Math.max(...stage.rows.map((row) => row.maps.filter(({ key }) => key.startsWith("channel ")).length));
  return found === stage.channels ? `${stage.name.toLowerCase()}: all ${found}` : `${stage.name.toLowerCase()}: ${found} of ${stage.channels}`;
});

page.append(element("header", {}, element("h1", {}, data.title),
  data.stamp ? element("p", { class: "stamp" }, data.stamp) : null));
const label = (title, control) => element("label", {}, element("span", {}, title), control);
section("maps", "Maps").append(element("div", { class: "explorer" },
  element("figure", {}, view, reading, where, element("div", { class: "bar" }, ramp, element("div", {}, least, most)), spread),
  element("div", {},
    element("fieldset", {}, element("legend", {}, "What is shown"), label("Stage", stagePick), label("Row", rowPick),
      label("Map", mapPick), label("Opacity", opacity), outlinePick ? label("Mask outline", outlinePick) : null,
      bordersPick ? label("Chunk borders", bordersPick) : null),
    element("fieldset", {}, element("legend", {}, "Save this map"), saving),
    stageWords,
    data.reads ? readsTable() : null,
    scrolled("At this position", ["row", "value", "least", "largest"], here))),
  element("h3", {}, "All rows"), strip,
  element("p", { class: "note", id: "keys" }, "Point at the map, touch it, or move over it with the arrow keys (with Shift " +
    `${FAR} positions at once, Home and End to the row's ends). The bar is the colour scale; the opacity lets the image through. ` +
    "Saved pictures show the map as it is seen; CSV and NPY hold its values, row by row."),
  data.reads ? element("p", { class: "note" }, readAnywhere
    ? "Click on the row of reads, or press Enter, to see where the read of the marked position comes from, in every stage. " +
      "Shares of positions chosen here are computed from half-precision values and may be off by a thousandth."
    : data.reads.attention ? "The row of reads shows attention at the ringed position."
    : "The row of reads shows the ringed position alone: what all others are made of is too much for a page of this size; " +
      "draw the image smaller to choose positions here.") : null,
  element("p", { class: "note" }, "Maps over channels are kept in 65 536 steps between their least and largest value, single " +
    `channels in 256; no more digits are shown. Single channels: those that vary most over positions (${kept.join(", ")})` +
    `${data.separateModel ? "; a separate local-only model has its own, which correspond to none of the others" : ""}.`));

if (data.measures.length) {
  const body = element("tbody", {}, ...data.measures.map(([name, values]) => element("tr", {},
    element("th", { scope: "row" }, name), ...values.map((text) => element("td", {}, text)))));
  const against = data.measuredBy === "mask" ? "a mask of the object" : "image gradients, flat areas being taken for background";
  section("numbers", "In numbers").append(
    scrolled("What the gate does", ["", ...data.stages.map(({ name }) => name.toLowerCase())], body),
    element("p", { class: "note" }, `Measured against ${against}. Background suppression and edge contrast: the energy (rms over ` +
      "channels) of one region over another's, before the gate → after it, and by how much that changed; ×1 is a gate that " +
      "treats both alike. Each factor is a part of the channels (the same gate with its positions permuted) times a part " +
      "of the places. By chance: the place part of the same gate laid elsewhere on the image, 95 % of 200 draws; a place " +
      "part in this range shows nothing."));
}

section("about", "How it was made").append(
  ...data.notes.map((line) => element("p", {}, line)),
  element("dl", {}, ...data.about.flatMap(([what, value]) => [element("dt", {}, what), element("dd", {}, value)])));
show();
