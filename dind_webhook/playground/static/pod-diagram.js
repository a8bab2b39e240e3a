// The diagram of a pod: a box for each container, in the order in which they start, a box for each volume, and a
// connection from each mount to its volume. Screen readers skip the connections; the boxes have the same facts as text.

import { drawing, element } from "./dom.js";

const ROLES = {
  "native sidecar": "native sidecar: starts first, stays",
  "init container": "init container: runs to its end first",
  container: "container",
};

export function drawPodDiagram(pod) {
  const { containers, volumes } = pod.pod_diagram;
  const inside = volumes.filter((volume) => volume.kind !== "hostPath");
  const outside = volumes.filter((volume) => volume.kind === "hostPath");
  const connections = drawing("svg", { class: "connections", "aria-hidden": "true" });
  const figure = element(
    "figure",
    { class: "pod-diagram" },
    element("figcaption", {}, pod.outcome === "injected" ? "The pod as it starts" : "The pod as it is"),
    element(
      "div",
      { class: "scene" },
      connections,
      drawColumn("Containers", "containers", "ol", containers.map(drawContainer)),
      element(
        "div",
        { class: "volumes" },
        inside.length ? drawColumn("Volumes of the pod", "inside", "ul", inside.map(drawVolume)) : null,
        outside.length ? drawColumn("Directories of the node", "outside", "ul", outside.map(drawVolume)) : null,
      ),
    ),
    drawLegend(pod),
  );
  // The positions of boxes are known only after layout, and change with it.
  new ResizeObserver(() => drawConnections(figure.querySelector(".scene"), connections)).observe(figure);
  for (const event of ["pointerover", "pointerout"]) figure.addEventListener(event, (e) => highlight(figure, e));
  return figure;
}

function drawColumn(title, kind, list, items) {
  return element("div", { class: `column ${kind}` }, element("h4", {}, title), element(list, {}, items));
}

function drawContainer(container) {
  return element(
    "li",
    { class: `box ${container.added ? "added" : ""}`, "data-container": container.name },
    drawHead(container.name, container.added),
    element(
      "p",
      { class: "facts" },
      ROLES[container.role],
      container.privileged ? [" ", element("span", { class: "chip privileged" }, "privileged")] : null,
    ),
    container.image ? element("p", { class: "facts code image" }, container.image) : null,
    container.mounts.length || container.variables.length
      ? element("ul", { class: "parts" }, container.variables.map(drawVariable), container.mounts.map(drawMount))
      : null,
  );
}

function drawHead(name, added) {
  return element("p", { class: "name code" }, name, added ? [" ", element("span", { class: "chip new" }, "added")] : null);
}

function drawVariable(variable) {
  return element(
    "li",
    { class: "part variable added code" },
    element("span", { class: "what" }, `${variable.name}=${variable.value}`),
    element("span", { class: "unseen" }, " environment variable, added"),
  );
}

function drawMount(mount) {
  const notes = [mount.sub_path && `subPath ${mount.sub_path}`, mount.read_only && "read-only"].filter(Boolean);
  return element(
    "li",
    { class: `part mount code ${mount.added ? "added" : ""}`, "data-volume": mount.volume },
    element("span", { class: "what" }, mount.path),
    element("span", { class: "where" }, element("span", { class: "unseen" }, " from volume "), mount.volume),
    notes.length ? element("span", { class: "notes" }, notes.join(", ")) : null,
    mount.added ? element("span", { class: "unseen" }, ", added") : null,
  );
}

function drawVolume(volume) {
  return element(
    "li",
    { class: `box volume ${volume.added ? "added" : ""}`, "data-volume-box": volume.name },
    drawHead(volume.name, volume.added),
    element("p", { class: "facts" }, volume.kind, volume.details ? [" ", element("span", { class: "code" }, volume.details)] : null),
    volume.added && volume.kind === "hostPath" ? element("p", { class: "facts" }, "Here the Docker daemon of the node listens.") : null,
  );
}

function drawLegend(pod) {
  if (pod.outcome !== "injected") return null;
  return element(
    "p",
    { class: "legend" },
    element("span", { class: "sample" }),
    " added by the webhook; everything else is the pod's own and stays as it is",
  );
}

function drawConnections(scene, svg) {
  const frame = scene.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const paths = [...scene.querySelectorAll(".mount")].map((mount) => {
    const box = scene.querySelector(`[data-volume-box="${CSS.escape(mount.dataset.volume)}"]`);
    return box ? drawConnection(mount, box, frame) : null;
  });
  svg.replaceChildren(...paths.filter(Boolean));
}

function drawConnection(mount, box, frame) {
  const from = mount.getBoundingClientRect();
  const to = box.getBoundingClientRect();
  const [x1, y1] = [from.right - frame.left, from.top + from.height / 2 - frame.top];
  const [x2, y2] = [to.left - frame.left, to.top + to.height / 2 - frame.top];
  const middle = (x1 + x2) / 2;
  return drawing("path", {
    d: `M ${x1} ${y1} C ${middle} ${y1}, ${middle} ${y2}, ${x2} ${y2}`,
    class: `connection ${mount.classList.contains("added") ? "added" : ""}`,
    "data-container": mount.closest(".box").dataset.container,
    "data-volume": mount.dataset.volume,
  });
}

// Highlights the box or mount under the pointer, and its connections.
function highlight(figure, event) {
  const target = event.type === "pointerover" ? event.target.closest(".mount, .box") : null;
  const { container, volume, volumeBox } = target?.dataset ?? {};
  const owner = target?.closest("[data-container]")?.dataset.container;
  for (const connection of figure.querySelectorAll(".connection")) {
    const isHighlighted = volume
      ? connection.dataset.volume === volume && connection.dataset.container === owner
      : volumeBox
        ? connection.dataset.volume === volumeBox
        : connection.dataset.container === container;
    connection.classList.toggle("highlighted", Boolean(target) && isHighlighted);
  }
  figure.classList.toggle("highlighting", Boolean(target));
}
