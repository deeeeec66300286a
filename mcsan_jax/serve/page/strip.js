// The relevance of a query over the time of a clip: a strip that is hovered to scrub and clicked to seek.

import { clock, drawn, element, figure } from "./elements.js";

/**
 * The time of each frame, which stands for the time up to half-way to its neighbours; the first and the last one reach
 * outwards by half of the usual distance, but not out of the part, [begin, end] in seconds. Where no times are known,
 * frames are counted from 0, each one unit long.
 */
export class TimeAxis {
  constructor(seconds, frames, [from, to]) {
    this.known = seconds.length > 0;
    this.times = this.known ? [...seconds] : Array.from({ length: frames }, (_, index) => index + 0.5);
    const last = this.times.length - 1;
    const between = this.times.slice(1).map((time, index) => (time + this.times[index]) / 2);
    const steps = this.times.slice(1).map((time, index) => time - this.times[index]).toSorted((one, other) => one - other);
    const middle = steps.length >> 1;
    const reach = last > 0 ? (steps[middle] + steps[(steps.length - 1) >> 1]) / 4 : 0.5;
    const inside = (time) => (this.known ? Math.min(to, Math.max(from, time)) : time);
    this.begin = inside((this.times[0] ?? 0.5) - reach);
    this.end = inside(last > 0 ? this.times[last] + reach : this.begin + 1);
    this.bounds = [this.begin, ...between, this.end];
  }

  frameAt(time) {
    const after = this.bounds.findIndex((bound) => bound > time + 1e-4);
    return Math.max(0, (after < 0 ? this.bounds.length - 1 : after) - 1);
  }

  span(frame) {
    return [this.bounds[frame], this.bounds[frame + 1]];
  }

  share(time) {
    return Math.min(1, Math.max(0, (time - this.begin) / (this.end - this.begin)));
  }

  timeAt(share) {
    return this.begin + Math.min(1, Math.max(0, share)) * (this.end - this.begin);
  }

  label(time) {
    return this.known ? clock(time) : `frame ${this.frameAt(time)}`;
  }
}

/**
 * Draws the strip of an answer.
 *
 * `scale` is the least and the greatest relevance of all answers, so that their strips can be compared. `picture` is the
 * address of the film strip of `framesOfFilm` frames, or null. `on.scrub(time)`, `on.leave()` and `on.seek(time)` are called with times of the axis.
 */
export function heatStrip(answer, axis, scale, picture, framesOfFilm, on) {
  const [low, high] = scale;
  const height = (value) => 0.06 + 0.94 * (high > low ? (value - low) / (high - low) : 1);
  const bars = answer.relevance.map((value, frame) => {
    const [start, end] = axis.span(frame);
    const tall = height(value);
    return drawn("rect", {
      x: start, width: Math.max(0, end - start), y: 1 - tall, height: tall, "fill-opacity": (0.15 + 0.85 * tall ** 2).toFixed(3), "shape-rendering": "crispEdges",
    });
  });
  const heat = drawn(
    "svg",
    { viewBox: `${axis.begin} 0 ${axis.end - axis.begin} 1`, preserveAspectRatio: "none", class: "heat", "aria-hidden": "true" },
    bars,
  );
  const marks = answer.moments.map((moment) => {
    const mark = element("div", { class: "mark" });
    const [start, end] = momentSpan(moment, axis);
    mark.style.left = `${100 * axis.share(start)}%`;
    mark.style.width = `${100 * (axis.share(end) - axis.share(start))}%`;
    return mark;
  });
  const head = element("div", { class: "head", hidden: true });
  const film = picture ? element("img", { class: "film", src: picture, alt: "", loading: "lazy", draggable: false }) : null;
  const borders = picture ? element("div", { class: "borders" }) : null;
  if (borders) borders.style.backgroundSize = `${100 / framesOfFilm}% 100%`;
  film?.addEventListener("error", () => {
    film.remove();
    borders.remove();
  });
  const strip = element(
    "div",
    {
      class: "strip", tabIndex: 0, role: "slider", "aria-label": `Relevance over time in ${answer.video}`,
      "aria-valuemin": axis.begin, "aria-valuemax": axis.end,
    },
    film ? element("div", { class: "reel" }, film, borders) : null,
    element("div", { class: "lane" }, heat, marks),
    head,
  );

  let now = axis.begin;
  const show = (time) => {
    now = Math.min(axis.end, Math.max(axis.begin, time));
    const frame = axis.frameAt(now);
    head.hidden = false;
    head.style.left = `${100 * axis.share(now)}%`;
    strip.setAttribute("aria-valuenow", now.toFixed(2));
    strip.setAttribute("aria-valuetext", `${axis.label(now)}, relevance ${figure(answer.relevance[frame] ?? 0)}`);
  };
  const under = (event) => {
    const box = strip.getBoundingClientRect();
    return axis.timeAt((event.clientX - box.left) / box.width);
  };
  strip.addEventListener("pointermove", (event) => {
    show(under(event));
    on.scrub(now);
  });
  strip.addEventListener("pointerleave", () => {
    head.hidden = document.activeElement !== strip;
    on.leave();
  });
  strip.addEventListener("blur", () => {
    head.hidden = true;
    on.leave();
  });
  strip.addEventListener("click", (event) => {
    show(under(event));
    on.seek(now);
  });
  strip.addEventListener("focus", () => strip.matches(":focus-visible") && show(now));
  strip.addEventListener("keydown", (event) => {
    const here = axis.frameAt(now), last = axis.times.length - 1;
    const frame = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter") on.seek(now);
    else if (frame !== undefined) {
      show(axis.times[Math.min(last, Math.max(0, frame))]);
      on.scrub(now);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  strip.setAttribute("aria-valuenow", now);
  return { strip, show, hide: () => (head.hidden = true) };
}

/** Begin and end of a moment on the axis; that of a single frame, a point in time, lasts as long as the frame. */
export function momentSpan(moment, axis) {
  if (axis.known && moment.end > moment.start) return [moment.start, moment.end];
  return [axis.span(moment.first)[0], axis.span(moment.last)[1]];
}
