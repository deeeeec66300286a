// Builds elements. Data reach the page as text and attributes alone, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an HTML element. Properties are set as such; `class`, `data-*`, `aria-*` and `role` as attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (/^(class|role|for|download|(data|aria)-.*)$/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Makes an SVG element, with all properties as attributes. */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

export function button(text, onClick, properties = {}) {
  return element("button", { type: "button", onclick: onClick, ...properties }, text);
}

/** 63.5 seconds are 1:03.50. */
export function clock(seconds) {
  const hundredths = Math.round(seconds * 100);
  const minutes = Math.floor(hundredths / 6000);
  const rest = String(((hundredths % 6000) / 100).toFixed(2)).padStart(5, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** 63.5 seconds are 1:03.5, and 63 are 1:03. */
export function shortClock(seconds) {
  return clock(seconds).replace(/\.?0+$/, "");
}

/** A signed number with a true minus. */
export function figure(value, digits = 3) {
  return value.toFixed(digits).replace("-", "−");
}

/** How long something took. */
export function duration(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
}

export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

const SURENESS = [
  [0.9, "very likely", "high"],
  [0.7, "likely", "high"],
  [0.4, "possible", "middle"],
  [0.15, "unlikely", "low"],
  [0, "very unlikely", "low"],
];

/** Words for a probability as it is written, in whole per cent, and a class for their colour. */
export function sureness(probability) {
  const [, words, kind] = SURENESS.find(([least]) => Math.round(100 * probability) >= Math.round(100 * least)) ?? SURENESS.at(-1);
  return { words, kind };
}

/** A probability in per cent, which is never said to be certain. */
export function percent(probability) {
  if (probability < 0.005) return "< 1 %";
  return probability > 0.995 ? "> 99 %" : `${Math.round(100 * probability)} %`;
}

/** How a value of the metadata is written. */
export function written(value) {
  if (Array.isArray(value)) return value.map(written).join(" · ");
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  return String(value);
}
