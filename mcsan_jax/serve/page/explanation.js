// Draws why: the graph of a query, and which of its phrases met which frame.

import { button, drawn, element, figure } from "./elements.js";

const ROW = 34, COLUMN = 118, GAP = 92, LONGEST = 15;

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** Draws the graphs of all steps of a query and of what a video should not have, each under its words where there are several. */
export function queryGraphs(steps, negatives) {
  const told = steps.length + negatives.length > 1;
  const drawnOf = (part, words) =>
    element("div", { class: "part" }, told ? element("h4", {}, element("span", {}, words), part.text) : null, queryGraph(part));
  return [
    ...steps.map((step, index) => drawnOf(step, index ? "then " : "")),
    ...negatives.map((negative) => drawnOf(negative, "without ")),
  ];
}

/** Draws the graph of a part of a query: actions on the left, entities on the right, roles between them. */
export function queryGraph(graph) {
  const actions = graph.nodes.action ?? [], entities = graph.nodes.entity ?? [];
  if (!actions.length && !entities.length) {
    return element("p", { class: "faint" }, "No entity and no action was found in it; the sentence counts as a whole.");
  }
  const rows = Math.max(actions.length, entities.length), width = 2 * COLUMN + GAP;
  const places = new Map();
  const nodes = [["action", actions, 0], ["entity", entities, actions.length ? COLUMN + GAP : 0]].flatMap(([level, phrases, x]) =>
    phrases.map((phrase, index) => {
      const y = (index + 0.5) * ROW + ((rows - phrases.length) * ROW) / 2;
      places.set(phrase, { x, y });
      return drawn(
        "g",
        { class: `node ${level}`, "data-phrase": phrase },
        drawn("title", {}, `${level}: ${phrase}`),
        drawn("rect", { x: x + 1, y: y - 12, width: COLUMN - 2, height: 24, rx: level === "action" ? 12 : 4 }),
        drawn("text", { x: x + COLUMN / 2, y: y + 4 }, short(phrase)),
      );
    }),
  );
  const edges = graph.edges.flatMap(([source, role, target]) => {
    const from = places.get(source), to = places.get(target);
    if (!from || !to) return [];
    const [left, right] = from.x <= to.x ? [from, to] : [to, from];
    const x1 = left.x === right.x ? left.x + COLUMN / 2 : left.x + COLUMN;
    const x2 = left.x === right.x ? x1 : right.x;
    const middle = (x1 + x2) / 2, height = (left.y + right.y) / 2;
    return [drawn(
      "g",
      { class: "edge", "data-phrase": `${source} –${role}→ ${target}` },
      drawn("title", {}, `${source} –${role}→ ${target}`),
      drawn("path", { d: `M${x1} ${left.y} C${middle} ${left.y} ${middle} ${right.y} ${x2} ${right.y}` }),
      drawn("text", { x: middle, y: height + 4 }, role),
    )];
  });
  return drawn(
    "svg",
    {
      viewBox: `0 0 ${width} ${rows * ROW}`, class: "graph", role: "img",
      "aria-label": `Graph of ${graph.text}. ${graph.edges.map((edge) => edge.join(" ")).join("; ") || [...actions, ...entities].join(", ")}`,
    },
    edges,
    nodes,
  );
}

/** Marks the phrases of a graph that met a frame. */
export function markPhrases(graph, phrases) {
  for (const part of graph.querySelectorAll("[data-phrase]")) {
    part.classList.toggle("met", phrases.includes(part.dataset.phrase));
  }
}

/** The phrase of each level that met a frame best: [level, phrase, cosine]. */
export function phrasesAt(explanation, frame) {
  return Object.entries(explanation.levels).flatMap(([level, { phrases, cosines }]) => {
    if (!phrases.length) return [];
    const best = cosines.reduce((found, row, index) => (row[frame] > cosines[found][frame] ? index : found), 0);
    return [[level, phrases[best], cosines[best][frame]]];
  });
}

/**
 * Draws the heat map of phrases and frames, and what each word adds to the linear score.
 *
 * `on.scrub(time)`, `on.leave()` and `on.seek(time)` are called with times of the axis.
 */
export function heatMap(explanation, axis, on) {
  const shown = { cosines: "cosine", attention: "attention" };
  const body = element("div", { class: "map" });
  const reading = element("p", { class: "reading", "aria-live": "off" });
  const choose = (what) => {
    for (const one of choices) one.setAttribute("aria-pressed", String(one.dataset.what === what));
    body.replaceChildren(...mapRows(explanation, axis, what, shown[what], reading, on));
    reading.textContent = what === "cosines"
      ? "How similar each phrase and frame are. Point at a cell for its number."
      : "How a phrase shares its attention among the frames. Point at a cell for its number.";
  };
  const choices = Object.entries(shown).map(([what, name]) =>
    button(name, () => choose(what), { class: "small", "data-what": what }),
  );
  choose("cosines");
  const levels = Object.keys(explanation.levels);
  return element(
    "div",
    { class: "explained" },
    levels.length
      ? [element("div", { class: "choices", role: "group", "aria-label": "What the map shows" }, choices), body, reading]
      : element("p", { class: "faint" }, "No phrase of the query could meet single frames; its sentence met the clip as a whole."),
    explanation.words ? wordBars(explanation.words) : null,
  );
}

function mapRows(explanation, axis, what, name, reading, on) {
  const all = Object.values(explanation.levels).flatMap((level) => level[what]).flat();
  const low = Math.min(0, ...all), high = Math.max(...all);
  return Object.entries(explanation.levels).flatMap(([level, found]) => [
    element("div", { class: "level" }, level),
    ...found.phrases.flatMap((phrase, index) => {
      const values = found[what][index];
      const best = values.indexOf(Math.max(...values));
      const row = element("div", {
        class: "cells", role: "img",
        "aria-label": `${phrase}: greatest ${name} ${figure(values[best])} at ${axis.label(axis.times[best] ?? 0)}`,
      });
      row.append(...values.map((value, frame) => {
        const cell = element("i", { class: "cell", title: `${axis.label(axis.times[frame] ?? 0)}: ${figure(value)}` });
        cell.style.opacity = (0.04 + 0.96 * Math.max(0, (value - low) / (high - low || 1)) ** 1.5).toFixed(3);
        const slot = element("b", {}, cell);
        // As wide as the frame in the strip above.
        const [start, end] = axis.span(frame);
        slot.style.flexGrow = String(end - start);
        slot.addEventListener("pointerenter", () => {
          reading.textContent = `“${phrase}” at ${axis.label(axis.times[frame] ?? 0)}: ${name} ${figure(value)}`;
          on.scrub(axis.times[frame] ?? 0);
        });
        slot.addEventListener("click", () => on.seek(axis.times[frame] ?? 0));
        return slot;
      }));
      row.addEventListener("pointerleave", on.leave);
      return [element("div", { class: "phrase", title: phrase }, phrase), row];
    }),
  ]);
}

function wordBars({ words, of_words, of_sentence }) {
  const values = words.map((_, index) => of_words[index] + of_sentence[index]);
  const largest = Math.max(...values.map(Math.abs), 1e-9);
  return element(
    "div",
    { class: "words" },
    element("h4", {}, "What each word adds to the linear score"),
    element("div", { class: "bars" }, words.flatMap((word, index) => barRow(word, values[index], largest, largest))),
  );
}

/** A name, a bar from zero to the right or, for a negative value, to the left, and the value. */
export function barRow(name, value, mostNegative, mostPositive) {
  const whole = mostNegative + mostPositive || 1;
  const zero = mostNegative / whole, length = Math.abs(value) / whole;
  const bar = element("i", { class: value < 0 ? "negative" : "positive" });
  bar.style.left = `${100 * (value < 0 ? zero - length : zero)}%`;
  bar.style.width = `${100 * length}%`;
  const line = element("s", {});
  line.style.left = `${100 * zero}%`;
  return [
    element("span", { class: "name", title: name }, name),
    element("span", { class: "bar", "aria-hidden": "true" }, line, bar),
    element("span", { class: "value" }, figure(value)),
  ];
}
