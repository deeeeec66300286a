// The picture of an answer: a poster, and the clip in its place while it is scrubbed or played.

import { element } from "./elements.js";
import { ask, ofVideo } from "./service.js";

/**
 * Shows the clip of a video.
 *
 * `at` is the time of the poster in seconds, or null for the service's choice. The clip is loaded when it is first
 * scrubbed or played. Where the browser cannot play it, posters at the scrubbed times take its place.
 */
export class Player {
  constructor(video, hasClip, at, onTime) {
    this.video = video;
    this.hasClip = hasClip;
    this.at = at;
    this.onTime = onTime;
    this.clip = null;
    this.playing = false;
    this.playable = hasClip;
    this.poster = hasClip
      ? element("img", { class: "poster", src: this.posterAt(at), alt: `A frame of ${video}`, loading: "lazy", draggable: false })
      : element("div", { class: "poster none" }, "no clip is linked");
    if (hasClip) this.poster.addEventListener("error", () => this.findFault(), { once: true });
    this.cover = hasClip
      ? element("button", { type: "button", class: "cover", tabIndex: -1, "aria-label": `Play ${video}` })
      : null;
    this.box = element("div", { class: "media" }, this.poster, this.cover);
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
    if (this.clip || !this.playable) return;
    const clip = element("video", {
      src: ofVideo(this.video, "clip"), preload: "auto", muted: true, playsInline: true, tabIndex: -1,
      "aria-label": `Clip of ${this.video}`,
    });
    clip.addEventListener("error", () => this.withoutClip());
    clip.addEventListener("seeked", () => {
      if (this.wanted !== null && this.wanted !== undefined && this.wanted !== clip.currentTime) this.seekTo(this.wanted);
      this.wanted = null;
    });
    clip.addEventListener("timeupdate", () => this.playing && this.onTime(clip.currentTime));
    this.clip = clip;
    this.box.append(clip);
  }

  withoutClip() {
    this.playable = false;
    this.clip?.remove();
    this.clip = null;
    this.playing = false;
    this.box.classList.remove("moving");
    this.box.append(element("p", { class: "sign" }, "This browser cannot play the clip; single frames are shown."));
  }

  seekTo(seconds) {
    this.clip.currentTime = seconds;
    this.box.dataset.time = seconds.toFixed(3);
  }

  /**
   * Shows what is on the screen at a time, or else the poster of its frame. While the clip still seeks, only the last
   * wish is remembered.
   */
  scrub(seconds, ofFrame) {
    if (this.playing || !this.hasClip) return;
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
    this.wanted = null;
    this.box.classList.remove("moving");
    if (!this.playable) this.poster.src = this.posterAt(this.at);
  }

  /** Plays from a time on. */
  async play(seconds) {
    if (!this.hasClip) return;
    this.load();
    if (!this.playable) {
      this.poster.src = this.posterAt(seconds);
      return;
    }
    this.playing = true;
    this.wanted = null;
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
