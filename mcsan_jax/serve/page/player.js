// The picture of an answer: a poster, and the clip in its place while it is scrubbed or played.

import { element } from "./elements.js";
import { ask, ofVideo } from "./service.js";

const PIECE = 60, BEFORE = 5;

/**
 * Shows the clip of a video. Times are those of the clip, in seconds.
 *
 * `at` is the time of the poster, or null for the service's choice, and `part` where in the clip the video begins and
 * ends. The clip is loaded when it is first scrubbed or played. Where the browser cannot play it, posters at the scrubbed
 * times take its place, and a piece of it, encoded again by the service, is played.
 */
export class Player {
  constructor(video, hasClip, at, part, onTime) {
    this.video = video;
    this.hasClip = hasClip;
    this.at = at;
    this.part = part;
    this.onTime = onTime;
    this.clip = null;
    this.piece = null;
    this.stopAt = null;
    this.scrubbed = null;
    this.sign = element("p", { class: "sign", role: "status", hidden: true });
    this.playing = false;
    this.playable = hasClip;
    this.poster = hasClip
      ? element("img", { class: "poster", src: this.posterAt(at), alt: `A frame of ${video}`, loading: "lazy", draggable: false })
      : element("div", { class: "poster none" }, "no clip is linked");
    if (hasClip) this.poster.addEventListener("error", () => this.findFault(), { once: true });
    this.cover = hasClip
      ? element("button", { type: "button", class: "cover", tabIndex: -1, "aria-label": `Play ${video}` })
      : null;
    this.box = element("div", { class: "media" }, this.poster, this.cover, this.sign);
  }

  posterAt(seconds) {
    return ofVideo(this.video, "poster.jpg", { at: seconds === null ? null : seconds.toFixed(3) });
  }

  /** Tries a poster again that did not come, and tells why where there is none. */
  async findFault() {
    const { src } = this.poster;
    try {
      await ask(src);
      this.poster.src = src;
    } catch (problem) {
      this.fail(problem.message);
    }
  }

  fail(words) {
    this.playable = this.hasClip = false;
    this.clip?.remove();
    const sign = element("div", { class: "poster none", role: "status" }, words);
    this.poster.replaceWith(sign);
    this.poster = sign;
    this.cover?.remove();
  }

  /** Loads the clip, out of sight. */
  load() {
    if (!this.clip && this.playable) this.show(ofVideo(this.video, "clip"), () => this.withoutClip());
  }

  /** Puts a file in the place of the clip; its times count from `piece.start` where it is a piece. */
  show(src, onError, piece = null) {
    this.drop();
    const clip = element("video", {
      src, preload: "auto", muted: true, playsInline: true, tabIndex: -1, "aria-label": `Clip of ${this.video}`,
    });
    this.piece = piece;
    clip.addEventListener("error", () => clip === this.clip && onError());
    clip.addEventListener("seeked", () => {
      if (this.wanted !== null && this.wanted !== undefined && this.wanted !== this.time) this.seekTo(this.wanted);
      this.wanted = null;
    });
    clip.addEventListener("timeupdate", () => clip === this.clip && this.playing && this.follow());
    // The clip tells its time four times a second, which would show what comes after the end.
    const watch = () => {
      if (clip !== this.clip || clip.paused) return;
      this.stopInTime();
      requestAnimationFrame(watch);
    };
    clip.addEventListener("play", watch);
    this.clip = clip;
    this.box.append(clip);
  }

  /** Takes the clip away. */
  drop() {
    this.clip?.remove();
    if (this.piece) URL.revokeObjectURL(this.clip.src);
    this.clip = null;
    this.piece = null;
    this.box.classList.remove("moving", "playing");
  }

  tell(words) {
    this.sign.textContent = words;
    this.sign.hidden = !words;
  }

  /** The browser cannot play the file of the clip: a piece of it is played, or a frame shown, where that was wished for. */
  withoutClip() {
    const wish = this.playing ? [Number(this.box.dataset.time), this.stopAt] : null;
    this.playable = this.playing = false;
    this.drop();
    if (wish) this.play(...wish);
    else if (this.scrubbed !== null) this.poster.src = this.posterAt(this.scrubbed);
  }

  /** Lets the service encode the clip again around a time, unless it has done so. Returns whether there is a piece that plays. */
  async loadPiece(seconds) {
    if (this.piece && seconds >= this.piece.start && seconds < this.piece.end) return true;
    let [start, end] = this.part;
    if (end - start > PIECE) {
      start = Math.max(start, seconds - BEFORE);
      end = Math.min(end, start + PIECE);
    }
    const wish = (this.wish = {});
    this.tell("The clip is made ready to play…");
    try {
      const response = await fetch(ofVideo(this.video, "cut.mp4", { start: start.toFixed(3), end: end.toFixed(3) }));
      if (!response.ok) throw new Error(response.status);
      const content = await response.blob();
      if (wish !== this.wish) return false;
      this.show(URL.createObjectURL(content), () => this.fallBack(), { start, end });
      this.tell("");
      return true;
    } catch {
      if (wish === this.wish) this.fallBack();
      return false;
    }
  }

  /** Nothing plays: single frames are left. */
  fallBack() {
    this.playing = false;
    this.drop();
    this.tell("This browser cannot play the clip; single frames are shown.");
  }

  /** The time that the clip is at. */
  get time() {
    return this.clip.currentTime + (this.piece?.start ?? 0);
  }

  follow() {
    this.stopInTime();
    this.onTime(this.time);
  }

  /** Stops where what was asked for ends; who then plays on sees the rest. */
  stopInTime() {
    if (this.stopAt !== null && this.time >= this.stopAt) {
      this.clip.pause();
      this.stopAt = this.stopAt < this.part[1] && Number.isFinite(this.part[1]) ? this.part[1] : null;
    }
  }

  /** Seeks; no earlier wish comes after it. */
  seekTo(seconds) {
    this.wanted = null;
    this.clip.currentTime = seconds - (this.piece?.start ?? 0);
    this.box.dataset.time = seconds.toFixed(3);
  }

  /**
   * Shows what is on the screen at a time, or else the poster of its frame. While the clip still seeks, only the last
   * wish is remembered.
   */
  scrub(seconds, ofFrame) {
    if (this.playing || !this.hasClip) return;
    this.scrubbed = ofFrame;
    this.load();
    if (!this.playable) {
      this.poster.src = this.posterAt(ofFrame);
      return;
    }
    this.box.classList.add("moving");
    if (this.clip.seeking && this.clip.readyState > 0) this.wanted = seconds;
    else this.seekTo(seconds);
  }

  /** Shows the poster again, unless the clip was played. */
  rest() {
    if (this.playing || !this.hasClip) return;
    this.wanted = this.scrubbed = null;
    this.box.classList.remove("moving");
    if (!this.playable) this.poster.src = this.posterAt(this.at);
  }

  /** Plays from a time on, up to another one or, without that, to the end of the part. */
  async play(seconds, until = null) {
    if (!this.hasClip) return;
    this.load();
    if (!this.playable) {
      this.poster.src = this.posterAt(seconds);
      if (!(await this.loadPiece(seconds))) return;
    }
    this.stopAt = until ?? (Number.isFinite(this.part[1]) ? this.part[1] : null);
    this.playing = true;
    this.box.classList.add("moving", "playing");
    this.clip.controls = true;
    this.clip.tabIndex = 0;
    this.seekTo(seconds);
    try {
      await this.clip.play();
    } catch (error) {
      // A clip that was stopped or taken away meanwhile; an unplayable one has its own event.
      if (error.name !== "AbortError" && error.name !== "NotSupportedError") throw error;
    }
  }

  /** Stops, and shows the poster again. Returns whether anything was playing. */
  stop() {
    this.wish = null;
    if (!this.piece && !this.playable) this.tell("");
    if (!this.playing) return false;
    this.clip?.pause();
    this.playing = false;
    if (this.clip) {
      this.clip.controls = false;
      this.clip.tabIndex = -1;
    }
    this.box.classList.remove("moving", "playing");
    return true;
  }
}
