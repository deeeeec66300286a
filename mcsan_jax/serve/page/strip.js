// The relevance of a query over the time of a clip: a strip that is hovered to scrub and clicked to seek.

import { clock, drawn, element, figure } from "./elements.js";

/** Begin and end of each frame on the time axis; frames are counted where their times are unknown. */
export class TimeAxis {
  constructor(seconds, frames) {
    this.known = seconds.length > 0;
    this.starts = this.known ? [...seconds] : Array.from({ length: frames }, (_, index) => index);
    const last = this.starts.at(-1) ?? 0;
    const steps = this.starts.slice(1).map((start, index) => start - this.starts[index]);
    steps.sort((one, other) => one - other);
    this.step = steps.length ? steps[Math.floor(steps.length / 2)] : 1;
    this.begin = this.starts[0] ?? 0;
    this.end = last + this.step;
  }

  frameAt(time) {
    let frame = 0;
    while (frame + 1 < this.starts.length && this.starts[frame + 1] <= time + 1e-6) frame += 1;
    return frame;
  }

  span(frame) {
    return [this.starts[frame], this.starts[frame + 1] ?? this.end];
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
 * address of the film strip, or null. `on.scrub(time)`, `on.leave()` and `on.seek(time)` are called with times of the axis.
 */
export function heatStrip(answer, axis, scale, picture, on) {
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
  film?.addEventListener("error", () => film.remove());
  const strip = element(
    "div",
    {
      class: "strip", tabIndex: 0, role: "slider", "aria-label": `Relevance over time in ${answer.video}`,
      "aria-valuemin": axis.begin, "aria-valuemax": axis.end,
    },
    film,
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
  strip.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Enter") on.seek(now);
    else if (steps) {
      const frame = Math.min(axis.starts.length - 1, Math.max(0, axis.frameAt(now) + (head.hidden ? 0 : steps)));
      show(axis.starts[frame]);
      on.scrub(now);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  strip.setAttribute("aria-valuenow", now);
  return { strip, show, hide: () => (head.hidden = true) };
}

/** Begin and end of a moment on the axis. A moment of a single frame lasts as long as the frame. */
export function momentSpan(moment, axis) {
  if (!axis.known) return [moment.first, moment.last + 1];
  return [moment.start, moment.end > moment.start ? moment.end : moment.start + axis.step];
}
