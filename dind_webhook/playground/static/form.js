// The form of the options, from the table with which the webhook reads annotations.

import { element, prose } from "./dom.js";

const CHOICES = /^`[^`]+`((, | or )`[^`]+`)+$/;

export function fillSelect(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
}

export function drawOptions(parent, options) {
  parent.replaceChildren(...options.map(drawOption));
}

// The operator's settings change defaults and permissions, while people are typing.
export function updateOptions(parent, options) {
  for (const option of options) {
    const field = parent.querySelector(`[data-option="${option.key}"]`);
    const control = field.querySelector("input, select");
    if (control.tagName === "SELECT") control.options[0].textContent = defaultText(option);
    else control.placeholder = option.default || "unset";
    field.querySelector(".permission").hidden = option.allowed;
  }
}

export function annotationsOf(parent) {
  const controls = [...parent.querySelectorAll("input, select")].filter((control) => control.value.trim());
  return Object.fromEntries(controls.map((control) => [control.name, control.value.trim()]));
}

function drawOption(option) {
  const id = `option-${option.key.split("/")[1]}`;
  const help = `${id}-help`;
  const attributes = { id, name: option.key, class: "code", "aria-describedby": help };
  const values = CHOICES.test(option.accepts) ? option.accepts.match(/[^`]+(?=`(,| or|$))/g) : null;
  const control = values
    ? element(
        "select",
        attributes,
        element("option", { value: "" }, defaultText(option)),
        values.map((value) => element("option", { value }, value)),
      )
    : element("input", { ...attributes, placeholder: option.default || "unset", spellcheck: "false" });
  return element(
    "div",
    { class: "field option", "data-option": option.key },
    element("label", { for: id, class: "code" }, option.key.split("/")[1]),
    control,
    element(
      "p",
      { id: help, class: "help" },
      prose(option.help),
      values ? "" : [" Accepts ", prose(option.accepts), ", as ", element("code", {}, option.example), "."],
      " ",
      option.modes.length === 1 ? element("span", { class: "chip" }, `${option.modes[0]} mode`) : null,
      element("span", { class: "chip permission", hidden: option.allowed }, "not allowed by the operator"),
    ),
  );
}

function defaultText(option) {
  return option.default ? `${option.default} (default)` : "unset";
}
