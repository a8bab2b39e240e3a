// The webhook's code, run by Pyodide. All files are of this site.

import { loadPyodide } from "./pyodide/pyodide.mjs";

const starting = start();

async function start() {
  const [python, core] = await Promise.all([loadPyodide(), fetchCore()]);
  python.unpackArchive(core, "zip", { extractDir: "/core" });
  python.runPython("import sys; sys.path.insert(0, '/core')");
  const environ = python.toPy({});
  const playground = python.pyimport("dind_webhook.playground");
  return {
    evaluate: (text) => playground.answer_question(text, environ).model_dump_json(),
    form: (text) => playground.build_form(text, environ).model_dump_json(),
  };
}

async function fetchCore() {
  const response = await fetch("core.zip");
  if (!response.ok) throw new Error(`core.zip: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

self.addEventListener("message", async ({ data: { number, name, text } }) => {
  try {
    const core = await starting;
    self.postMessage({ number, text: core[name](text) });
  } catch (error) {
    self.postMessage({ number, error: error.message });
  }
});
