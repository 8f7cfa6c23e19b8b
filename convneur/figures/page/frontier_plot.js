// --- accuracy over cost: published models, their frontier, and what is compared with it ---

function costWords(cost, unit) {
  return `${cost >= 1000 ? Math.round(cost).toLocaleString("en").replaceAll(",", " ") : +cost.toPrecision(4)} ${unit}`;
}

function peerName(model, size) {
  return size === null || size === undefined || size === 224 ? model : `${model} at ${size}`;
}

function frontierPlot(found) {
  const width = 900, height = 520, left = 56, right = 24, top = 16, bottom = 48;
  const all = [...found.peers, ...found.models];
  const costs = all.map((one) => one.cost), accuracies = all.map((one) => one.accuracy);
  const [cheap, dear] = [Math.log(Math.min(...costs) / 1.15), Math.log(Math.max(...costs) * 1.15)];
  const low = Math.min(...accuracies) - 0.6, high = Math.max(...accuracies) + 0.8;
  const share = (cost) => (Math.log(cost) - cheap) / (dear - cheap);
  const x = (cost) => left + (found.rises ? 1 - share(cost) : share(cost)) * (width - left - right);
  const y = (accuracy) => top + (high - accuracy) / (high - low) * (height - top - bottom);
  const tip = element("p", { class: "frontier-tip quiet", "aria-live": "polite" },
    "Point at a mark, or move to it with the tab key, to read what it is.");
  const picture = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `ImageNet-1K top-1 in percent over ${found.axis}` });

  for (const tick of found.ticks.filter((tick) => share(tick) > 0 && share(tick) < 1)) {
    picture.append(drawn("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - bottom }),
      drawn("text", { class: "quiet", x: x(tick), y: height - bottom + 18, "text-anchor": "middle" }, String(tick)));
  }
  const { ticks, decimals } = niceTicks(low, high, 10);
  for (const tick of ticks) {
    picture.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
      drawn("text", { class: "quiet", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, tick.toFixed(decimals)));
  }
  picture.append(drawn("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" },
    `${found.axis} (log scale)`), drawn("text", { x: 14, y: (top + height - bottom) / 2, "text-anchor": "middle",
    transform: `rotate(-90 14 ${(top + height - bottom) / 2})` }, "ImageNet-1K top-1, %"));

  const steps = found.frontier.flatMap((point, index) => [
    ...(index ? [`${x(point.cost)},${y(found.frontier[index - 1].accuracy)}`] : []), `${x(point.cost)},${y(point.accuracy)}`]);
  steps.push(`${width - right},${y(found.frontier.at(-1).accuracy)}`);
  picture.append(drawn("polyline", { class: "curve", points: steps.join(" ") }));

  const told = (mark, words) => {
    mark.append(drawn("title", {}, words));
    for (const event of ["pointerenter", "focus", "click"]) {
      mark.addEventListener(event, () => { tip.textContent = words; tip.classList.remove("quiet"); });
    }
    return mark;
  };
  for (const peer of found.peers) {
    const kind = `mark peer${peer.distilled ? " taught" : ""}${peer.on_frontier ? " best" : ""}`;
    const words = `${peerName(peer.name, peer.size)}: ${peer.accuracy} % at ${costWords(peer.cost, found.unit)}`
      + `${peer.on_frontier ? ", on the frontier" : ""}${peer.distilled ? ", trained with a teacher" : ""}`;
    const focus = peer.on_frontier ? { tabindex: "0" } : {};
    picture.append(told(markOf(peer, x(peer.cost), y(peer.accuracy), { class: kind, ...focus }), words));
  }
  found.models.forEach((model, index) => {
    const [cx, cy] = [x(model.cost), y(model.accuracy)];
    if (model.points_below) {
      const end = y(model.frontier_accuracy);
      picture.append(drawn("line", { class: "gap", x1: cx, x2: cx, y1: cy, y2: end }),
        drawn("text", { class: "gap-words", x: cx + 6, y: (cy + end) / 2 + 4 }, signed(-model.points_below, 2)));
    }
    picture.append(told(drawn("circle", { class: "mark own", cx, cy, r: 7, tabindex: "0" }), found.headlines[index]),
      drawn("text", { class: "own-name", x: cx + 9, y: cy + 15 }, model.name));
  });
  return element("figure", {}, scrollable("Accuracy over cost", picture), frontierKey(found), tip);
}

// A published model at 224 is a dot, at another size a square; with a teacher, hollow and pointed.
function markOf(peer, cx, cy, attributes) {
  if (peer.distilled) return drawn("path", { d: `M${cx} ${cy - 5}l5 9h-10z`, ...attributes });
  if (peer.size !== 224) return drawn("rect", { x: cx - 3.7, y: cy - 3.7, width: 7.4, height: 7.4, ...attributes });
  return drawn("circle", { cx, cy, r: 4.2, ...attributes });
}

function frontierKey(found) {
  const entry = (mark, words) => {
    const picture = drawn("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" });
    picture.append(mark);
    return element("li", {}, picture, words);
  };
  const like = (size, distilled, best) => markOf({ size, distilled }, 7, 7,
    { class: `peer${distilled ? " taught" : ""}${best ? " best" : ""}` });
  const has = (test) => found.peers.some(test);
  return element("ul", { class: "key" },
    ...(found.models.length ? [entry(drawn("circle", { class: "own", cx: 7, cy: 7, r: 6 }), "compared")] : []),
    entry(like(224, false, true), "published, on the frontier"),
    entry(like(224, false, false), "published, at 224 px"),
    ...(has((peer) => peer.size !== 224) ? [entry(like(0, false, false), "at another size")] : []),
    ...(has((peer) => peer.distilled) ? [entry(like(224, true, false), "trained with a teacher")] : []));
}

function frontierTable(found) {
  const heads = ["model", "top-1 %", found.unit, "points below", "frontier model", "cost ratio", "cheapest as accurate"];
  const rows = found.models.map((model) => element("tr", {}, element("th", { scope: "row" }, model.name),
    element("td", {}, String(model.accuracy)), element("td", {}, costWords(model.cost, "")),
    element("td", {}, fixed(model.points_below, 2)),
    element("td", { class: "text long" }, model.frontier_model === null ? "–"
      : `${peerName(model.frontier_model, model.frontier_size)} (${model.frontier_accuracy} at `
        + `${costWords(model.frontier_cost, found.unit)})`),
    element("td", {}, model.cost_ratio === null ? "–" : fixed(model.cost_ratio, 2)),
    element("td", { class: "text long" }, model.cheapest_model === null ? "–"
      : `${peerName(model.cheapest_model, model.cheapest_size)} (${costWords(model.cheapest_cost, found.unit)})`)));
  return scrollable("Beside the frontier", element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head, index) =>
      element("th", { scope: "col", class: [0, 4, 6].includes(index) ? "text" : null }, head)))),
    element("tbody", {}, ...rows)));
}
