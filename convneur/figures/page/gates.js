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
const mapIn = (row) => row.maps.find(({ key }) => key === state.map) || (row.maps.length === 1 ? row.maps[0] : null);
const mapOf = () => mapIn(rowOf()) || rowOf().maps[0]; // a row that lacks the chosen map shows its first one
const tables = Object.fromEntries(Object.entries(data.colours).map(([name, text]) => [name, bytes(text)]));

// --- what is there ---

const [photoHeight, photoWidth] = data.size;
const photo = element("img", { src: data.photo, alt: "", draggable: "false" });
const canvas = element("canvas"), mark = element("div", { class: "mark" });
const outline = data.outline ? element("img", { src: data.outline, alt: "", draggable: "false" }) : null;
const drawn = element("template");
drawn.innerHTML = '<svg preserveAspectRatio="none" aria-hidden="true"><path class="under"/><path class="over"/></svg>';
const borders = drawn.content.firstChild;
const view = element("div", { class: "view", id: "view", tabindex: "0", role: "application", "aria-describedby": "keys" },
  photo, canvas, outline, borders, mark);
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
  options(stagePick, [[null, data.stages.map((one, index) => [index, `Stage ${one.stage}`])]], state.stage);
  options(rowPick, [[null, stage.rows.map((one) => [one.row, `${data.names[one.row][0]}: ${data.names[one.row][1]}`])]],
    state.row);
  const named = (over) => row.maps.filter(({ key }) => key.startsWith("channel ") !== over).map(({ key, name }) => [key, name]);
  options(mapPick, [["Over channels", named(true)], ["Single channels", named(false)]], map.key);

  canvas.width = stage.width;
  canvas.height = stage.height;
  const pixels = new ImageData(stage.width, stage.height), found = codes(map);
  const scaled = map.logarithmic ? (value) => Math.log(Math.max(value, map.limits[0])) : (value) => value;
  const [low, high] = map.limits.map(scaled);
  const colour = (value) => 3 * (high > low
    ? Math.min(Math.max(Math.floor((scaled(value) - low) / (high - low) * 256), 0), 255) : 128);
  const paint = (target, index, value) => {
    const at = colour(value);
    target.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * index);
  };
  for (let index = 0; index < found.length; index++) paint(pixels, index, valueAt(map, index));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  borders.setAttribute("viewBox", `0 0 ${stage.width} ${stage.height}`);
  const lines = stage.borders.map((line) => `M${line.map(([x, y]) => `${x} ${y}`).join("L")}`).join("");
  for (const path of borders.children) path.setAttribute("d", lines);
  canvas.style.opacity = opacity.value / 100;
  const bar = new ImageData(256, 1);
  for (let k = 0; k < 256; k++) {
    const at = low + (high - low) * (k + 0.5) / 256;
    paint(bar, k, map.logarithmic ? Math.exp(at) : at);
  }
  ramp.getContext("2d").putImageData(bar, 0, 0);
  least.textContent = plain(map.limits[0]);
  most.textContent = plain(map.limits[1]);
  spread.textContent = `This map: least ${plain(map.range[0])}, largest ${plain(map.range[1])}.` +
    (map.logarithmic ? " Colours are by the logarithm." : "");
  stageWords.textContent = stage.words;
  point();
}

function point() {
  const stage = stageOf(), map = mapOf();
  const index = state.y * stage.width + state.x;
  mark.style.left = `${100 * state.x / stage.width}%`;
  mark.style.top = `${100 * state.y / stage.height}%`;
  mark.style.width = `${100 / stage.width}%`;
  mark.style.height = `${100 / stage.height}%`;
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
  view.setAttribute("aria-label", `${data.names[state.row][0]}, stage ${stage.stage}, ${map.name}`);
}

function go(y, x) {
  const stage = stageOf();
  const [row, column] = [Math.min(Math.max(y, 0), stage.height - 1), Math.min(Math.max(x, 0), stage.width - 1)];
  if (row === state.y && column === state.x) return;
  [state.y, state.x] = [row, column];
  point();
}

function follow(event) {
  const box = view.getBoundingClientRect(), stage = stageOf();
  go(Math.floor((event.clientY - box.top - view.clientTop) / view.clientHeight * stage.height),
    Math.floor((event.clientX - box.left - view.clientLeft) / view.clientWidth * stage.width));
}

view.addEventListener("pointerdown", follow);
view.addEventListener("pointermove", follow);
view.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const far = event.shiftKey ? FAR : 1;
  const act = {
    ArrowUp: () => go(state.y - far, state.x), ArrowDown: () => go(state.y + far, state.x),
    ArrowLeft: () => go(state.y, state.x - far), ArrowRight: () => go(state.y, state.x + far),
    Home: () => go(state.y, 0), End: () => go(state.y, stageOf().width - 1),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- the page ---

const scrolled = (title, head, body) => scrollable(title,
  element("table", {}, element("caption", {}, title), element("thead", {}, element("tr", {},
    ...head.map((text, column) => element("th", { scope: "col", class: column ? null : "text" }, text)))), body));

const kept = data.stages.map((stage) => {
  const found = Math.max(...stage.rows.map((row) => row.maps.filter(({ key }) => key.startsWith("channel ")).length));
  return found === stage.channels ? `stage ${stage.stage}: all ${found}` : `stage ${stage.stage}: ${found} of ${stage.channels}`;
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
    stageWords,
    scrolled("At this position", ["row", "value", "least", "largest"], here))),
  element("p", { class: "note", id: "keys" }, "Point at the map, touch it, or move over it with the arrow keys (with Shift " +
    `${FAR} positions at once, Home and End to the row's ends). The bar is the colour scale; the opacity lets the image through.`),
  element("p", { class: "note" }, "Maps over channels are kept in 65 536 steps between their least and largest value, single " +
    `channels in 256; no more digits are shown. Single channels: those that vary most over positions (${kept.join(", ")})` +
    `${data.separateModel ? "; a separate local-only model has its own, which correspond to none of the others" : ""}.`));

if (data.measures.length) {
  const body = element("tbody", {}, ...data.measures.map(([name, values]) => element("tr", {},
    element("th", { scope: "row" }, name), ...values.map((text) => element("td", {}, text)))));
  const against = data.measuredBy === "mask" ? "a mask of the object" : "image gradients, flat areas being taken for background";
  section("numbers", "In numbers").append(
    scrolled("What the gate does", ["", ...data.stages.map(({ stage }) => `stage ${stage}`)], body),
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
