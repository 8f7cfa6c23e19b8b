"use strict";
// Everything shown comes from the JSON in the page. Text is only ever set as text, so no name can become markup.
const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function section(id, title) {
  const made = element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title));
  page.append(made);
  return made;
}

// A table, or whatever may be wider than the page.
function scrollable(label, wide) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, wide);
}
