// Builds ../artifacts/evm/<Name>.json from the sources with the pinned compiler.
//
//   node artifacts.mjs           writes them
//   node artifacts.mjs --check   rebuilds and compares byte for byte; exit code 1 and a list when something differs
//
// The settings below are those of foundry.toml. The compiler comes from PORTCULLIS_NODE_MODULES, or from ./node_modules.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "../artifacts/evm");
const modules = process.env.PORTCULLIS_NODE_MODULES || path.join(here, "node_modules");
const solc = createRequire(import.meta.url)(path.join(path.resolve(modules), "solc"));

/** Which contract of which source becomes an artifact. */
const wanted = {
  Guard: "src/Guard.sol",
  Gate: "src/Gate.sol",
  DemoBridge: "demo/DemoBridge.sol",
  DemoToken: "demo/DemoToken.sol",
  DemoPausable: "demo/DemoPausable.sol",
};

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 1000 },
  viaIR: false,
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

function sources() {
  const found = {};
  for (const folder of ["src", "demo"]) {
    for (const entry of fs.readdirSync(path.join(here, folder), { recursive: true }).sort()) {
      const name = path.posix.join(folder, entry.split(path.sep).join("/"));
      if (name.endsWith(".sol")) found[name] = { content: fs.readFileSync(path.join(here, name), "utf8") };
    }
  }
  return found;
}

/** Keys sorted at every depth, so that the same content is the same bytes. */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

function build() {
  const input = {
    language: "Solidity",
    sources: sources(),
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((e) => e.severity !== "info");
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  return Object.entries(wanted).map(([name, source]) => {
    const contract = output.contracts[source]?.[name];
    if (!contract) throw new Error(`${source} does not define ${name}`);
    const artifact = {
      contractName: name,
      compiler: { solc: solc.version(), ...settings },
      abi: contract.abi,
      bytecode: `0x${contract.evm.bytecode.object}`,
      deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
    };
    return [`${name}.json`, `${JSON.stringify(sorted(artifact), null, 2)}\n`];
  });
}

const files = build();
if (process.argv.includes("--check")) {
  const names = new Set(files.map(([name]) => name));
  const stale = files
    .filter(([name, text]) => {
      const file = path.join(out, name);
      return !fs.existsSync(file) || fs.readFileSync(file, "utf8") !== text;
    })
    .map(([name]) => name);
  const stray = fs.existsSync(out) ? fs.readdirSync(out).filter((name) => !names.has(name)) : [];
  for (const name of stale) console.error(`contracts/artifacts/evm/${name} is not what the sources build`);
  for (const name of stray) console.error(`contracts/artifacts/evm/${name} has no source`);
  if (stale.length + stray.length > 0) {
    console.error("Run `node contracts/evm/artifacts.mjs` and commit the result.");
    process.exit(1);
  }
  console.log(`${files.length} artifacts are what the sources build`);
} else {
  fs.mkdirSync(out, { recursive: true });
  for (const [name, text] of files) fs.writeFileSync(path.join(out, name), text);
  console.log(`wrote ${files.length} artifacts to contracts/artifacts/evm`);
}
