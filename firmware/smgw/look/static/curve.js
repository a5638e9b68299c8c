// The plot on a register's page. Everything else of the pages works without this file.
"use strict";

(() => {
  const box = document.getElementById("plot");
  // The page gives the texts in its language.
  const words = JSON.parse(box.dataset.words);
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const said = (text, value) => words[text].replace("{}", value);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const HEIGHT = 340;
  const width = () => {
    const style = getComputedStyle(box);
    return box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  };
  // What was used is compared with nothing used.
  const fromZero = (plot, low, high) => uPlot.rangeNum(Math.min(low ?? 0, 0), Math.max(high ?? 1, 0), 0.1, true);

  // Tick texts for an axis whose days and hours are the zone's: least distance, text, text where year or day changes.
  const day = "\n" + words["{YYYY}-{MM}-{DD}"];
  const TICKS = [
    [86400 * 28, words["{YYYY}-{MM}"], null, null, null, null, null, null, 1],
    [86400, words["{MM}-{DD}"], "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", day, null, day, null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", day, null, day, null, null, null, 1],
    [0.001, "{ss}.{fff}", day, null, day, null, null, null, 1],
  ];

  // All of it, unless what there is fills less than a quarter; "Whole" shows all of it then.
  function beginning(curve) {
    const first = curve.time[0], last = curve.time[curve.time.length - 1], margin = (last - first) / 20;
    return curve.time.length < 2 || (last - first) * 4 > curve.to - curve.from
      ? { min: curve.from, max: curve.to }
      : { min: Math.max(curve.from, first - margin), max: Math.min(curve.to, last + margin) };
  }

  function options(curve, clock) {
    const axis = () => ({
      stroke: colour("--soft"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
      font: "13px system-ui, sans-serif",
    });
    const unit = curve.unit ? " " + curve.unit : "";
    const told = (plot, value, series, index) =>
      index === null || index === undefined ? "–" : curve.value[index] === null ? words.missing : curve.value[index].replace(".", words["."]) + unit;
    return {
      width: width(),
      height: HEIGHT,
      padding: [12, 36, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), curve.zone),
      scales: { x: beginning(curve), y: curve.as === "interval" ? { range: fromZero } : {} },
      cursor: { drag: { x: true, y: false } },
      axes: [
        { ...axis(), values: TICKS, space: 70 },
        { ...axis(), values: (plot, splits) => splits.map(number.format), size: 84, label: curve.unit || undefined, labelSize: 22, labelFont: "13px system-ui, sans-serif" },
      ],
      series: [
        { label: words.Time, value: (plot, seconds) => (seconds === null ? "–" : clock.format(new Date(seconds * 1000))) },
        {
          label: box.dataset.name,
          value: told,
          stroke: colour("--accent"),
          fill: curve.as === "interval" ? colour("--accent-back") : undefined,
          width: 1.5,
          spanGaps: false,
          paths: curve.as === "interval" ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { size: 5 },
        },
        {
          label: words["Clock not valid"],
          value: (plot, value, series, index) => (value === null || value === undefined ? "–" : told(plot, value, series, index)),
          stroke: "transparent",
          width: 0,
          paths: () => null,
          points: { show: true, size: 7, stroke: colour("--bad"), fill: colour("--bad-back") },
        },
      ],
    };
  }

  // An interval's step ends where the next begins; a last one needs an end.
  function data(curve) {
    const times = curve.time.slice();
    const values = curve.value.map((text) => (text === null ? null : Number(text)));
    const doubtful = values.map((value, index) => (curve.time_valid[index] ? null : value));
    if (curve.as === "interval" && times.length && values[values.length - 1] !== null) {
      times.push(times[times.length - 1] + curve.period);
      values.push(values[values.length - 1]);
      doubtful.push(null);
    }
    return [times, values, doubtful];
  }

  function buttons(plot, curve) {
    const show = (min, max) => plot.setScale("x", { min, max });
    const move = (factor, shift) => {
      const { min, max } = plot.scales.x;
      const middle = (min + max) / 2 + shift * (max - min);
      const half = Math.max(((max - min) * factor) / 2, 5);
      show(Math.max(curve.from, middle - half), Math.min(curve.to, middle + half));
    };
    const actions = [
      ["Zoom in", "+", () => move(0.5, 0)],
      ["Zoom out", "-", () => move(2, 0)],
      ["Earlier", "ArrowLeft", () => move(1, -0.25)],
      ["Later", "ArrowRight", () => move(1, 0.25)],
      ["Whole", "0", () => show(curve.from, curve.to)],
    ];
    const bar = document.createElement("div");
    bar.className = "zoom";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", words["Zoom of the plot"]);
    for (const [text, key, act] of actions) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words[text];
      button.title = said("Key {} while the plot has the focus", key);
      button.addEventListener("click", act);
      bar.append(button);
    }
    box.tabIndex = 0;
    box.onkeydown = (event) => {
      const found = event.target === box && actions.find(([, key]) => key === event.key || (key === "+" && event.key === "="));
      if (found && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        found[2]();
      }
    };
    return bar;
  }

  function draw(curve) {
    const clock = new Intl.DateTimeFormat(words["sv-SE"], {
      timeZone: curve.zone, dateStyle: "short", timeStyle: "medium",
    });
    box.replaceChildren();
    const plot = new uPlot(options(curve, clock), data(curve), box);
    const canvas = box.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", box.dataset.label);
    box.append(buttons(plot, curve));
    box.plot = plot;
    return plot;
  }

  async function start() {
    // With the origin spelt out, a password in the address bar does no harm.
    const answer = await fetch(location.origin + box.dataset.curve, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(await answer.text());
    const curve = await answer.json();
    let plot = draw(curve);
    new ResizeObserver(() => {
      if (width() !== plot.width) plot.setSize({ width: width(), height: HEIGHT });
    }).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      plot.destroy();
      plot = draw(curve);
    });
    box.dataset.ready = "yes";
  }

  start().catch((error) => {
    const text = document.createElement("p");
    text.className = "soft";
    text.textContent = said("The plot could not be drawn ({}); the table below holds the same values.", error.message.trim());
    box.replaceChildren(text);
  });
})();
