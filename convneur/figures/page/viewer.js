const MOST_ZOOM = 32;

// Views of one picture, which zoom and move together. size: [height, width] in pixels; spots: the places of its errors,
// [y, x, tall, wide]. Of what it gives, `view` makes a panel of layers, and calls `shown` with the width in pixels that
// the whole picture has on the screen; `start` is called when all panels are made.
function linkedViews([height, width], spots) {
  const views = [];
  const state = { scale: 1, x: 0, y: 0, spot: -1 }; // x, y: the corner of what is seen, as shares of the picture
  const said = element("span", { class: "quiet", role: "status" });

  function view(title, layers, { paled = false, shown = () => {} } = {}) {
    const stack = element("div", { class: paled ? "stack paled" : "stack" }, ...layers);
    const made = element("div", { class: "view", tabindex: "0", role: "application",
      "aria-label": `${title}: plus and minus zoom, arrows move, 0 shows the whole, n the next error` }, stack);
    made.style.aspectRatio = `${width} / ${height}`;
    views.push({ view: made, stack, shown });
    listen(made);
    return made;
  }

  function show() {
    const room = 1 - 1 / state.scale;
    state.x = Math.min(Math.max(state.x, 0), room);
    state.y = Math.min(Math.max(state.y, 0), room);
    for (const { view, stack, shown } of views) {
      stack.style.transform =
        `scale(${state.scale}) translate(${-100 * state.x}%, ${-100 * state.y}%)`;
      view.classList.toggle("zoomed", state.scale > 1);
      shown(view.clientWidth * state.scale);
    }
    out.disabled = whole.disabled = state.scale === 1;
    into.disabled = state.scale >= MOST_ZOOM;
    said.textContent = state.scale === 1 ? "" : `${Number(state.scale.toFixed(1))}×`;
  }

  function zoom(factor, atX = 0.5, atY = 0.5) { // around a point of the view, given as shares of it
    const scale = Math.min(Math.max(state.scale * factor, 1), MOST_ZOOM);
    state.x += atX / state.scale - atX / scale;
    state.y += atY / state.scale - atY / scale;
    state.scale = scale;
    show();
  }

  function move(x, y) { state.x += x / state.scale; state.y += y / state.scale; show(); }

  function reset() { Object.assign(state, { scale: 1, x: 0, y: 0, spot: -1 }); show(); }

  function nextError() {
    if (!spots.length) return;
    state.spot = (state.spot + 1) % spots.length;
    const [y, x, tall, wide] = spots[state.spot];
    state.scale = Math.min(height / tall, width / wide, MOST_ZOOM);
    state.x = (x + wide / 2) / width - 0.5 / state.scale;
    state.y = (y + tall / 2) / height - 0.5 / state.scale;
    show();
    said.textContent += `, error place ${state.spot + 1} of ${spots.length}`;
  }

  function listen(view) {
    let held = null;
    view.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      held = { x: event.clientX, y: event.clientY, moved: false };
      if (state.scale > 1) view.setPointerCapture(event.pointerId);
    });
    view.addEventListener("pointermove", (event) => {
      if (!held || state.scale === 1) return;
      const box = view.getBoundingClientRect();
      if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 4) return;
      move((held.x - event.clientX) / box.width, (held.y - event.clientY) / box.height);
      held = { x: event.clientX, y: event.clientY, moved: true };
    });
    view.addEventListener("pointercancel", () => { held = null; });
    view.addEventListener("pointerup", (event) => {
      if (held && !held.moved) {
        const box = view.getBoundingClientRect();
        const [atX, atY] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        // What was clicked comes to the middle, unless that is beyond the edge.
        state.x += (atX - 0.5) / state.scale;
        state.y += (atY - 0.5) / state.scale;
        zoom(event.shiftKey ? 1 / 2 : state.scale === 1 ? 4 : 2);
      }
      held = null;
    });
    const keys = {
      "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(1 / 2), "0": reset, "Escape": reset, "n": nextError,
      "Enter": () => zoom(2),
      "ArrowLeft": () => move(-0.25, 0), "ArrowRight": () => move(0.25, 0),
      "ArrowUp": () => move(0, -0.25), "ArrowDown": () => move(0, 0.25),
    };
    view.addEventListener("keydown", (event) => {
      const act = keys[event.key];
      const scrolls = event.key.startsWith("Arrow") && state.scale === 1; // nothing to move: the page scrolls
      if (!act || scrolls || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  const button = (title, act) => element("button", { type: "button", onclick: act }, title);
  const into = button("Zoom in", () => zoom(2)), out = button("Zoom out", () => zoom(1 / 2));
  const whole = button("Whole", reset), next = button("Next error", nextError);
  next.disabled = !spots.length;

  function start() {
    show();
    addEventListener("resize", show);
    requestAnimationFrame(show); // widths are known once it is in the page
  }

  return { view, start, controls: element("div", { class: "controls" }, into, out, whole, next, said) };
}
