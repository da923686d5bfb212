// Bundles src/ into dist/: files named by the hash of their content, and a
// manifest from plain names to those. dist/ is committed, so that building the
// program needs no Node; CI builds it again and compares.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";

const out = "dist";
await rm(out, { recursive: true, force: true });
await mkdir(out);
const result = await build({
  entryPoints: ["src/live.ts", "src/pages.ts", "src/style.css", "src/icon.svg"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  outdir: out,
  entryNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  metafile: true,
  legalComments: "none",
});
const manifest = {};
for (const [file, info] of Object.entries(result.metafile.outputs)) {
  if (!info.entryPoint) continue;
  manifest[basename(info.entryPoint).replace(/\.ts$/, ".js")] = basename(file);
}
// The bundle holds the work of others, whose licences want to be shown.
const others = ["preact", "@preact/signals", "htm"];
let licences = "";
for (const name of others) {
  licences += `${name}\n\n${await readFile(`node_modules/${name}/LICENSE`, "utf8")}\n\n`;
}
const hash = createHash("sha256").update(licences).digest("hex").slice(0, 8).toUpperCase();
manifest["licences.txt"] = `licences-${hash}.txt`;
await writeFile(`${out}/${manifest["licences.txt"]}`, licences);

const sorted = Object.fromEntries(Object.entries(manifest).sort());
await writeFile(`${out}/manifest.json`, JSON.stringify(sorted, null, 2) + "\n");
