// The page follows the API with blocking queries: each view names what it reads and how it is shown.

const page = document.getElementById("page");

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", {}, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function link(href, text) {
  return element("a", { href }, text);
}

function worst(checks) {
  for (const status of ["critical", "warning"]) {
    if (checks.some((check) => check.Status === status)) return status;
  }
  return "passing";
}

function status(text) {
  return element("span", { className: text }, text);
}

const views = {
  services: {
    path: () => "/v1/internal/ui/services",
    show: (services) => table(
      ["Service", "Instances", "Health", "Tags"],
      services.map((service) => [
        link(`#service/${encodeURIComponent(service.Name)}`, service.Name),
        String(service.InstanceCount),
        status(service.ChecksCritical ? "critical" : service.ChecksWarning ? "warning" : "passing"),
        (service.Tags ?? []).join(", "),
      ]),
    ),
  },
  service: {
    path: (name) => `/v1/health/service/${encodeURIComponent(name)}`,
    show: (rows) => table(
      ["Node", "Instance", "Address", "Health", "Checks"],
      rows.map(({ Node, Service, Checks }) => [
        link(`#node/${encodeURIComponent(Node.Node)}`, Node.Node),
        Service.ID,
        `${Service.Address || Node.Address}:${Service.Port}`,
        status(worst(Checks)),
        Checks.map((check) => `${check.Name}: ${check.Output}`).join("\n"),
      ]),
    ),
  },
  nodes: {
    path: () => "/v1/internal/ui/nodes",
    show: (nodes) => table(
      ["Node", "Address", "Health", "Services"],
      nodes.map((node) => [
        link(`#node/${encodeURIComponent(node.Node)}`, node.Node),
        node.Address,
        status(worst(node.Checks ?? [])),
        String((node.Services ?? []).length),
      ]),
    ),
  },
  node: {
    path: (name) => `/v1/health/node/${encodeURIComponent(name)}`,
    show: (checks) => table(
      ["Check", "Service", "Status", "Output"],
      checks.map((check) => [
        check.Name, check.ServiceID, status(check.Status), element("pre", {}, check.Output),
      ]),
    ),
  },
  kv: {
    path: (prefix) => `/v1/kv/${encodeURI(prefix)}?keys&separator=/`,
    show: (keys, prefix) => table(
      ["Key"],
      keys.filter((key) => key !== prefix).map((key) => [
        link(`#${key.endsWith("/") ? "kv" : "key"}/${key}`, key),
      ]),
    ),
  },
  key: {
    path: (key) => `/v1/kv/${encodeURI(key)}`,
    show: ([pair]) => element("pre", {}, pair.Value === null ? "" : decode(pair.Value)),
  },
};

function decode(value) {
  const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

let leaving = new AbortController();

async function follow() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [name, ...rest] = decodeURIComponent(location.hash.slice(1) || "services").split("/");
  const view = views[name] ?? views.services;
  const argument = rest.join("/");
  let index = 0;
  while (!signal.aborted) {
    try {
      const path = view.path(argument);
      const reply = await fetch(`${path}${path.includes("?") ? "&" : "?"}index=${index}&wait=60s`, { signal });
      const next = Number(reply.headers.get("X-Consul-Index")) || 0;
      index = next < index ? 0 : next;
      page.replaceChildren(reply.ok ? view.show(await reply.json(), argument) : await reply.text() || "Nothing here.");
    } catch (error) {
      if (signal.aborted) return;
      page.replaceChildren(`The agent does not answer: ${error.message}`);
      await new Promise((resume) => setTimeout(resume, 2000));
    }
  }
}

addEventListener("hashchange", follow);
follow();
const { Config } = await (await fetch("/v1/agent/self")).json();
document.getElementById("where").textContent = `${Config.NodeName} in ${Config.Datacenter}`;
