// --- figures ---

function fixed(value, decimals = 4) {
  return value === null || value === undefined ? "–" : value.toFixed(decimals).replace("-", "−");
}

function signed(value, decimals = 4) {
  return value > 0 ? `+${fixed(value, decimals)}` : fixed(value, decimals);
}

// Whether an interval leaves out 0.
function beyond({ low, high }) {
  return low !== null && (low > 0 || high < 0);
}

// --- plots ---

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function niceTicks(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return { ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
