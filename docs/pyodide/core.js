// Where decisions come from: here, a worker of this page, in which the webhook's own code runs.

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let last = 0;

worker.addEventListener("message", ({ data }) => {
  const { resolve, reject } = waiting.get(data.number);
  waiting.delete(data.number);
  if (data.error === undefined) resolve(JSON.parse(data.text));
  else reject(new Error(data.error));
});

worker.addEventListener("error", (event) => {
  for (const { reject } of waiting.values()) reject(new Error(event.message || "the worker cannot be loaded"));
  waiting.clear();
});

export function load(say) {
  say("Loading Python and the webhook's code, about 15 MB…");
  return call("form", "");
}

export function evaluate(question) {
  return call("evaluate", JSON.stringify(question));
}

function call(name, text) {
  return new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    worker.postMessage({ number: last, name, text });
  });
}
