// --- the page ---

page.append(element("h1", {}, data.title),
  ...data.frontier.headlines.map((line) => element("p", {}, line)), frontierPlot(data.frontier));
if (data.frontier.models.length) section("models", "Beside the frontier").append(frontierTable(data.frontier));
section("on-it", "On the frontier").append(scrollable("On the frontier", element("table", {},
  element("thead", {}, element("tr", {}, element("th", { scope: "col", class: "text" }, "model"),
    element("th", { scope: "col" }, "top-1 %"), element("th", { scope: "col" }, data.frontier.unit))),
  element("tbody", {}, ...data.frontier.frontier.map((point) => element("tr", {},
    element("th", { scope: "row" }, peerName(point.name, point.size)), element("td", {}, String(point.accuracy)),
    element("td", {}, costWords(point.cost, ""))))))));
section("meaning", "What the values are").append(...data.frontier.words.map((line) => element("p", {}, line)));
