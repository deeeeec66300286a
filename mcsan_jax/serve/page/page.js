// The page: what is asked for stands in its address; it asks the service, and shows the answers.

import { AnswerCard, commonScales } from "./answer.js";
import { button, counted, duration, element, percent, sureness, written } from "./elements.js";
import { markPhrases, queryGraphs } from "./explanation.js";
import { address, ask } from "./service.js";

const DEFAULTS = { q: "", like: "", where: "", min_probability: "", sort: "score", group_by: "", k: "10" };
const FEW_VIDEOS = 50;
const DESK = matchMedia("(min-width: 60rem)");

const part = (id) => document.getElementById(id);
const [query, list, summary, notes, about] = ["query", "list", "summary", "notes", "about"].map(part);
const fields = { where: part("where"), sort: part("sort"), group_by: part("group-by"), k: part("k") };

let asked = { ...DEFAULTS };
let cards = [];
let graphs = [];
let running = null;
let automatic = null;
let calibratedOn = null;

// The address.

function fromAddress() {
  const given = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, usual]) => [name, given.get(name) ?? usual]));
}

function permalink(options) {
  const changed = Object.entries(options).filter(([name, value]) => value !== DEFAULTS[name]);
  return address(location.pathname, Object.fromEntries(changed));
}

/** Goes to other options, as a new entry of the history. */
function go(change) {
  const next = { ...asked, ...change };
  if (permalink(next) !== location.pathname + location.search) history.pushState(null, "", permalink(next));
  return show(next);
}

/** Fills the controls and searches. */
function show(options) {
  asked = options;
  query.value = asked.q;
  for (const [name, field] of Object.entries(fields)) setField(field, asked[name]);
  for (const field of [fields.sort, fields.group_by]) field.disabled = Boolean(asked.like);
  greyThreshold();
  showThreshold();
  const inUse = ["where", "sort", "group_by", "k", "min_probability"].filter((name) => asked[name] !== DEFAULTS[name]).length;
  part("options-in-use").textContent = inUse ? `(${inUse} set)` : "";
  document.title = asked.q || (asked.like ? `like ${asked.like}` : "Search");
  return search();
}

function setField(field, value) {
  if (field.tagName === "SELECT" && ![...field.options].some((option) => option.value === value)) {
    field.append(element("option", { value }, value));
  }
  field.value = value;
}

/** Without a calibration, and among similar videos, there are no probabilities. */
function greyThreshold() {
  part("min-probability").disabled = Boolean(asked.like) || calibratedOn === null;
}

function showThreshold(value = asked.min_probability) {
  const set = value !== "", shown = Number(value);
  part("min-probability").value = set ? shown : 0;
  part("threshold").textContent = set ? `${shown.toFixed(2)} ${sureness(shown).words}` : "automatic";
  part("threshold").title = set || automatic === null
    ? ""
    : `Answers are shown where one of the videos is right with a probability of ${automatic.toFixed(2)} or more.`;
  part("threshold-reset").hidden = !set;
}

// The search.

async function search() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  if (!asked.q && !asked.like) return welcome();
  busy(true);
  const { q, like, where, min_probability, sort, group_by, k } = asked;
  try {
    const result = like
      ? await ask(address(`similar/${encodeURIComponent(like)}`, { k, where }), signal)
      : await ask(address("search", { q, k, where, min_probability, sort, group_by }), signal);
    if (signal.aborted) return;
    showResult(result);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    showProblem(error);
  }
  busy(false);
}

function busy(is) {
  part("progress").hidden = !is;
  if (is) summary.textContent = "searching…";
  part("answers").setAttribute("aria-busy", String(is));
}

function clear() {
  for (const card of cards) card.player.stop();
  cards = [];
  graphs = [];
  notes.hidden = true;
  about.hidden = true;
  list.replaceChildren();
}

async function welcome() {
  busy(false);
  clear();
  summary.textContent = "";
  const size = element("p", { class: "faint" }), examples = element("div", { class: "examples" });
  list.append(element(
    "div",
    { class: "welcome" },
    element("h1", {}, "Describe a moment, and see it"),
    size,
    examples,
    element("dl", {},
      ...[["A then B", "two moments in this order"], ["-word, without …", "what should not be there"],
        ["a red car", "a single noun is enough"]].flatMap(([how, what]) => [element("dt", {}, how), element("dd", {}, what)])),
  ));
  try {
    const found = await loadCollection();
    size.textContent = `${counted(found.videos, "video")} to search.`;
    examples.append(...found.examples.map((text) => button(text, () => go({ q: text }))));
  } catch (problem) {
    size.textContent = problem.message;
  }
}

function showProblem(problem) {
  clear();
  summary.textContent = "";
  // What follows the first line shows a place, as a program would print it.
  const [said, ...place] = problem.message.split("\n");
  list.append(element(
    "div",
    { class: "state problem", role: "alert" },
    element("h2", {}, problem.unreachable ? "No connection" : "This cannot be searched for"),
    element("p", {}, said),
    place.length ? element("pre", {}, place.join("\n")) : null,
    button("Try again", () => search()),
  ));
}

function showResult(result) {
  clear();
  if (asked.min_probability === "") automatic = result.threshold;
  if (result.threshold === null && result.answers.length) part("min-probability").disabled = true;
  showThreshold();
  const total = Object.values(result.milliseconds).reduce((sum, one) => sum + one, 0);
  summary.textContent = result.answers.length
    ? [
      asked.like ? `${counted(result.answers.length, "video")} like ${asked.like}` : counted(result.answers.length, "answer"),
      `${counted(result.searched, "video")} searched`,
      result.scored === result.searched ? "all scored in full" : `${result.scored.toLocaleString("en")} scored in full`,
      ...(result.presence === null ? [] : [`a right answer among them is ${sureInWords(result.presence)}${rough()}`]),
      duration(total),
    ].join(" · ")
    : "";
  notes.replaceChildren(...result.notes.map((note) => element("li", {}, note)));
  notes.hidden = !result.notes.length;
  showAnswers(result);
  showAbout(result, total);
}

function showAnswers(result) {
  if (!result.answers.length) {
    list.append(noAnswer(result));
    return;
  }
  const scales = commonScales(result.answers);
  const page = {
    similar: (video) => go({ ...DEFAULTS, like: video, where: asked.where, k: asked.k }),
    met: (step, phrases) => graphs.forEach((graph, index) => markPhrases(graph, index === step ? phrases : [])),
    playing: (card) => cards.filter((other) => other !== card).forEach((other) => other.player.stop()),
  };
  let group = null, into = null;
  for (const answer of result.answers) {
    const told = asked.group_by === "id" ? answer.video : answer.metadata[asked.group_by];
    const value = asked.group_by && !asked.like ? written(told ?? "—") : "";
    if (into === null || value !== group) {
      if (value) list.append(element("h2", { class: "group" }, element("span", {}, `${asked.group_by} `), value));
      into = element("ol", { class: "answers" });
      list.append(into);
      group = value;
    }
    const card = new AnswerCard(answer, asked.like ? { ...result, query: "" } : result, scales, page);
    cards.push(card);
    into.append(element("li", {}, card.element));
  }
}

const rough = () => (calibratedOn !== null && calibratedOn < FEW_VIDEOS ? `, fitted on ${counted(calibratedOn, "video")}: rough` : "");

const sureInWords = (probability) => `${sureness(probability).words} (${percent(probability)})`;

function noAnswer(result) {
  const below = result.no_good_match && result.threshold !== null;
  const videos = counted(result.searched, "video");
  return element(
    "div",
    { class: "state" },
    element("h2", {}, result.searched === 0 ? "No video passes the filter" : "No good match"),
    element("p", {}, result.searched === 0
      ? "The filter leaves nothing to search."
      : below
        ? asked.min_probability === ""
          ? `That a right answer is among ${videos} at all is ${sureInWords(result.presence)}; ${Math.round(100 * result.threshold)} % are needed.`
          : `None of ${videos} is right with a probability of ${result.threshold.toFixed(2)} or more. That there is a right answer at all is ${sureInWords(result.presence)}.`
        : `${videos} searched.`),
    below ? button("Show the best answers all the same", () => go({ min_probability: "0" })) : null,
    result.searched === 0 ? button("Without the filter", () => go({ where: "" })) : null,
  );
}

function showAbout(result, total) {
  about.hidden = false;
  part("reading").hidden = Boolean(asked.like);
  part("exports").hidden = Boolean(asked.like) || !result.answers.length;
  graphs = queryGraphs(result.steps, result.negatives);
  part("graph").replaceChildren(...graphs);
  const stages = Object.entries(result.milliseconds);
  const longest = Math.max(...stages.map(([, one]) => one), 1e-9);
  part("stages").replaceChildren(
    element("table", {}, element("tbody", {}, [...stages, ["in all", total]].map(([name, one]) => {
      const bar = element("i", {});
      bar.style.width = `${name === "in all" ? 0 : (100 * one) / longest}%`;
      return element("tr", { class: name === "in all" ? "sum" : "" },
        element("th", {}, name), element("td", { class: "bar" }, bar), element("td", { class: "value" }, duration(one)));
    }))),
  );
  const { q, k, where, min_probability, sort, group_by } = asked;
  part("export-links").replaceChildren(
    ...["json", "csv", "edl"].map((format) =>
      element("a", {
        class: "small button", download: "",
        href: address("export", { format, q, k, where, min_probability, sort, group_by }),
      }, format.toUpperCase())),
    ...(navigator.clipboard ? [button("Copy link", (event) => copyLink(event.target), { class: "small" })] : []),
  );
}

async function copyLink(pressed) {
  try {
    await navigator.clipboard.writeText(location.href);
    pressed.textContent = "Copied";
  } catch {
    pressed.textContent = "Copy it from the address bar";
  }
}

async function loadCollection() {
  const found = await ask("collection");
  calibratedOn = found.calibrated_on;
  greyThreshold();
  return found;
}

async function loadColumns() {
  let columns;
  try {
    columns = await ask("columns");
  } catch {
    // A search will say what is wrong.
    return;
  }
  // A filter and a group need one value of each video, not a list.
  const single = Object.entries(columns).filter(([, type]) => !type.startsWith("list"));
  for (const [name] of single) {
    if (![...fields.group_by.options].some((option) => option.value === name)) fields.group_by.append(element("option", { value: name }, name));
  }
  part("columns").replaceChildren(...[["id", "string"], ["clip", "string"], ...single].map(([name, type]) =>
    button(name, () => addColumn(name), { class: "small", title: type })));
}

function addColumn(name) {
  const field = fields.where;
  const plain = /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
  field.value = field.value.trim() ? `${field.value.trim()} and ${plain} = ` : `${plain} = `;
  field.focus();
}

// The controls.

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ q: query.value.trim(), like: "", where: fields.where.value.trim() });
});
fields.where.addEventListener("keydown", (event) => {
  if (event.key === "Enter") go({ where: fields.where.value.trim() });
});
for (const name of ["sort", "group_by", "k"]) {
  fields[name].addEventListener("change", () => go({ [name]: fields[name].value }));
}
part("min-probability").addEventListener("input", (event) => showThreshold(event.target.value));
part("min-probability").addEventListener("change", (event) => go({ min_probability: event.target.value }));
part("threshold-reset").addEventListener("click", () => go({ min_probability: "" }));
document.querySelector(".home").addEventListener("click", (event) => {
  event.preventDefault();
  go({ ...DEFAULTS });
  query.focus();
});
addEventListener("popstate", () => show(fromAddress()));

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  part("theme").textContent = theme[0].toUpperCase() + theme.slice(1);
  part("theme").setAttribute("aria-label", `Colours: ${theme}`);
}

function keptTheme() {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem("theme")) ?? "auto";
  } catch {
    return "auto";
  }
}

part("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  setTheme(next);
  try {
    localStorage.setItem("theme", next);
  } catch {
    // It holds for this visit, where the browser keeps nothing.
  }
});

// The keyboard.

const writes = (target) => target.matches("input:not([type=range]), select, textarea");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key, target } = event;
  if (key === "/" && (!writes(target) || (target === query && !query.value))) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (key === "ArrowDown" || key === "ArrowUp") {
    if ((writes(target) && target !== query) || target.matches("input[type=range], video")) return;
    move(key === "ArrowDown" ? 1 : -1, event);
  } else if (key === "Enter" && target.matches(".answer")) {
    event.preventDefault();
    cardOf(target).play();
  } else if (key === "Escape") {
    escape(target);
  }
});

const cardOf = (target) => cards.find((card) => card.element.contains(target));

function move(by, event) {
  if (!cards.length) return;
  const here = cards.indexOf(cardOf(event.target));
  if (here < 0 && (event.target !== query || by < 0)) {
    if (event.target !== document.body) return;
  }
  event.preventDefault();
  const next = here < 0 ? 0 : here + by;
  if (next < 0) query.focus();
  else cards[Math.min(next, cards.length - 1)].element.focus();
}

function escape(target) {
  const here = cardOf(target);
  const closed = here ? here.close() : cards.some((card) => card.close());
  if (closed) here?.element.focus();
  else if (here) query.focus();
}

setTheme(keptTheme());
part("options").open = DESK.matches;
if (!DESK.matches) for (const id of ["reading", "timing", "exports"]) part(id).open = false;
loadColumns();
// A search, and the welcome, say what is wrong.
loadCollection().catch(() => null);
show(fromAddress());
if (!asked.q && !asked.like && DESK.matches) query.focus();
