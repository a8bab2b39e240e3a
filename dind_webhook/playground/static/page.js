// The page: sends what people type as a question, and shows the answer.

import { evaluate, load } from "./core.js";
import { drawDiff } from "./diff.js";
import { count, element } from "./dom.js";
import { annotationsOf, drawOptions, fillSelect, updateOptions } from "./form.js";
import { drawPods, summary } from "./outcome.js";

const PAUSE = 250; // ms without a key, before the manifest is evaluated

const byId = (id) => document.getElementById(id);
const section = (name) => document.querySelector(`.${name}`);
const form = section("question");

let key;
let answer = null;
let lastNumber = 0;
let timer;

async function start() {
  showStatus("Loading…");
  const [facts] = await Promise.all([load(showStatus), loadExample("examples/pod.yaml")]);
  key = facts.key;
  byId("version").textContent = facts.version;
  fillSelect(byId("namespace"), [...facts.namespace_values.map((value) => [value, value]), ["", "none: not opted in"]]);
  fillSelect(byId("inject"), [["", "as in the manifest"], ...facts.pod_values.map((value) => [value, value])]);
  byId("settings").value = facts.settings;
  drawOptions(byId("options"), facts.options);
  form.addEventListener("input", () => scheduleEvaluation(PAUSE));
  form.addEventListener("submit", (event) => event.preventDefault());
  await evaluateFields();
}

function scheduleEvaluation(pause) {
  clearTimeout(timer);
  timer = setTimeout(evaluateFields, pause);
}

async function evaluateFields() {
  const number = ++lastNumber;
  const annotations = annotationsOf(byId("options"));
  byId("options-count").textContent = Object.keys(annotations).length ? `${Object.keys(annotations).length} set` : "";
  byId("settings-count").textContent = byId("settings").value.trim() ? "set" : "";
  if (byId("inject").value) annotations[key] = byId("inject").value;
  const manifest = byId("manifest").value;
  if (!manifest.trim()) {
    showProblems([]);
    return showNothing("Paste a manifest, or take an example.");
  }
  const question = { manifest, namespace: byId("namespace").value, annotations, settings: byId("settings").value };
  try {
    const reply = await evaluate(question);
    // Ignore answers to earlier questions, which may come later.
    if (number === lastNumber) show(reply);
  } catch (error) {
    if (number === lastNumber) showNothing(`No answer: ${error.message}`);
  }
}

function show(reply) {
  showProblems(reply.problems ?? []);
  if (reply.problems) return showNothing(reply.problems.map((problem) => problem.text).join(" "), true);
  answer = reply;
  showStatus(summary(reply.pods));
  byId("pods").replaceChildren(...drawPods(reply.pods));
  updateOptions(byId("options"), reply.options);
  showDiff();
  const injected = reply.pods.filter((pod) => pod.patch.length);
  byId("patches").replaceChildren(...injected.map(drawPatch));
  section("changes").hidden = section("patch").hidden = injected.length === 0;
}

function showDiff() {
  const unfolded = byId("unfold").getAttribute("aria-pressed") === "true";
  const table = answer.rows.length ? drawDiff(answer.rows, unfolded) : element("p", {}, "Too long to show side by side.");
  byId("diff").replaceChildren(table);
}

function showNothing(text, isError = false) {
  answer = null;
  showStatus(text, isError);
  byId("pods").replaceChildren();
  section("changes").hidden = section("patch").hidden = true;
}

function showStatus(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", isError);
}

function showProblems(problems) {
  for (const part of ["manifest", "settings"]) {
    const found = problems.filter((problem) => problem.part === part);
    const field = byId(part);
    field.toggleAttribute("aria-invalid", false);
    if (found.length) field.setAttribute("aria-invalid", "true");
    byId(`${part}-problem`).hidden = found.length === 0;
    byId(`${part}-problem`).replaceChildren(...found.map((problem) => drawProblem(field, problem)));
    if (found.length) field.closest("details")?.setAttribute("open", "");
  }
}

function drawProblem(field, problem) {
  const { line } = problem;
  const button = line ? element("button", { type: "button" }, `Go to line ${line}`) : null;
  button?.addEventListener("click", () => goTo(field, line));
  return element("p", {}, problem.text, " ", button);
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
  byId("manifest").value = await (await fetch(address)).text();
}

for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => {
    await loadExample(button.dataset.example);
    scheduleEvaluation(0);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const texts = { annotated: answer.annotated, injected: answer.injected, patch: patches() };
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(texts[button.dataset.copy]);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed by the browser";
    }
    setTimeout(() => (button.textContent = label), 1500);
  });
}

function patches() {
  return answer.pods.filter((pod) => pod.patch.length).map((pod) => JSON.stringify(pod.patch, null, 2)).join("\n");
}

byId("unfold").addEventListener("click", () => {
  byId("unfold").setAttribute("aria-pressed", String(byId("unfold").getAttribute("aria-pressed") !== "true"));
  showDiff();
});

start().catch((error) => showNothing(`The playground did not start: ${error.message}`, true));
