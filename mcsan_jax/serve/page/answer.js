// One answer: its clip, how sure it is, its moments, its strip, and why it has its score.

import { barRow, heatMap, markPhrases, phrasesAt, queryGraph } from "./explanation.js";
import { button, clock, counted, element, figure, percent, shortClock, sureness, written } from "./elements.js";
import { Player } from "./player.js";
import { ask, ofVideo } from "./service.js";
import { TimeAxis, heatStrip, momentSpan } from "./strip.js";

const LEVELS = ["global", "entity", "action", "relationship", "attributes", "linear"];
const FRAMES_OF_FILM = matchMedia("(max-width: 36rem)").matches ? 6 : 12;
const SHORT = 40;

/** What the strips and bars of all answers have in common, so that they can be compared. */
export function commonScales(answers) {
  const relevance = answers.flatMap((answer) => answer.relevance);
  const contributions = answers.flatMap((answer) => Object.values(answer.contributions));
  return {
    relevance: relevance.length ? [Math.min(...relevance), Math.max(...relevance)] : [0, 1],
    negative: Math.max(0, ...contributions.map((value) => -value)),
    positive: Math.max(1e-9, ...contributions),
  };
}

export class AnswerCard {
  /**
   * `result.query` is empty where a video was searched with. `page` has `similar(video)`, `met(step, phrases)`, which marks phrases in the graph of a
   * step on the page, and `playing(card)`, which stops the other clips.
   */
  constructor(answer, result, scales, page) {
    this.answer = answer;
    this.result = result;
    this.page = page;
    const { part_start: begin, part_end: end } = answer.metadata;
    this.part = begin !== undefined && begin !== null && end !== null ? [begin, end] : [0, Infinity];
    this.axis = new TimeAxis(answer.seconds, answer.relevance.length, this.part);
    this.step = 0;
    this.explanation = null;
    const best = answer.relevance.indexOf(Math.max(...answer.relevance));
    const at = this.axis.known && best >= 0 ? this.axis.times[best] : null;
    this.player = new Player(answer.video, answer.clip !== null, at, this.part, (seconds) => this.follow(seconds));
    this.player.cover?.addEventListener("click", () => this.play());
    this.reading = element("p", { class: "reading" });
    this.why = element("div", { class: "why", hidden: true });
    this.whyButton = button("Why?", () => this.explain(), { class: "small", "aria-expanded": "false" });
    const strip = answer.relevance.length ? this.strip(scales.relevance) : null;
    this.element = element(
      "article",
      { class: "answer", tabIndex: 0, "aria-label": `${answer.rank}. ${answer.video}`, "data-video": answer.video },
      this.player.box,
      element(
        "div",
        { class: "facts" },
        this.heading(),
        this.metadata(),
        this.moments(),
        this.bars(scales),
      ),
      strip ? element("div", { class: "timeline" }, strip, this.reading) : null,
      this.actions(),
      this.why,
    );
  }

  heading() {
    const { rank, video, probability, score, duplicates } = this.answer;
    const sure = probability === null ? null : sureness(probability);
    return element(
      "header",
      {},
      element("span", { class: "rank" }, String(rank)),
      element("h3", { title: video }, video),
      sure
        ? element("span", { class: `sure ${sure.kind}`, title: "Probability that this answer is right" },
          `${sure.words} `, element("b", {}, percent(probability)))
        : null,
      element("span", { class: "score", title: "The sum of the bars" }, `score ${figure(score)}`),
      duplicates.length
        ? element("details", { class: "duplicates" }, element("summary", {}, counted(duplicates.length, "near-duplicate")),
          element("p", {}, duplicates.join(", ")))
        : null,
    );
  }

  metadata() {
    const entries = Object.entries(this.answer.metadata)
      .filter(([, value]) => value !== null && value !== "")
      .map(([name, value]) => [name, name === "part_start" || name === "part_end" ? shortClock(value) : value])
      .map(([name, value]) => [name, written(value)])
      .toSorted((one, other) => (one[1].length > SHORT) - (other[1].length > SHORT));
    if (!entries.length) return null;
    return element(
      "dl",
      { class: "metadata" },
      entries.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { title: value }, value))),
    );
  }

  moments() {
    const { moments } = this.answer;
    if (!moments.length) return element("p", { class: "faint" }, this.result.query ? "No single moment: the clip as a whole was compared." : "");
    return element("ul", { class: "moments" }, moments.map((moment) => {
      const [start, end] = momentSpan(moment, this.axis);
      const times = this.axis.known ? `${clock(moment.start)} – ${clock(moment.end)}` : `frames ${moment.first} – ${moment.last}`;
      return element("li", {}, button(times, () => this.seek(start, end), {
        class: "moment", "aria-label": `Play ${times}: ${moment.text}`, "data-start": start, "data-end": end,
      }), moments.length > 1 ? element("span", { class: "step", title: moment.text }, moment.text) : null);
    }));
  }

  bars(scales) {
    const { contributions } = this.answer;
    const names = [...LEVELS.filter((name) => name in contributions), ...Object.keys(contributions).filter((name) => !LEVELS.includes(name))];
    return element("div", { class: "bars", role: "group", "aria-label": "What adds up to the score" },
      names.flatMap((name) => barRow(name, contributions[name], scales.negative, scales.positive)));
  }

  strip(scale) {
    const picture = this.answer.clip !== null ? ofVideo(this.answer.video, "strip.jpg", { count: FRAMES_OF_FILM }) : null;
    this.heat = heatStrip(this.answer, this.axis, scale, picture, FRAMES_OF_FILM, {
      scrub: (time) => this.scrub(time),
      leave: () => this.leave(),
      seek: (time) => this.seek(time),
    });
    return this.heat.strip;
  }

  actions() {
    const { video, clip, moments } = this.answer;
    const cuts = clip !== null && this.axis.known
      ? moments.map((moment, index) => {
        const [start, end] = momentSpan(moment, this.axis);
        return element("a", {
          class: "small button", href: ofVideo(video, "cut.mp4", { start: start.toFixed(3), end: end.toFixed(3) }),
          download: "",
        }, moments.length > 1 ? `Cut ${index + 1} (mp4)` : "Cut (mp4)");
      })
      : [];
    return element(
      "div",
      { class: "actions" },
      this.result.query ? this.whyButton : null,
      button("Similar", () => this.page.similar(video), { class: "small" }),
      cuts,
    );
  }

  /** Seconds in the clip of a time on the axis; null where nobody knows. */
  inClip(time) {
    if (this.axis.known) return time;
    const length = this.player.clip?.duration;
    return Number.isFinite(length) ? this.axis.share(time) * length : 0;
  }

  /** Plays the best moment, or from the beginning. */
  play() {
    const [moment] = this.answer.moments;
    return moment ? this.seek(...momentSpan(moment, this.axis)) : this.seek(this.axis.begin);
  }

  /** Plays from a time on, a little later up to an end where that is given, because a rounded time may still show the frame before. */
  seek(start, end = start) {
    const time = start + Math.min(0.01, (end - start) / 2);
    this.page.playing(this);
    this.heat?.show(time);
    return this.player.play(this.inClip(time), end > start && this.axis.known ? end : null);
  }

  /** Stops what plays, or closes the explanation. Returns whether there was any. */
  close() {
    if (this.player.stop()) {
      this.heat?.hide();
      return true;
    }
    if (this.why.hidden) return false;
    this.why.hidden = true;
    this.whyButton.setAttribute("aria-expanded", "false");
    return true;
  }

  scrub(time) {
    const frame = this.axis.frameAt(time);
    this.player.scrub(this.inClip(time), this.inClip(this.axis.times[frame]));
    this.tell(time, frame);
    if (this.explanation === null && this.result.query) this.fetchSoon(time, frame);
  }

  leave() {
    clearTimeout(this.timer);
    this.player.rest();
    if (this.player.playing) return;
    this.reading.textContent = "";
    this.markMet([]);
  }

  follow(seconds) {
    const time = this.axis.known ? seconds : this.axis.timeAt(seconds / this.player.clip.duration);
    this.heat?.show(time);
    this.tell(time, this.axis.frameAt(time));
  }

  tell(time, frame) {
    const parts = [this.axis.label(time), `relevance ${figure(this.answer.relevance[frame] ?? 0)}`];
    const met = this.explanation ? phrasesAt(this.explanation, frame) : [];
    const [best] = met.toSorted((one, other) => other[2] - one[2]);
    if (best) parts.push(`“${best[1]}” meets this frame (cosine ${figure(best[2], 2)})`);
    this.reading.textContent = parts.join(" · ");
    this.markMet(met.map(([, phrase]) => phrase));
  }

  markMet(phrases) {
    if (this.graph) markPhrases(this.graph, phrases);
    this.page.met(this.step, phrases);
  }

  fetchSoon(time, frame) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      await this.fetch().catch(() => null);
      if (this.explanation && (this.player.playing || this.reading.textContent)) this.tell(time, frame);
    }, 120);
  }

  /** Asks for the explanation of the present step of the query, once. */
  async fetch() {
    const { step } = this;
    this.pending ??= ask(ofVideo(this.answer.video, "explanation", { q: this.result.query, step })).finally(() => (this.pending = null));
    const found = await this.pending;
    if (step === this.step) this.explanation = found;
    return found;
  }

  async explain() {
    const open = this.why.hidden;
    this.why.hidden = !open;
    this.whyButton.setAttribute("aria-expanded", String(open));
    if (open && !this.why.hasChildNodes()) await this.showWhy();
  }

  async showWhy() {
    const steps = this.steps();
    const body = element("div", {}, element("p", { class: "faint" }, "Comparing each phrase with each frame…"));
    this.why.replaceChildren(...steps, body);
    try {
      const explanation = this.explanation ?? (await this.fetch());
      const axis = new TimeAxis(explanation.seconds, explanation.frames, this.part);
      this.graph = queryGraph(this.result.steps[this.step]);
      body.replaceChildren(this.graph, heatMap(explanation, axis, {
        scrub: (time) => {
          this.heat?.show(time);
          this.scrub(time);
        },
        leave: () => {
          this.heat?.hide();
          this.leave();
        },
        seek: (time) => this.seek(time),
      }));
    } catch (problem) {
      body.replaceChildren(element("p", { class: "problem", role: "alert" }, problem.message));
    }
  }

  /** Buttons for the steps of the query, where it has several. */
  steps() {
    const texts = this.result.steps.map((step) => step.text);
    if (texts.length < 2) return [];
    const choose = (step) => {
      this.markMet([]);
      this.step = step;
      this.explanation = null;
      this.pending = null;
      this.showWhy();
    };
    return [element("div", { class: "choices", role: "group", "aria-label": "Step of the query" }, texts.map((text, step) =>
      button(text, () => choose(step), { class: "small", "aria-pressed": String(step === this.step) })))];
  }
}
