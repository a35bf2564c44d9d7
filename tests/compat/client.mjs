// Drives the npm package "consul" against the agent at HOST:PORT (first argument).
// Prints one JSON object, "claim": true or what was seen instead; test_npm_consul.py asserts it.
import Consul from "consul";

const [host, port] = process.argv[2].split(":");
const consul = new Consul({ host, port: Number(port) });
const seen = {};

async function until(probe) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const found = await probe();
    if (found) return found;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error("condition not met in 10 s");
}

async function keys() {
  await consul.kv.set("npm/a", "one");
  seen.value = (await consul.kv.get("npm/a")).Value;
  seen.keys = await consul.kv.keys("npm/");
  seen.missing = (await consul.kv.get("npm/none")) ?? null;
  await consul.kv.del({ key: "npm/", recurse: true });
  seen.deleted = (await consul.kv.get("npm/a")) ?? null;
}

async function services() {
  await consul.agent.service.register({ name: "npm-web", port: 8080, tags: ["v1"], check: { ttl: "30s" } });
  await consul.agent.check.pass("service:npm-web");
  const passing = await until(async () => {
    const rows = await consul.health.service({ service: "npm-web", passing: true });
    return rows.length ? rows : null;
  });
  seen.port = passing[0].Service.Port;
  seen.tags = (await consul.catalog.service.list())["npm-web"];
  await consul.agent.service.deregister("npm-web");
  seen.gone = await until(async () => (await consul.catalog.service.nodes("npm-web")).length === 0);
}

async function locks() {
  const create = async () => (await consul.session.create({ lockdelay: "0s", ttl: "10s" })).ID;
  const [first, second] = [await create(), await create()];
  seen.acquired = await consul.kv.set({ key: "npm-lock", value: "a", acquire: first });
  // The package gives undefined for a body of false.
  seen.refused = Boolean(await consul.kv.set({ key: "npm-lock", value: "b", acquire: second }));
  seen.released = await consul.kv.set({ key: "npm-lock", value: "a", release: first });
  await consul.session.destroy(first);
  await consul.session.destroy(second);
}

async function watch() {
  await consul.kv.set("npm-watch", "old");
  const watcher = consul.watch({ method: consul.kv.get, options: { key: "npm-watch", wait: "10s" } });
  const values = [];
  const finished = new Promise((done, fail) => {
    watcher.on("error", fail);
    watcher.on("change", (pair) => {
      values.push(pair.Value);
      if (values.length === 1) consul.kv.set("npm-watch", "new");
      else done();
    });
  });
  await finished;
  watcher.end();
  seen.watched = values;
}

await keys();
await services();
await locks();
await watch();
console.log(JSON.stringify(seen));
