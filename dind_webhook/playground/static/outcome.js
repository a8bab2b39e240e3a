// The decision on each pod, and its reason.

import { count, element, prose } from "./dom.js";
import { drawPodDiagram } from "./pod-diagram.js";

const SYMBOLS = { passed: "✓", stopped: "✗", "not reached": "–", "not checked here": "?" };

export function drawPods(pods) {
  return pods.map(drawPod);
}

export function summary(pods) {
  if (pods.length === 0) return "No pod or workload in this manifest: nothing to do.";
  return pods
    .map((pod) => {
      const parts = [`${pod.name}: ${pod.outcome}, ${pod.mode && pod.outcome === "injected" ? form(pod) : pod.reason}`];
      if (pod.patch.length) parts.push(count(pod.patch.length, "addition"));
      if (pod.warnings.length) parts.push(count(pod.warnings.length, "warning"));
      return parts.join(", ");
    })
    .join(". ");
}

function form(pod) {
  return pod.isolation && pod.isolation !== "none" ? `${pod.mode} mode, isolation ${pod.isolation}` : `${pod.mode} mode`;
}

function drawPod(pod, index) {
  const id = `pod-${index}`;
  return element(
    "article",
    { class: `pod ${pod.outcome}`, "aria-labelledby": id },
    element(
      "div",
      { class: "verdict" },
      element("span", { class: "badge" }, pod.outcome),
      element("h3", { id, class: "code" }, pod.name),
      element("code", { class: "reason" }, pod.outcome === "injected" ? form(pod) : pod.reason),
    ),
    pod.message ? element("p", { class: "message" }, pod.message) : null,
    element("p", { class: pod.message ? "meaning" : "message" }, prose(pod.meaning)),
    pod.remedy ? element("p", { class: "meaning" }, pod.remedy) : null,
    pod.warnings.length
      ? element(
          "ul",
          { class: "warnings", "aria-label": "Warnings" },
          pod.warnings.map((warning) => element("li", {}, element("strong", {}, "Warning: "), warning)),
        )
      : null,
    drawRules(pod),
    pod.pod_diagram ? drawPodDiagram(pod) : null,
  );
}

function drawRules(pod) {
  const passed = pod.rules.filter((rule) => rule.state === "passed").length;
  const unchecked = pod.rules.filter((rule) => rule.state === "not checked here").length;
  const checked = pod.rules.length - unchecked;
  const holds = passed === checked ? `All ${passed} rules hold` : `${passed} of ${checked} rules hold, then it stops`;
  const text = unchecked ? `${holds}; ${unchecked} more only in a cluster` : holds;
  return element(
    "details",
    { class: "fold rules" },
    element("summary", {}, "Why, rule by rule ", element("span", { class: "count" }, text)),
    element(
      "ol",
      {},
      pod.rules.map((rule) =>
        element(
          "li",
          { class: rule.state.replaceAll(" ", "-") },
          element("span", { class: "symbol", "aria-hidden": "true" }, SYMBOLS[rule.state]),
          element(
            "span",
            {},
            rule.statement,
            element("span", { class: rule.state === "not checked here" ? "" : "unseen" }, `: ${rule.state}`),
          ),
        ),
      ),
    ),
  );
}
