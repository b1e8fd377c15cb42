/* Draws each panel when it is about to be seen, in the colours of the page; tells about the points of a panel. A served
   page asks for news, and takes them over where the reader is. */
"use strict";
(() => {
  const POLL_MS = 3000;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const buttons = { scatter: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], parcoords: [["toImage"]] };
  const drawn = new Set();
  const hidden = new Map();  // panel to the names that its legend hides
  let content = JSON.parse(document.getElementById("content").textContent);

  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const plotOf = (panel) => panel.querySelector(".plot");
  const panels = () => [...document.querySelectorAll(".panel")];

  function themed(layout) {
    const made = structuredClone(layout);
    const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line") };
    for (const name of ["xaxis", "yaxis"]) if (made[name]) Object.assign(made[name], axis);
    made.paper_bgcolor = made.plot_bgcolor = colour("--card");
    made.font = { color: colour("--text"), size: 12, family: getComputedStyle(document.body).fontFamily };
    made.hoverlabel = { bgcolor: colour("--page"), bordercolor: colour("--line"), font: { color: colour("--text"), size: 12 }, align: "left" };
    made.modebar = { bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: colour("--text") };
    if (coarse && made.xaxis) made.margin.t = 12;  // no buttons above the plot
    made.dragmode = coarse ? false : "zoom";
    made.uirevision = "kept";  // what the reader has zoomed or brushed stays when there are news
    return made;
  }

  function told(entries, place) {
    const lines = place < 0 ? ["a point that the run did not evaluate"] : entries[place].lines;
    return lines.map(escaped).join("<br>");
  }

  function figureOf(panel) {
    const figure = content.figures[Number(panel.dataset.figure)];
    const entries = content.entries[Number(panel.dataset.part)];
    const off = hidden.get(panel.dataset.key) ?? new Set();
    for (const [place, trace] of figure.data.entries()) {
      if (trace.points) {
        trace.text = trace.points.map((point) => told(entries, point));
        trace.customdata = trace.points;
        delete trace.points;
      }
      trace.visible = !off.has(place);
    }
    const kind = figure.data[0].type === "parcoords" ? "parcoords" : "scatter";
    const config = { responsive: true, displaylogo: false, displayModeBar: !coarse, showTips: false, modeBarButtons: buttons[kind] };
    return [figure.data, themed(figure.layout), config];
  }

  function show(panel, entry) {
    const box = panel.querySelector(".told");
    box.textContent = entry.lines.join(" · ") + " ";
    if (!entry.link) return;
    const link = document.createElement("a");
    Object.assign(link, { href: entry.link, target: "_blank", rel: "noopener", textContent: "run directory" });
    box.append(link);
    if (!coarse) window.open(entry.link, "_blank", "noopener");
  }

  function draw(panel) {
    if (drawn.has(panel)) return;
    drawn.add(panel);
    const plot = plotOf(panel);
    Plotly.newPlot(plot, ...figureOf(panel));
    plot.on("plotly_click", (event) => {
      const now = plot.closest(".panel"), place = event.points[0].customdata;
      if (Number.isInteger(place) && place >= 0) show(now, content.entries[Number(now.dataset.part)][place]);
    });
  }

  const redraw = (panel) => Plotly.react(plotOf(panel), ...figureOf(panel));
  const watch = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) { watch.unobserve(one.target); draw(one.target); }
  }, { rootMargin: "300px" });

  function prepare(panel) {
    const off = hidden.get(panel.dataset.key) ?? new Set();
    hidden.set(panel.dataset.key, off);
    panel.querySelectorAll(".legend button").forEach((button) => {
      const place = Number(button.dataset.trace);
      button.setAttribute("aria-pressed", String(!off.has(place)));
      button.addEventListener("click", () => {
        if (!off.delete(place)) off.add(place);
        button.setAttribute("aria-pressed", String(!off.has(place)));
        redraw(panel);
      });
    });
    if (drawn.has(panel)) redraw(panel); else watch.observe(panel);
  }

  function takeOver(news) {
    const made = document.createElement("main"), old = new Map(panels().map((panel) => [panel.dataset.key, panel]));
    made.innerHTML = news.html;
    content = news.content;
    for (const panel of made.querySelectorAll(".panel")) {
      const before = old.get(panel.dataset.key);
      if (!drawn.has(before)) continue;
      drawn.add(panel);
      plotOf(before).style.cssText = plotOf(panel).style.cssText;
      for (const part of [".plot", ".told"]) panel.querySelector(part).replaceWith(before.querySelector(part));
    }
    old.forEach((panel) => { drawn.delete(panel); watch.unobserve(panel); });
    const place = window.scrollY;
    document.querySelector("main").replaceWith(made);
    panels().forEach(prepare);
    window.scrollTo(0, place);
  }

  async function poll(seen) {
    const note = document.getElementById("live");
    try {
      const answer = await fetch(`${document.body.dataset.live}?seen=${seen}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(await answer.text());
      if (answer.status === 200) {
        const news = await answer.json();
        seen = news.seen;
        takeOver(news);
      }
      note.textContent = "";
    } catch (error) {
      note.textContent = error instanceof TypeError ? "The server has ended: this is the run as it was then." : error.message;
    }
    setTimeout(() => poll(seen), POLL_MS);
  }

  panels().forEach(prepare);
  window.addEventListener("beforeprint", () => panels().forEach(draw));
  dark.addEventListener("change", () => panels().filter((panel) => drawn.has(panel)).forEach(redraw));
  if (document.body.dataset.live) poll("");
})();
