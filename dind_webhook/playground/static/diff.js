// Two texts side by side; long runs of unchanged lines are folded.

import { count, element } from "./dom.js";

const CONTEXT = 3;
const SHORTEST_FOLD = 4;

export function drawDiff(rows, unfolded) {
  const body = element("tbody", {}, unfolded ? rows.map(drawRow) : foldRows(rows));
  return element(
    "table",
    { class: "diff code" },
    element("caption", { class: "unseen" }, "The manifest before and after injection, line by line"),
    element("colgroup", {}, ["number", "", "number", ""].map((name) => element("col", { class: name }))),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col", colspan: "2" }, "As written"),
        element("th", { scope: "col", colspan: "2" }, "As injected"),
      ),
    ),
    body,
  );
}

function foldRows(rows) {
  const isNear = rows.map(() => false);
  rows.forEach((row, index) => {
    if (!row.same) isNear.fill(true, Math.max(0, index - CONTEXT), index + CONTEXT + 1);
  });
  const parts = [];
  for (let start = 0; start < rows.length; ) {
    let end = start;
    while (end < rows.length && !isNear[end]) end += 1;
    if (end - start >= SHORTEST_FOLD) parts.push(drawFold(rows.slice(start, end)));
    else if (end > start) parts.push(...rows.slice(start, end).map(drawRow));
    else parts.push(drawRow(rows[end++]));
    start = end;
  }
  return parts;
}

function drawFold(rows) {
  const button = element("button", { type: "button" }, `Show ${count(rows.length, "unchanged line")}`);
  const row = element("tr", { class: "fold-row" }, element("td", { colspan: "4" }, button));
  button.addEventListener("click", () => {
    const shown = rows.map(drawRow);
    row.replaceWith(...shown);
    // The button is gone; move the focus to its place for people who use a keyboard.
    shown[0].tabIndex = -1;
    shown[0].focus();
  });
  return row;
}

function drawRow(row) {
  const state = row.same ? "same" : row.before ? (row.after ? "changed" : "removed") : "added";
  return element("tr", { class: state }, drawSide(row.before, row.same ? "" : "−", "before"), drawSide(row.after, row.same ? "" : "+", "after"));
}

function drawSide(line, sign, side) {
  if (!line) return [element("td", { class: `number ${side} none` }), element("td", { class: `line ${side} none` })];
  return [
    element("td", { class: `number ${side}` }, String(line.number)),
    element("td", { class: `line ${side}` }, element("span", { class: "sign" }, sign), line.text),
  ];
}
