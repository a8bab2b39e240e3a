// The page: from what people type to a question, and from its answer to what they see.

import { ask, load } from "./core.js";
import { drawDiff } from "./diff.js";
import { count, element } from "./dom.js";
import { chosen, drawOptions, fillSelect, updateOptions } from "./form.js";
import { drawPods, summary } from "./outcome.js";

const PAUSE = 250; // ms without a key, before a question is asked

const at = (id) => document.getElementById(id);
const section = (name) => document.querySelector(`.${name}`);
const form = section("question");

let key;
let answer = null;
let asked = 0;
let timer;

async function start() {
  say("Loading…");
  const [facts] = await Promise.all([load(say), loadExample("examples/pod.yaml")]);
  key = facts.key;
  at("version").textContent = facts.version;
  fillSelect(at("namespace"), [...facts.namespace_values.map((value) => [value, value]), ["", "none: not opted in"]]);
  fillSelect(at("inject"), [["", "as in the manifest"], ...facts.pod_values.map((value) => [value, value])]);
  at("settings").value = facts.settings;
  drawOptions(at("options"), facts.options);
  form.addEventListener("input", () => askSoon(PAUSE));
  form.addEventListener("submit", (event) => event.preventDefault());
  await askNow();
}

function askSoon(pause) {
  clearTimeout(timer);
  timer = setTimeout(askNow, pause);
}

async function askNow() {
  const number = ++asked;
  const annotations = chosen(at("options"));
  at("options-count").textContent = Object.keys(annotations).length ? `${Object.keys(annotations).length} set` : "";
  at("settings-count").textContent = at("settings").value.trim() ? "set" : "";
  if (at("inject").value) annotations[key] = at("inject").value;
  const manifest = at("manifest").value;
  if (!manifest.trim()) {
    showProblems([]);
    return showNothing("Paste a manifest, or take an example.");
  }
  const question = { manifest, namespace: at("namespace").value, annotations, settings: at("settings").value };
  try {
    const found = await ask(question);
    // Only the last question counts; answers may come in another order.
    if (number === asked) show(found);
  } catch (error) {
    if (number === asked) showNothing(`No answer: ${error.message}`);
  }
}

function show(found) {
  showProblems(found.problems ?? []);
  if (found.problems) return showNothing(found.problems.map((problem) => problem.text).join(" "), true);
  answer = found;
  say(summary(found.pods));
  at("pods").replaceChildren(...drawPods(found.pods));
  updateOptions(at("options"), found.options);
  showDiff();
  const injected = found.pods.filter((pod) => pod.patch.length);
  at("patches").replaceChildren(...injected.map(drawPatch));
  section("changes").hidden = section("patch").hidden = injected.length === 0;
}

function showDiff() {
  const unfolded = at("unfold").getAttribute("aria-pressed") === "true";
  const table = answer.rows.length ? drawDiff(answer.rows, unfolded) : element("p", {}, "Too long to show side by side.");
  at("diff").replaceChildren(table);
}

function showNothing(text, wrong = false) {
  answer = null;
  say(text, wrong);
  at("pods").replaceChildren();
  section("changes").hidden = section("patch").hidden = true;
}

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

function showProblems(problems) {
  for (const part of ["manifest", "settings"]) {
    const texts = problems.filter((problem) => problem.part === part).map((problem) => problem.text);
    const field = at(part);
    field.toggleAttribute("aria-invalid", false);
    if (texts.length) field.setAttribute("aria-invalid", "true");
    at(`${part}-problem`).hidden = texts.length === 0;
    at(`${part}-problem`).replaceChildren(...texts.map((text) => drawProblem(field, text)));
    if (texts.length) field.closest("details")?.setAttribute("open", "");
  }
}

function drawProblem(field, text) {
  const line = Number(text.match(/line (\d+)/)?.[1]);
  const button = line ? element("button", { type: "button" }, `Go to line ${line}`) : null;
  button?.addEventListener("click", () => goTo(field, line));
  return element("p", {}, text, " ", button);
}

function goTo(field, line) {
  const lines = field.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
  field.focus();
  field.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  field.scrollTop = Math.max(0, (line - 4) * (field.scrollHeight / lines.length));
}

function drawPatch(pod, index) {
  const id = `patch-${index}`;
  return element(
    "details",
    { class: "fold", open: index === 0 },
    element("summary", { id }, element("span", { class: "code" }, pod.name), " ", element("span", { class: "count" }, count(pod.patch.length, "operation"))),
    element("pre", { class: "code", tabindex: "0", role: "region", "aria-labelledby": id }, JSON.stringify(pod.patch, null, 2)),
  );
}

async function loadExample(address) {
  at("manifest").value = await (await fetch(address)).text();
}

for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => {
    await loadExample(button.dataset.example);
    askSoon(0);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const texts = { asked: answer.asked, injected: answer.injected, patch: patches() };
    const words = button.textContent;
    try {
      await navigator.clipboard.writeText(texts[button.dataset.copy]);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed by the browser";
    }
    setTimeout(() => (button.textContent = words), 1500);
  });
}

function patches() {
  return answer.pods.filter((pod) => pod.patch.length).map((pod) => JSON.stringify(pod.patch, null, 2)).join("\n");
}

at("unfold").addEventListener("click", () => {
  at("unfold").setAttribute("aria-pressed", String(at("unfold").getAttribute("aria-pressed") !== "true"));
  showDiff();
});

start().catch((error) => showNothing(`The playground did not start: ${error.message}`, true));
