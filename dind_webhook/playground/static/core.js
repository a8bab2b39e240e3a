// The source of decisions: here, the server of this page. The documentation has a file with the same name and exports
// that decides in the browser.

export async function load() {
  return (await fetch("api/form")).json();
}

export async function evaluate(question) {
  const response = await fetch("api/answer", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(question),
  });
  if (response.headers.get("Content-Type") !== "application/json") {
    throw new Error(await response.text());
  }
  return response.json();
}
